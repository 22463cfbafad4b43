"""What a process logs: JSON lines in production, text to read in development.

Each line says whose it is: `bound(request_id=...)` gives every line of what runs inside, in
whatever library and task, the ids; lines of workflow code have them from Temporal. Secrets are
taken out where a record is made (see `activities.scrub`), before any of this sees it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TextIO

import orjson
from temporalio import activity, workflow

from pilot.events.model import rfc3339
from pilot.settings import Settings
from pilot.store import temporal_workflow_id

EXECUTION_PREFIX = temporal_workflow_id("")
_QUIET = ("LiteLLM", "httpx", "httpcore")
"""They log every call, with its URL; an activity's outcome is in Temporal already."""

_NONE: Mapping[str, str | int] = MappingProxyType({})
_ids: ContextVar[Mapping[str, str | int]] = ContextVar("log_ids", default=_NONE)


@contextmanager
def bound(**ids: str | int | None) -> Iterator[None]:
    """Lines that are logged inside, in this task and those that it starts, carry the ids."""
    given = {name: value for name, value in ids.items() if value is not None}
    token = _ids.set({**_ids.get(), **given})
    try:
        yield
    finally:
        _ids.reset(token)


def ids_of(record: logging.LogRecord | None = None) -> dict[str, str | int]:
    """The ids that hold here, and those that Temporal gave the record."""
    found: dict[str, str | int] = {}
    for name in ("temporal_workflow", "temporal_activity"):
        told = getattr(record, name, None)
        if isinstance(told, Mapping):
            temporal = str(told.get("workflow_id") or "")
            found["temporal_workflow_id"] = temporal
            found["temporal_run_id"] = str(told.get("run_id") or told.get("workflow_run_id") or "")
            if temporal.startswith(EXECUTION_PREFIX):
                found["execution_id"] = temporal.removeprefix(EXECUTION_PREFIX)
    return {**found, **_ids.get()}


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message", <ids>, "exception"?}`, one line a record."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **ids_of(record),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate, or an integer over 64 bits
            return json.dumps(line, ensure_ascii=False, default=str)


class Readable(logging.Formatter):
    """A line for people; its ids stand at the end of the message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(ids)s")

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={_printable(value)}" for name, value in ids_of(record).items())
        record.ids = f" [{ids}]" if ids else ""
        return super().format(record)


def _printable(value: str | int) -> str:
    """A user's id is whatever their token says: it must not make lines of its own."""
    return "".join(char if char.isprintable() else "?" for char in str(value))


def is_json(settings: Settings) -> bool:
    if settings.pilot_log_format == "auto":
        return not settings.is_development
    return settings.pilot_log_format == "json"


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """The process's logging, to `stream` [stderr]: stdout belongs to the program."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if is_json(settings) else Readable())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level(settings))
    # the ids say it, once
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
    if not settings.debug:
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)


def level(settings: Settings) -> int:
    return (
        logging.DEBUG
        if settings.debug
        else logging.getLevelNamesMapping()[settings.pilot_log_level.upper()]
    )
