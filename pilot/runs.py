"""Starting a run: the one way in which an execution becomes a Temporal workflow; and its clock,
where it is to begin later."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from pilot.errors import PayloadStoreError
from pilot.followers import follower_of
from pilot.graph.compile import hand_on
from pilot.graph.plan import Plan, References
from pilot.nodes.output import SPEC as OUTPUT
from pilot.nodes.start import StartConfig, resolve_input
from pilot.payloads.driver import sizes_in
from pilot.queues import Queues
from pilot.resumption import Resumption
from pilot.standing import Standings, fairness_key, standing_of
from pilot.store import Execution, temporal_workflow_id
from workflows_def import labels
from workflows_def.later import LATER_WORKFLOW, LaterRequest, later_workflow_id
from workflows_def.messages import WORKFLOW_TYPE, ParentRun, RunInput


def run_of(execution: Execution, workflow_name: str, plan: Plan) -> RunInput:
    """The argument of the interpreter for an execution's row, read whole.

    A start node that has nothing to say of the input, and no default to fill in, hands it on."""
    resumption = Resumption.of(execution)
    parent = execution.parent
    return RunInput(
        execution_id=execution.id,
        workflow_id=execution.workflow_id,
        workflow_name=workflow_name,
        workflow_version=execution.workflow_version,
        user_id=execution.owner,
        plan=hand_on(plan if parent is None else _whole(plan), _satisfied(plan, execution.input)),
        input=execution.input,
        timeout_s=execution.timeout_s,
        resume=None if resumption is None else resumption.resume(execution.source_id),
        given=None if resumption is None else resumption.given,
        parent=None
        if parent is None
        else ParentRun(parent.execution_id, parent.node_id, parent.path),
        starter=follower_of(execution),
    )


def _whole(plan: Plan) -> Plan:
    """The plan of a run that gives its output to another run: a value kept apart is read there,
    by the output's activity."""
    policies = [*plan.policies, OUTPUT.policy]
    nodes = [
        replace(node, hands_on=False, references=References(input=True), policy=len(plan.policies))
        if node.hands_on and node.output_key is not None
        else node
        for node in plan.nodes
    ]
    return plan if nodes == plan.nodes else replace(plan, nodes=nodes, policies=policies)


def _satisfied(plan: Plan, given: Any) -> set[str]:
    """The start nodes that give this input as it is."""
    return {
        node.id
        for node in plan.nodes
        if node.type == "start"
        and not node.hands_on
        and resolve_input(StartConfig.model_validate(node.config), given) == (given, [])
    }


async def start(
    client: Client,
    run: RunInput,
    task_queue: str,
    *,
    limit: timedelta,
    standings: Standings | None = None,
    queues: Queues | None = None,
) -> str:
    """Starts the run, or finds that it is there already; its Temporal run id.

    Its workflow tasks, activities and children have their turn among those of all owners. What
    `queues` says holds for all of the run.

    Temporal refuses a second workflow of an execution for as long as it keeps the first one's
    history, closed or not. Raises `RPCError` where the server does not take it within `limit`, and
    `PayloadStoreError`.
    """
    run = replace(run, sizes=sizes_in(client.data_converter), queues=dict(queues or {}))
    try:
        handle = await client.start_workflow(
            WORKFLOW_TYPE,
            run,
            id=temporal_workflow_id(run.execution_id),
            task_queue=task_queue,
            execution_timeout=labels.backstop(run.timeout_s),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=labels.summary(run),
            static_details=labels.description(run),
            memo=labels.memo(run),
            search_attributes=labels.search_attributes(run),
            priority=_priority(run.user_id, standings or {}),
            rpc_timeout=limit,
        )
    except WorkflowAlreadyStartedError as error:
        return error.run_id or ""
    except ApplicationError as error:  # of the driver: the argument could not be stored
        raise PayloadStoreError(error.message) from error
    return handle.first_execution_run_id or handle.result_run_id or ""


def _priority(owner: str, standings: Standings) -> Priority:
    standing = standing_of(owner, standings)
    return Priority(
        priority_key=standing.priority,
        fairness_key=fairness_key(owner),
        fairness_weight=standing.weight,
    )


async def set_clock(
    client: Client, execution: Execution, task_queue: str, *, now: datetime, limit: timedelta
) -> None:
    """Sees to it that an execution is started at its `start_at`; one that has its clock already
    is left as it is. Raises `RPCError`."""
    assert execution.start_at is not None
    with suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            LATER_WORKFLOW,
            LaterRequest(execution.owner, execution.id),
            id=later_workflow_id(execution.id),
            task_queue=task_queue,
            start_delay=max(execution.start_at - now, timedelta(0)),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary="starts an execution at its time",
            rpc_timeout=limit,
        )


async def delete_histories(client: Client, execution_id: str, *, limit: timedelta) -> None:
    """Deletes all that Temporal has of an execution: its run, the children that ran the bodies of
    its loops and maps, and the clock of one that was to begin later. Raises `RPCError`."""
    run = temporal_workflow_id(execution_id)
    try:
        async for one in client.list_workflows(
            f"WorkflowId STARTS_WITH '{run}/'", rpc_timeout=limit
        ):
            await delete_history(client, one.id, one.run_id, limit=limit)
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:  # an old server's
            raise
    for workflow_id in (run, later_workflow_id(execution_id)):
        await delete_history(client, workflow_id, limit=limit)


async def delete_history(
    client: Client, workflow_id: str, run_id: str = "", *, limit: timedelta
) -> bool:
    """Deletes what Temporal has of a run, and ends it where it is open. It goes from Temporal's
    lists a little later. False: Temporal knows no such run. Raises `RPCError`."""
    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
    )
    try:
        await client.workflow_service.delete_workflow_execution(request, timeout=limit)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
