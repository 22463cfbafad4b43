"""`RunScheduled`: one time of a schedule, open for as long as its execution is.

Temporal's overlap policies are about the workflow that a schedule starts. This is that workflow: it
begins an execution, whose id follows from the schedule and the time, and stays open until it has
ended, so that `skip`, `buffer_*` and `cancel_other` are about executions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows_def.following import FIRST_LOOK_S, HEARTBEAT, LIMIT, RETRY, Following

SCHEDULED_WORKFLOW = "RunScheduled"
BEGIN_ACTIVITY = "begin_scheduled"


@dataclass(frozen=True, slots=True)
class ScheduledRequest:
    """`revision` is that of the trigger which Temporal was given. The rest is carried over where
    the workflow goes on as a new one."""

    trigger_id: str
    revision: int
    execution_id: str | None = None
    look_after_s: float = FIRST_LOOK_S


@dataclass(frozen=True, slots=True)
class Begun:
    """`refusal` is why no execution was begun, `{code, message}`."""

    execution_id: str
    owner: str = ""
    refusal: dict[str, str] | None = None

    def id_or_refusal(self) -> str:
        """The execution's id. Raises `ApplicationError` with the refusal's code as its type."""
        if self.refusal is not None:
            raise ApplicationError(
                self.refusal["message"], type=self.refusal["code"], non_retryable=True
            )
        return self.execution_id


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What the time came to. `status` is None where the execution is no longer known."""

    execution_id: str
    status: str | None


@workflow.defn(name=SCHEDULED_WORKFLOW)
class RunScheduled(Following):
    @workflow.run
    async def run(self, request: ScheduledRequest) -> Scheduled:
        return await self._to_the_end(self._follow(request))

    async def _follow(self, request: ScheduledRequest) -> Scheduled:
        execution_id = request.execution_id or await self._begin(request)
        status = await self._end_of(
            execution_id,
            request.look_after_s,
            lambda look_after_s: workflow.continue_as_new(
                replace(request, execution_id=execution_id, look_after_s=look_after_s)
            ),
        )
        return Scheduled(execution_id, status)

    async def _begin(self, request: ScheduledRequest) -> str:
        begun: Begun = await workflow.execute_activity(
            BEGIN_ACTIVITY,
            request,
            result_type=Begun,
            start_to_close_timeout=LIMIT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary="begin the execution",
        )
        return begun.id_or_refusal()
