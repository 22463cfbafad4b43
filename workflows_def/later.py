"""`StartLater`: the clock of one execution that is to begin at a later time.

It is started with Temporal's `start_delay`, so that until then it costs a timer and no more. All
it does then is to have the due rows of the owner released: the row says whether there still is
anything to begin. Where the clock is lost, the reconciler releases what is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

LATER_WORKFLOW = "StartLater"
DUE_ACTIVITY = "release_due"


@dataclass(frozen=True, slots=True)
class LaterRequest:
    owner: str
    execution_id: str


def later_workflow_id(execution_id: str) -> str:
    return f"later-{execution_id}"


@workflow.defn(name=LATER_WORKFLOW)
class StartLater:
    @workflow.run
    async def run(self, request: LaterRequest) -> None:
        await workflow.execute_activity(
            DUE_ACTIVITY,
            request,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            summary="start the execution",
        )
