"""workflow: prepares the run of another workflow, and writes its row.

The workflow that this activity belongs to then starts it (`workflows_def.called`). An attempt
that is repeated finds the row of the one before: the run's id follows from that of its parent, and
what was decided then (version, input, time limit) stays.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_jsonable_python
from temporalio import activity

from activities import resources
from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.budget import ceiling
from pilot.calls import callee
from pilot.errors import GraphError, NodeError, NotFoundError, RefusedError
from pilot.graph.plan import Plan
from pilot.graph.status import ExecutionStatus
from pilot.graph.task import NodeResult, NodeTask
from pilot.nodes import specs
from pilot.nodes.workflow import MAX_DEPTH, SPEC, WorkflowConfig
from pilot.preparation import Preparation
from pilot.runs import run_of
from pilot.store import Execution, Parent, Store, WorkflowVersion

_CHILDREN = uuid5(NAMESPACE_URL, "https://pilot.local/child-execution")


def child_id(execution_id: str, node_id: str, path: str) -> str:
    """The execution that this run of a node begins, by whichever attempt."""
    return str(uuid5(_CHILDREN, f"{execution_id}\n{node_id}\n{path}"))


@node_activity(SPEC.type, WorkflowConfig)
async def workflow(attempt: Attempt[WorkflowConfig]) -> NodeResult:
    """Raises `NodeError`: `not_found`, `not_published`, `depth_exceeded`, `invalid_graph`,
    `budget_exceeded`, `child_cancelled`, and what `Preparation` refuses."""
    shared, task = resources.current(), attempt.task
    if shared.store is None:
        raise NodeError("this worker has no store, which this node needs", code="no_store")
    config = await render(attempt.config, task.scope)
    preparation = Preparation(
        shared.store, specs(), ceiling(shared.settings), shared.sizes, shared.plans
    )
    child = _Child(shared.store, preparation, task)
    row, version, plan = await child.prepare(attempt.config, config.input)
    callers = _callers(row.workflow_id, task)
    run = replace(run_of(row, version.name, plan), callers=callers, sizes=shared.sizes)
    return NodeResult(
        follow={
            "run": to_jsonable_python(run),
            "id": row.temporal_workflow_id,
            "wait": config.wait,
        }
    )


class _Child:
    def __init__(self, store: Store, preparation: Preparation, task: NodeTask) -> None:
        self._store = store
        self._preparation = preparation
        self._task = task
        self._owner = task.user_id
        self._id = child_id(task.execution_id, task.node_id, task.path)

    async def prepare(
        self, config: WorkflowConfig, given: Any
    ) -> tuple[Execution, WorkflowVersion, Plan]:
        try:
            row = await self._store.get_execution(self._owner, self._id)
        except NotFoundError:
            row = await self._create(config, given)
        if row.status.is_final:
            raise NodeError(
                f"the run {row.id} of this node was closed before it began", code="child_cancelled"
            )
        version = await self._store.get_version(self._owner, row.workflow_id, row.workflow_version)
        plan, _ = await self._plan(version, row.input)
        return row, version, plan

    async def _create(self, config: WorkflowConfig, given: Any) -> Execution:
        found = await callee(self._store, self._owner, config.workflow_id, config.version)
        parent, started_by = await self._parent()
        version = await self._store.get_version(self._owner, found.workflow_id, found.version)
        plan, value = await self._plan(version, given)
        await self._require_budget(found.workflow_id, plan)
        row, _ = await self._store.create_execution(
            Execution(
                id=self._id,
                owner=self._owner,
                workflow_id=found.workflow_id,
                workflow_version=found.version,
                status=ExecutionStatus.QUEUED,
                input=value,
                created_at=datetime.now(UTC),
                started_by=started_by,
                timeout_s=_limit(found.graph),
                parent=parent,
            )
        )
        return row

    async def _parent(self) -> tuple[Parent, str | None]:
        """Where the child stands, and who started the run that it belongs to."""
        task = self._task
        root_id, depth, started_by = task.execution_id, 1, None
        try:
            row = await self._store.get_execution(self._owner, task.execution_id)
        except NotFoundError:
            pass  # a run that was not started through the API has no row
        else:
            started_by = row.started_by
            if row.parent is not None:
                root_id, depth = row.parent.root_id, row.parent.depth + 1
        if depth > MAX_DEPTH:
            raise NodeError(
                f"runs begin each other at most {MAX_DEPTH} deep, and this one is the last: is "
                "there a workflow that calls itself?",
                code="depth_exceeded",
            )
        return Parent(task.execution_id, task.node_id, task.path, root_id, depth), started_by

    async def _plan(self, version: WorkflowVersion, given: Any) -> tuple[Plan, Any]:
        try:
            return await self._preparation.prepare(self._owner, version, given)
        except GraphError as error:
            raise NodeError(
                f"the workflow {version.name!r} cannot be run: {error.message}", code=error.code
            ) from None
        except RefusedError as error:
            raise NodeError(f"{version.name!r}: {error.message}", code=error.code) from None

    async def _require_budget(self, workflow_id: str, plan: Plan) -> None:
        try:
            await self._preparation.require_budget(
                self._owner, workflow_id, plan, _callers(workflow_id, self._task)
            )
        except RefusedError as error:
            raise NodeError(error.message, code=error.code) from None


def _callers(workflow_id: str, task: NodeTask) -> list[str]:
    """The workflows above a run of this one that the task begins."""
    above = dict.fromkeys([*task.callers, task.workflow_id])
    return [caller for caller in above if caller != workflow_id]


def _limit(graph: dict[str, Any]) -> float | None:
    """The run's time limit in seconds: the lesser of its own and this node's, where it has one."""
    own = activity.info().start_to_close_timeout
    of_node = None if own is None else own.total_seconds()
    if of_node is not None and of_node >= SPEC.policy.timeout_s:
        of_node = None
    limits = (graph.get("timeout_s"), of_node)
    return min((limit for limit in limits if limit is not None), default=None)
