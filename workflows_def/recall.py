"""A run that goes on from another: reads what that one recorded of its nodes, before it begins."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows_def.messages import (
    RECALL_ACTIVITY,
    RecallPage,
    RecallRequest,
    Recorded,
    RunInput,
)

TIMEOUT = timedelta(seconds=60)
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)


async def recall(run: RunInput) -> dict[str, Recorded]:
    """By node id; a node of which nothing was recorded is absent. A page an activity, as the
    values of all together may be more than one payload holds."""
    resume = run.resume
    if resume is None:
        return {}
    found = dict(resume.pinned)
    wanted = [node_id for node_id in resume.reuse if node_id not in found]
    after: int | None = 0 if resume.source is not None else None
    while wanted and after is not None:
        page: RecallPage = await workflow.execute_activity(
            RECALL_ACTIVITY,
            RecallRequest(run.user_id, resume.source or "", wanted, after),
            result_type=RecallPage,
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
            summary="read what another run recorded",
        )
        found |= page.records
        wanted = [node_id for node_id in wanted if node_id not in page.records]
        after = page.after_seq
    return found
