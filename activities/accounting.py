"""What model calls use: checked against budgets before each, written after each.

    ledger = shared.accounting.ledger(attempt, seconds)
    completion = await ledger.complete(call, http, on_text)      # as often as it takes
    result = await ledger.closed(...)                            # usage into `meta`

Every call goes through `Ledger.complete` (or `Ledger.call`, for what is asked by other means):
fallbacks, repairs and tool rounds alike. A call that failed counts too. Where the other side
did not say what it took, because its answer was cut or the call was given up, the prompt and
what had come of the answer are counted here, and the row is marked `estimated`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from temporalio import activity

from activities.admission import BUDGET_CODES, Admission, Question, cost_of
from activities.asked import Call, Completion, Usage
from activities.completion import complete
from activities.models import Route
from activities.throttle import Throttle
from activities.token_count import count_prompt, count_text
from activities.usage_writer import UsageWriter
from pilot import metrics
from pilot.errors import NodeError, StoreError
from pilot.graph.task import NodeResult
from pilot.money import dollars
from pilot.settings import Settings
from pilot.store.places import PlaceStore
from pilot.store.usage import CallKey, ModelCall, Total, UsageStore

if TYPE_CHECKING:
    from activities.attempt import Attempt

__all__ = ["BUDGET_CODES", "Accounting", "Ask", "Ledger"]

CALLS_A_ROUND = 1_000
"""More than the fallbacks and repairs of one activity can be."""
WRITE_LIMIT_S = 5.0
"""How long the end of a call waits until it is written; then the writing goes on behind it."""
HURRIED_LIMIT_S = 0.1
"""The same for an attempt whose time is up, and which must still report it."""


class Accounting:
    """One worker's. Without a store (`usage` is None) nothing is limited and nothing written;
    `meta` says what was used all the same."""

    def __init__(
        self,
        settings: Settings,
        usage: UsageStore | None,
        writer: UsageWriter | None,
        throttle: Throttle,
    ) -> None:
        self.settings = settings
        self.throttle = throttle
        self._usage = usage
        self._writer = writer
        self._admission = (
            None if usage is None or writer is None else Admission(settings, usage, writer)
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, settings: Settings, usage: UsageStore | None, places: PlaceStore | None = None
    ) -> AsyncIterator[Accounting]:
        limits, slots = settings.pilot_model_limits, settings.pilot_max_activities
        throttle = Throttle(limits, places, slots)
        if usage is None:
            yield cls(settings, None, None, throttle)
            return
        async with UsageWriter.open(usage) as writer:
            yield cls(settings, usage, writer, throttle)

    def ledger(self, attempt: Attempt[Any], seconds: float) -> Ledger:
        """The ledger of an attempt that ends within `seconds`."""
        return Ledger(self, attempt, seconds)

    async def admit(self, question: Question) -> datetime | None:
        """As `Admission.admit`."""
        return None if self._admission is None else await self._admission.admit(question)

    async def withdraw(self, question: Question, at: datetime) -> None:
        """The call that was let through at that time is not made."""
        if self._admission is not None:
            await self._admission.withdraw(question, at)

    async def write(self, call: ModelCall, limit_s: float) -> None:
        if self._writer is not None:
            await self._writer.write(call, limit_s)

    async def of_node(self, attempt: Attempt[Any]) -> Total | None:
        """Over every attempt of the node; None where the store does not say."""
        if self._usage is None or self._writer is None:
            return None
        task = attempt.task
        where = (task.execution_id, task.node_id, task.path)
        try:
            async with asyncio.timeout(HURRIED_LIMIT_S):
                written = await self._usage.of_node(*where)
        except (StoreError, TimeoutError):
            return None
        return written + self._writer.unwritten_of(*where)


class Ask:
    """What is asked and what came of it. `begun` and `received` are called as the answer comes,
    `used` where the other side says what it took."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self._messages = messages
        self._begun = False
        self._texts: list[str] = []
        self._usage: Usage | None = None

    def begun(self) -> None:
        """The other side took the request: it will be billed."""
        self._begun = True

    def received(self, text: str) -> None:
        self._begun = True
        self._texts.append(text)

    def used(self, usage: Usage | None) -> None:
        self._begun = True
        self._usage = usage

    async def usage(self, route: Route, error: BaseException | None) -> tuple[Usage, bool]:
        """What the call took, and whether that is an estimate."""
        if self._usage is not None:
            return self._usage, False
        if not (self._begun or _may_be_billed(error)):
            return Usage(0, 0, 0, 0.0), False
        prompt, answer = await asyncio.gather(
            count_prompt(route, self._messages), count_text(route, "".join(self._texts))
        )
        return Usage(prompt, answer, prompt + answer, None), True


