"""A workflow that stays open for as long as the execution that it began.

It is told of the end by whoever records it; in case nobody could, it looks from time to time, at
most once an hour. A cancel is passed on to the execution, whose end is then awaited as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

STATUS_ACTIVITY = "scheduled_status"
CANCEL_ACTIVITY = "cancel_scheduled"
SIGNAL_ENDED = "ended"

FIRST_LOOK, LAST_LOOK = timedelta(minutes=1), timedelta(hours=1)
FIRST_LOOK_S = FIRST_LOOK.total_seconds()
RETRY = RetryPolicy(maximum_interval=timedelta(seconds=30))
LIMIT = timedelta(minutes=1)
HEARTBEAT = timedelta(seconds=10)

_FINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
_T = TypeVar("_T")


class Following:
    """What such workflows have in common. They are cancelled only once the execution has ended."""

    def __init__(self) -> None:
        self._ended = False
        self._cancelled = False
        self._asked = False

    async def _to_the_end(self, following: Awaitable[_T]) -> _T:
        """The result, whatever is cancelled meanwhile; then `CancelledError`, if anything was."""
        task = asyncio.ensure_future(following)
        while True:
            try:
                result = await asyncio.shield(task)
            except asyncio.CancelledError:
                self._cancelled = True
            else:
                if self._cancelled:
                    raise asyncio.CancelledError("the execution was asked to cancel, and has ended")
                return result

    async def _end_of(
        self, execution_id: str, look_after_s: float, go_on: Callable[[float], NoReturn]
    ) -> str | None:
        """The final status; None where the execution is no longer known. `go_on` continues as
        new, told after how many seconds to look again."""
        while True:
            if self._cancelled and not self._asked:
                await self._ask(CANCEL_ACTIVITY, execution_id)
                self._asked = True
            look_after = timedelta(seconds=look_after_s)
            try:
                await workflow.wait_condition(
                    lambda: self._ended or (self._cancelled and not self._asked),
                    timeout=look_after,
                    timeout_summary="the execution goes on",
                )
            except TimeoutError:
                look_after_s = min(2 * look_after, LAST_LOOK).total_seconds()
            else:
                if not self._ended:
                    continue
            status = await self._ask(STATUS_ACTIVITY, execution_id)
            if status is None or status in _FINAL:
                return status
            self._ended = False
            if workflow.info().is_continue_as_new_suggested() and not self._cancelled:
                go_on(look_after_s)

    async def _ask(self, activity: str, execution_id: str) -> str | None:
        answer: Any = await workflow.execute_activity(
            activity,
            execution_id,
            result_type=str | None,  # type: ignore[arg-type]
            start_to_close_timeout=LIMIT,
            retry_policy=RETRY,
        )
        return None if answer is None else str(answer)

    @workflow.signal(name=SIGNAL_ENDED)
    def ended(self) -> None:
        """The execution's end has been recorded."""
        self._ended = True
