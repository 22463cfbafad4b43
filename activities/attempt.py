"""One attempt of a node: the harness that every node activity runs in.

A node type's file holds an `async def run(attempt: Attempt[XConfig]) -> NodeResult` and

    activity = node_activity("x", XConfig)(run)

which is a Temporal activity named after the type, from `NodeTask` to `NodeResult`. The
harness parses the configuration, heartbeats, measures, takes the secrets that the attempt was
given out of its result, events, errors and log lines, checks that the result is JSON that fits
into a payload, and turns every error into an `ApplicationError` whose `type` is the stable code
and whose one detail is `{code, message, attempt, meta}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from temporalio import activity

from activities import resources, scrub
from activities.failures import application_error, clip, failure_of, is_cut_off, retry_delay_s
from activities.heartbeats import heartbeats
from activities.kept import Large, large, passed_on, whole
from activities.patience import through_outage
from activities.payload import check_result
from activities.scrub import Scrubber
from pilot.errors import NodeError
from pilot.events import sink
from pilot.events.model import Envelope, Event, EventType, rfc3339
from pilot.events.texts import Placing
from pilot.graph.secrets import hook_nodes, secret_names
from pilot.graph.spec import NodeConfig
from pilot.graph.task import NodeResult, NodeTask
from pilot.payloads.values import Kept

C = TypeVar("C", bound=NodeConfig)

# What an attempt keeps of its time to report that it ran out of it, before Temporal does.
REPORTING_S = 0.5
# In place of the time limit of an attempt that has none.
OUTAGE_S = 120.0


@dataclass(frozen=True, slots=True)
class Attempt(Generic[C]):
    """What a node's code is given: the task, its configuration (templates not rendered) and
    the number of this attempt, from 1."""

    task: NodeTask
    config: C
    number: int
    scrubber: Scrubber = field(default_factory=Scrubber)
    _placing: Placing = field(default_factory=Placing)

    async def secrets(self) -> dict[str, str]:
        """The secrets that the configuration refers to, by name, for `render`, and addresses of
        webhooks, which are secret too. From here on they are taken out of whatever the attempt
        says.

        A store that is away is waited for, for half of the attempt's time. Raises `NodeError`
        (`missing_secret`), or `UnavailableError` where it stays away.
        """
        wanted, hooked = secret_names(self.config), hook_nodes(self.config)
        if not wanted and not hooked:
            return {}
        secrets = resources.current().secrets
        values = await through_outage(
            lambda: secrets.values(self.task.user_id, wanted), self.patience_s
        )
        values |= secrets.hooks(self.task.execution_id, hooked, self.task.path)
        self.scrubber.add(values)
        scrub.logs.watch(values)
        return values

    def emit_live(self, type: EventType, data: dict[str, Any]) -> None:
        """Sends an event that only those who watch now will see. A `text` in it may be a piece
        of a longer one: what may be the beginning of a secret waits for the next piece."""
        if isinstance(data.get("text"), str):
            labels = sorted((k, v) for k, v in data.items() if k != "text" and _is_label(v))
            scrubbed = self.scrubber.streamed((type, *labels), data)
        else:
            scrubbed = self.scrubber.value(data)
        if scrubbed is not None:
            self._emit(type, scrubbed)

    def close(self) -> None:
        """Sends what waited, and lets the secrets go."""
        for (type, *_), data in self.scrubber.held():
            self._emit(type, data)
        scrub.logs.forget_later(self.scrubber.secrets)

    def _emit(self, type: EventType, data: dict[str, Any]) -> None:
        task = self.task
        if task.quiet:
            return
        if type is EventType.LLM_TOKEN:
            data = self._placing.placed(data, round=task.round, attempt=self.number)
        event = Event(
            type=type,
            execution_id=task.execution_id,
            workflow_id=task.workflow_id,
            at=rfc3339(datetime.now(UTC)),
            node_id=task.node_id,
            path=task.path,
            attempt=self.number,
            data=data,
        )
        sink.emit(Envelope(task.user_id, event))

    @property
    def key(self) -> str:
        """`<execution>:<node>:<iteration path>`: the same for every attempt of this node, and
        for no other."""
        return f"{self.task.execution_id}:{self.task.node_id}:{self.task.path}"

    async def until_stored_apart(self) -> None:
        """Waits for a payload store that is away, for half of the attempt's time: what the node
        has done once is not done again for that. Raises `PayloadStoreError`."""
        objects = resources.current().objects
        if objects is not None:
            await through_outage(objects.ping, self.patience_s)

    @property
    def patience_s(self) -> float:
        """How long a store that is away is waited for."""
        return (self.timeout_s or OUTAGE_S) / 2

    @property
    def timeout_s(self) -> float | None:
        """The seconds that this attempt may take in all, a little less than Temporal allows
        so that its own error comes first; None without a limit."""
        limit = activity.info().start_to_close_timeout
        if limit is None:
            return None
        seconds = limit.total_seconds()
        return max(seconds - REPORTING_S, seconds * 0.9)


def _is_label(value: object) -> bool:
    """Whether it tells one stream of texts from another; a number may count its pieces."""
    return isinstance(value, str | bool)


Run = Callable[[Attempt[C]], Awaitable[NodeResult]]
NodeActivity = Callable[[NodeTask], Awaitable[NodeResult]]


def node_activity(type: str, config: type[C]) -> Callable[[Run[C]], NodeActivity]:
    """Makes a node's code the Temporal activity of the node type `type`.

    The activity raises `ApplicationError` for every failure, with the code as its type:
    `NodeError`s are retried as they say, bad configuration, expressions and templates never,
    and anything unexpected is `internal_error`, which is retried. An attempt that its worker's
    stop cuts off is `worker_shutdown`: another worker begins it anew at once.
    """

    def decorate(run: Run[C]) -> NodeActivity:
        @activity.defn(name=type)
        async def node(task: NodeTask) -> NodeResult:
            return await _attempt(task, config, run)

        return node

    return decorate


async def _attempt(task: NodeTask, config: type[C], run: Run[C]) -> NodeResult:
    number = activity.info().attempt + task.attempts_before
    started_at, clock = datetime.now(UTC), time.perf_counter()
    scrubber = Scrubber()
    try:
        async with heartbeats():
            attempt = Attempt(task, _parse(config, task), number, scrubber)
            reference = passed_on(task)
            if reference is not None:
                result = NodeResult(output=reference)
            else:
                scope = await whole(task.scope, attempt.patience_s)
                attempt = replace(attempt, task=replace(task, scope=scope))
                with contextlib.closing(attempt):
                    result = await run(attempt)
            meta = {**result.meta, **_times(started_at, clock, number)}
            result = replace(result, meta=meta)
            sizes, kept = resources.sizes(), None
            if isinstance(result.output, Large | Kept):
                kept, result = result.output, replace(result, output=None)
            size = check_result(result, sizes)
            if scrubber:
                result = _scrubbed(result, scrubber)
                size = check_result(result, sizes)
            kept = kept or large(task, result, size)
            if kept is not None:
                result = replace(result, output=None)  # only its JSON is held meanwhile
                if isinstance(kept, Large):
                    kept = await through_outage(kept.keep, attempt.patience_s)
                result = replace(result, output=kept.to_json())
                size = check_result(result, sizes)
            if sizes.in_history(size) < size:
                await attempt.until_stored_apart()
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and not is_cut_off():
            raise
        failure = failure_of(error, task)
        failure.message = scrubber.text(failure.message)
        failure.meta = {
            **_scrubbed_meta(failure.meta, scrubber),
            **_times(started_at, clock, number),
        }
        _announce_retry(failure, task, number)
        raise application_error(failure, number) from None
    return result


def _scrubbed(result: NodeResult, scrubber: Scrubber) -> NodeResult:
    return replace(
        result,
        output=scrubber.value(result.output),
        meta=scrubber.value(result.meta),
        vars=scrubber.value(result.vars),
        tool_calls=[
            replace(
                call,
                arguments=scrubber.value(call.arguments),
                error=scrubber.value(call.error),
            )
            for call in result.tool_calls or ()
        ]
        or None,
        messages=scrubber.value(result.messages),
        follow=scrubber.value(result.follow),
    )


def _scrubbed_meta(meta: dict[str, Any], scrubber: Scrubber) -> dict[str, Any]:
    """Nobody has checked that a failure's meta is JSON: what cannot be looked through is not
    told."""
    try:
        scrubbed: dict[str, Any] = scrubber.value(meta)
    except RecursionError:
        return {}
    return scrubbed


def _parse(config: type[C], task: NodeTask) -> C:
    try:
        return config.model_validate(task.config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise NodeError(
            f"the configuration of {task.name!r} is not valid: {field}: {first['msg']}",
            code="invalid_config",
        ) from None


def _times(started_at: datetime, clock: float, number: int) -> dict[str, Any]:
    return {
        "started_at": rfc3339(started_at),
        "duration_ms": round((time.perf_counter() - clock) * 1000, 3),
        "attempt": number,
    }


def _announce_retry(failure: NodeError, task: NodeTask, number: int) -> None:
    """Tells watchers that another attempt will follow, where one will."""
    delay_s = retry_delay_s(failure, activity.info().attempt)
    if delay_s is None:
        return
    attempt: Attempt[NodeConfig] = Attempt(task=task, config=NodeConfig(), number=number)
    policy = activity.info().retry_policy
    data: dict[str, Any] = {
        "error": {"code": failure.code, "message": clip(failure.message)},
        "next_attempt_at": rfc3339(datetime.now(UTC) + timedelta(seconds=delay_s)),
    }
    if policy is not None and policy.maximum_attempts:
        data["max_attempts"] = policy.maximum_attempts + task.attempts_before
    attempt.emit_live(EventType.NODE_RETRYING, data)