class Ledger:
    """The calls of one attempt of a node."""

    def __init__(self, accounting: Accounting, attempt: Attempt[Any], seconds: float) -> None:
        self.attempt = attempt
        self.seconds = seconds
        self._accounting = accounting
        self._total = Total()
        self._calls = 0

    async def complete(
        self,
        call: Call,
        http: httpx.AsyncClient,
        on_text: Callable[[str], None],
        *,
        may_leave: bool = True,
    ) -> Completion:
        """`activities.completion.complete`, accounted for. Raises `NodeError` as that does,
        and, before a call is made, `budget_exceeded`, `price_unknown`, `budget_reserved`,
        `usage_unavailable` or, if it `may_leave`, `model_busy`."""
        most = call.parameters.get("max_tokens")
        async with self.call(call.route, call.messages, most, may_leave=may_leave) as ask:

            def received(text: str) -> None:
                ask.received(text)
                on_text(text)

            completion = await complete(call, http, received, ask.begun)
            ask.used(completion.usage)
        return completion

    @contextlib.asynccontextmanager
    async def call(
        self,
        route: Route,
        messages: list[dict[str, Any]],
        max_tokens: int | None,
        *,
        may_leave: bool = True,
    ) -> AsyncIterator[Ask]:
        """One call of a model: reserves, and writes what it took whatever became of it."""
        task = self.attempt.task
        self._calls += 1
        key = CallKey(
            execution_id=task.execution_id,
            node_id=task.node_id,
            path=task.path,
            run_id=_run_id(),
            attempt=self.attempt.number,
            # every round of tool calls is an activity, whose attempts count from 1
            call=task.round * CALLS_A_ROUND + self._calls,
        )
        question = Question(
            key,
            task.user_id,
            task.workflow_id,
            tuple(task.callers),
            route,
            messages,
            max_tokens,
            self.seconds,
        )
        reserved_at = await self._accounting.admit(question)
        at, has_place = reserved_at or datetime.now(UTC), False
        ask = Ask(messages)
        throttle = self._accounting.throttle
        try:
            async with throttle.place(route, self.attempt, self.seconds, may_leave=may_leave):
                has_place = True
                yield ask
        except BaseException as error:
            if has_place:
                await self._written(key, at, route, ask, error)
            elif reserved_at is not None:
                await self._accounting.withdraw(question, reserved_at)
            raise
        await self._written(key, at, route, ask, None)

    async def _written(
        self,
        key: CallKey,
        at: datetime,
        route: Route,
        ask: Ask,
        error: BaseException | None,
    ) -> None:
        """Writes the call, whatever cancellation comes meanwhile."""
        await asyncio.shield(self._write(key, at, route, ask, error))

    async def _write(
        self,
        key: CallKey,
        at: datetime,
        route: Route,
        ask: Ask,
        error: BaseException | None,
    ) -> None:
        usage, estimated = await ask.usage(route, error)
        task = self.attempt.task
        call = ModelCall(
            key=key,
            owner=task.user_id,
            workflow_id=task.workflow_id,
            model=route.model,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            # in a thread, as the price list may be waiting for its module's first import
            cost=await asyncio.to_thread(cost_of, usage, route, self._accounting.settings),
            at=at,
            estimated=estimated,
            error=None if error is None else _code(error),
            callers=tuple(task.callers),
        )
        self._total += Total.of(call)
        metrics.current().model_call(call)
        hurried = isinstance(error, asyncio.CancelledError)
        await self._accounting.write(call, HURRIED_LIMIT_S if hurried else WRITE_LIMIT_S)

    async def closed(self, answer: Awaitable[NodeResult]) -> NodeResult:
        """The answer, with the attempt's usage in its `meta`; its error likewise. `usage_total`
        is over all attempts of the node, where that is more."""
        try:
            result = await answer
        except NodeError as error:
            error.meta = {**error.meta, **await self._meta()}
            raise
        return replace(result, meta={**result.meta, **await self._meta()})

    async def _meta(self) -> dict[str, Any]:
        meta: dict[str, Any] = {}
        if self._total.calls:
            meta["usage"] = _shown(self._total)
        overall = await self._accounting.of_node(self.attempt)
        if overall is not None and overall.calls > self._total.calls:
            meta["usage_total"] = _shown(overall)
        return meta


def _shown(total: Total) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "total_tokens": total.tokens,
        "cost_usd": None if total.unpriced == total.calls else dollars(total.cost),
    }
    if total.calls > 1:
        shown["calls"] = total.calls
    if total.estimated:
        shown["estimated"] = True
    return shown


def _may_be_billed(error: BaseException | None) -> bool:
    """A call that was given up had been sent; one that was refused costs nothing."""
    return isinstance(error, asyncio.CancelledError) or _code(error) == "llm_timeout"


def _code(error: BaseException | None) -> str:
    match error:
        case NodeError():
            return error.code
        case asyncio.CancelledError():
            return "cancelled"
        case _:
            return "internal_error"


def _run_id() -> str:
    return activity.info().workflow_run_id or "" if activity.in_activity() else ""
