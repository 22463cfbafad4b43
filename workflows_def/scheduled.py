"""`RunScheduled`: one time of a schedule, open for as long as its execution is.

Temporal's overlap policies are about the workflow that a schedule starts. This is that workflow: it
begins an execution, whose id follows from the schedule and the time, and stays open until it has
ended, so that `skip`, `buffer_*` and `cancel_other` are about executions. It is told of the end by
whoever records it; in case nobody could, it looks from time to time, at most once an hour.
A cancel is passed on to the execution, whose end is then awaited as ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

SCHEDULED_WORKFLOW = "RunScheduled"
BEGIN_ACTIVITY = "begin_scheduled"
STATUS_ACTIVITY = "scheduled_status"
CANCEL_ACTIVITY = "cancel_scheduled"
SIGNAL_ENDED = "ended"

FIRST_LOOK, LAST_LOOK = timedelta(minutes=1), timedelta(hours=1)
_RETRY = RetryPolicy(maximum_interval=timedelta(seconds=30))
_LIMIT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """`revision` is that of the trigger which Temporal was given. The rest is carried over where
    the workflow goes on as a new one."""

    trigger_id: str
    revision: int
    execution_id: str | None = None
    look_after_s: float = FIRST_LOOK.total_seconds()


@dataclass(frozen=True, slots=True)
class Begun:
    """`refusal` is why no execution was begun, `{code, message}`."""

    execution_id: str
    owner: str = ""
    refusal: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What the time came to. `status` is None where the execution is no longer known."""

    execution_id: str
    status: str | None


@workflow.defn(name=SCHEDULED_WORKFLOW)
class RunScheduled:
    def __init__(self) -> None:
        self._ended = False
        self._cancelled = False
        self._asked = False

    @workflow.run
    async def run(self, request: ScheduledRequest) -> Scheduled:
        following = asyncio.ensure_future(self._follow(request))
        while True:
            try:
                scheduled = await asyncio.shield(following)
            except asyncio.CancelledError:
                self._cancelled = True
            else:
                if self._cancelled:
                    raise asyncio.CancelledError("the execution was asked to cancel, and has ended")
                return scheduled

    async def _follow(self, request: ScheduledRequest) -> Scheduled:
        if request.execution_id is None:
            request = replace(request, execution_id=await self._begin(request))
        execution_id = request.execution_id
        assert execution_id is not None
        while True:
            if self._cancelled and not self._asked:
                await self._ask(CANCEL_ACTIVITY, execution_id)
                self._asked = True
            look_after = timedelta(seconds=request.look_after_s)
            try:
                await workflow.wait_condition(
                    lambda: self._ended or (self._cancelled and not self._asked),
                    timeout=look_after,
                    timeout_summary="the execution goes on",
                )
            except TimeoutError:
                later = min(2 * look_after, LAST_LOOK).total_seconds()
                request = replace(request, look_after_s=later)
            else:
                if not self._ended:
                    continue
            status = await self._ask(STATUS_ACTIVITY, execution_id)
            if status is None or status in _FINAL:
                return Scheduled(execution_id, status)
            self._ended = False
            if workflow.info().is_continue_as_new_suggested() and not self._cancelled:
                workflow.continue_as_new(request)

    async def _begin(self, request: ScheduledRequest) -> str:
        begun: Begun = await workflow.execute_activity(
            BEGIN_ACTIVITY,
            request,
            result_type=Begun,
            start_to_close_timeout=_LIMIT,
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=_RETRY,
            summary="begin the execution",
        )
        if begun.refusal is not None:
            raise ApplicationError(
                begun.refusal["message"], type=begun.refusal["code"], non_retryable=True
            )
        return begun.execution_id

    async def _ask(self, activity: str, execution_id: str) -> str | None:
        answer: str | None = await workflow.execute_activity(
            activity,
            execution_id,
            result_type=str | None,  # type: ignore[arg-type]
            start_to_close_timeout=_LIMIT,
            retry_policy=_RETRY,
        )
        return answer

    @workflow.signal(name=SIGNAL_ENDED)
    def ended(self) -> None:
        """The execution's end has been recorded."""
        self._ended = True


_FINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
