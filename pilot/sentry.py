"""Errors to Sentry, where SENTRY_DSN is set: whatever a process of ours logs as an error.

That is one rule for API, worker and activities: a request that failed with a 500, a node that
failed inside πlot, a loop that broke. Workflow tasks that fail (a bug of the interpreter, a
history that the code no longer fits) are told too, though Temporal tries them again and again:
a limit on each kind keeps them few, and the metrics have their number. What a graph's author or
the other side did wrong is no error of ours and is not sent.

An event holds nothing of a run's data. It is built anew from what is known to be harmless: the
stack without its variables, the ids, the log call's own text without what was filled in. The
text of an exception may quote anything (a prompt, a row, a URL), so it is told only where
Python or we wrote it.
"""

from __future__ import annotations

import atexit
import logging
import queue
import re
import time
from collections import OrderedDict
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, Any

from pilot import __version__, tracing
from pilot.errors import SettingsError
from pilot.logs import ids_of
from pilot.settings import Settings

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

OURS = ("pilot", "api", "activities", "workflows_def", "worker")
THEIRS = ("temporalio", "asyncio", "uvicorn")
TASK_FAILED = "WorkflowTaskFailure"
CORE = "temporalio.core"
NONDETERMINISM = re.compile(r'Nondeterminism error: [^"]*')
"""The core alone finds it; other failures it repeats."""

TOLD = frozenset(
    {
        "AttributeError",
        "ImportError",
        "ModuleNotFoundError",
        "NameError",
        "NondeterminismError",
        "RecursionError",
        "SettingsError",
        "UnboundLocalError",
        "ZeroDivisionError",
    }
)
"""Exceptions whose text names parts of a program, never its data."""
_NUMBERS = re.compile(r"\d+")
LEFT_OUT = "(left out: it may quote a run's data)"
MAX_TEXT_CHARS = 500

KIND_LIMIT, KIND_WINDOW_S, MAX_KINDS = 20, 600.0, 1_000
"""So many events of a kind are sent in so many seconds."""
FLUSH_S = 2.0


def init(settings: Settings, component: str) -> None:
    """Begins to report; does nothing without SENTRY_DSN. Raises `SettingsError`."""
    if settings.sentry_dsn is None:
        return
    import sentry_sdk  # noqa: PLC0415 (takes 0.3 s)
    from sentry_sdk.integrations import Integration  # noqa: PLC0415
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.threading import ThreadingIntegration  # noqa: PLC0415
    from sentry_sdk.utils import BadDsn  # noqa: PLC0415

    integrations: list[Integration] = [
        DedupeIntegration(),
        ExcepthookIntegration(),
        ThreadingIntegration(propagate_scope=False),
    ]
    try:
        sentry_sdk.init(
            dsn=settings.sentry_dsn.get_secret_value(),
            release=settings.sentry_release or f"pilot-canvas@{__version__}",
            environment=settings.sentry_environment or settings.pilot_env,
            default_integrations=False,
            integrations=integrations,
            include_local_variables=False,
            max_breadcrumbs=0,
            send_client_reports=False,
            shutdown_timeout=FLUSH_S,
            before_send=_harmless,
            # the sampling is OpenTelemetry's; what it took is sent
            traces_sample_rate=1.0,
            instrumenter="otel",
        )
    except BadDsn as error:
        raise SettingsError(f"SENTRY_DSN: {error}") from None
    sentry_sdk.get_global_scope().set_tag("component", component)
    _listen()


def _listen() -> None:
    """Records are reported from a thread of their own: a workflow's are logged in its sandbox,
    where nothing may be imported."""
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logging.getLogger().addHandler(_Handoff(waiting))
    listener = QueueListener(waiting, _Report())
    listener.start()

    def close() -> None:
        import sentry_sdk  # noqa: PLC0415

        listener.stop()
        sentry_sdk.flush(FLUSH_S)

    atexit.register(close)


