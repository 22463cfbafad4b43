"""For workflow code that is not of πlot: a stored graph, run as a child.

from pilot.workflows import run_graph

@workflow.defn
class Onboarding:
    @workflow.run
    async def run(self, email: str) -> str:
        return await run_graph("user_1", "3f8c…", {"email": email})
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import Priority
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

from workflows_def.graph_call import CALL_WORKFLOW, GraphCall

__all__ = ["GraphCall", "run_graph"]

TASK_QUEUE = "pilot"


async def run_graph(
    owner: str,
    workflow_id: str,
    input: Any = None,
    *,
    version: int | str | None = None,
    timeout_s: float | None = None,
    task_queue: str = TASK_QUEUE,
    id: str | None = None,
    priority: Priority = Priority.default,
) -> Any:
    """Runs an owner's stored workflow and returns its output.

    To be called from workflow code. `version` is a number, `"draft"` or `"published"`; `timeout_s`
    a limit in seconds beside the graph's own; `task_queue` the one that πlot's workers poll; `id`
    the child's, by default made anew. A cancel of the caller cancels the run and waits for its
    end.

    Whoever may start workflows in the namespace may name any owner here, as they could by
    Temporal itself: it is for code of the operator, not for what a user sends.

    Raises `ChildWorkflowError`, whose cause is an `ApplicationError` of the type of the run's
    error code (`docs/errors.md`), with `{"execution_id": …}` as its detail once there is one.
    """
    return await workflow.execute_child_workflow(
        CALL_WORKFLOW,
        GraphCall(owner, workflow_id, input, version, timeout_s),
        id=id or f"graph-call-{workflow.uuid4()}",
        task_queue=task_queue,
        cancellation_type=ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        parent_close_policy=ParentClosePolicy.REQUEST_CANCEL,
        static_summary=f"run graph {workflow_id}",
        priority=priority,
    )