class _Handoff(QueueHandler):
    """Takes what is to be reported, with the ids and the trace that hold where it is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(CORE):
            return NONDETERMINISM.search(record.getMessage()) is not None
        if getattr(record, "__temporal_error_identifier", None) == TASK_FAILED:
            return True
        root = record.name.partition(".")[0]
        return record.levelno >= logging.ERROR and root in (*OURS, *THEIRS)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.pilot_ids = _ids(record)
        record.pilot_trace = tracing.current()
        return record


def _ids(record: logging.LogRecord) -> dict[str, str | int]:
    ids = ids_of(record)
    core = getattr(record, "temporal_log", None)
    if core is not None and "run_id" in core.fields:
        ids["temporal_run_id"] = str(core.fields["run_id"])
    elif record.name == "temporalio.worker._workflow" and record.args:
        ids["temporal_run_id"] = str(next(iter(record.args)))
    return ids


class _Report(logging.Handler):
    """Makes an event of a record."""

    def __init__(self) -> None:
        super().__init__()
        self._limits = _Limits()

    def emit(self, record: logging.LogRecord) -> None:
        import sentry_sdk  # noqa: PLC0415
        from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

        text, kind = _text(record), type(record.exc_info[1]).__name__ if record.exc_info else ""
        if not self._limits.take((record.name, _NUMBERS.sub("N", text), kind)):
            return
        event: Event = {}
        hint: Hint = {}
        if record.exc_info and record.exc_info[1] is not None:
            event, hint = event_from_exception(
                record.exc_info,
                client_options=sentry_sdk.get_client().options,
                mechanism={"type": "logging", "handled": True},
            )
        ids: dict[str, str | int] = getattr(record, "pilot_ids", {})
        tags = {name: str(value) for name, value in ids.items()}
        if _is_task_failure(record):
            tags["failure"] = "workflow_task"
        elif record.name == "temporalio.workflow":
            tags["failure"] = "workflow"
        event["level"] = "error"
        event["logger"] = record.name
        event["logentry"] = {"message": text, "params": []}
        event["tags"] = tags
        if "user_id" in tags:
            event["user"] = {"id": tags["user_id"]}
        trace = getattr(record, "pilot_trace", None)
        if trace is not None:
            event["contexts"] = {"trace": {"trace_id": trace[0], "span_id": trace[1]}}
        sentry_sdk.capture_event(event, hint)


def _is_task_failure(record: logging.LogRecord) -> bool:
    return (
        record.name.startswith((CORE, "temporalio.worker._workflow"))
        or getattr(record, "__temporal_error_identifier", None) == TASK_FAILED
    )


def _text(record: logging.LogRecord) -> str:
    """What the log call says itself; a loop's complaint quotes the exception from its second
    line on."""
    if record.name.startswith(CORE) and (found := NONDETERMINISM.search(record.getMessage())):
        return found[0][:MAX_TEXT_CHARS]
    if getattr(record, "__temporal_error_identifier", None) == TASK_FAILED:
        told = getattr(record, "temporal_workflow", {})
        return f"a workflow task of {told.get('workflow_type')} failed"
    lines = str(record.msg).splitlines() or [""]
    return lines[0][:MAX_TEXT_CHARS]


class _Limits:
    """How many events of each kind went out lately."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[tuple[str, ...], tuple[float, int]] = OrderedDict()

    def take(self, kind: tuple[str, ...]) -> bool:
        now = time.monotonic()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since > KIND_WINDOW_S:
            since, count = now, 0
        self._kinds[kind] = (since, count + 1)
        self._kinds.move_to_end(kind)
        if len(self._kinds) > MAX_KINDS:
            self._kinds.popitem(last=False)
        return count < KIND_LIMIT


_KEPT = frozenset(
    {
        "contexts",
        "environment",
        "event_id",
        "exception",
        "level",
        "logentry",
        "logger",
        "platform",
        "release",
        "sdk",
        "server_name",
        "tags",
        "timestamp",
        "user",
    }
)


def _harmless(event: Event, _hint: Hint) -> Event:
    """The event without whatever may hold data, whoever made it."""
    kept: Any = {name: value for name, value in event.items() if name in _KEPT}
    for exception in (kept.get("exception") or {}).get("values", ()):
        told = exception.get("type", "").lstrip("_") in TOLD
        exception["value"] = str(exception.get("value"))[:MAX_TEXT_CHARS] if told else LEFT_OUT
        for frame in (exception.get("stacktrace") or {}).get("frames", ()):
            frame.pop("vars", None)
    result: Event = kept
    return result
