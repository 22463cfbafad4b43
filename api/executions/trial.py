"""Trying one node alone, with values that are given or were recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from api.executions.schemas import TryIn
from api.executions.start import Started, begin
from api.parts import Parts
from api.problems import Problem
from pilot.graph.model import Graph
from pilot.graph.plan import Plan, PlanNode
from pilot.graph.single import compile_single
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.graph.task import Scope
from pilot.payloads.values import Values
from pilot.resumption import Mode, Resumption
from pilot.store import Execution, NodeRun

EVENTS_AT_ONCE = 1_000


async def try_node(
    parts: Parts, owner: str, user_id: str, workflow_id: str, node_id: str, given: TryIn
) -> Started:
    """An execution of that node of the newest version, and of nothing else.

    Raises `GraphError` with the node's issues, `NotFoundError`, `Problem`.
    """
    workflow = await parts.store.get_workflow(owner, workflow_id)
    graph = Graph.model_validate(workflow.graph)
    secrets = await parts.store.secrets.names(owner)
    plan = await asyncio.to_thread(compile_single, graph, parts.specs, node_id, secrets)
    await parts.preparation.require_budget(owner, workflow_id, plan)
    recorded = None
    if given.execution_id is not None:
        recorded = await _recorded(parts, owner, workflow_id, str(given.execution_id))
    [node] = [one for one in plan.nodes if one.id == node_id]
    row = Execution(
        id=str(uuid4()),
        owner=owner,
        workflow_id=workflow_id,
        workflow_version=workflow.version,
        status=ExecutionStatus.QUEUED,
        input=await _input(node, graph, given, recorded),
        started_by=None if user_id == owner else user_id,
        timeout_s=given.timeout_s,
        created_at=datetime.now(UTC),
        mode=Mode.TEST.value,
        source_id=None if recorded is None else recorded.execution.id,
        resume=Resumption(node=node_id, given=await _scope(node, plan, given, recorded)).to_json(),
    )
    started = await begin(parts, row, workflow.name, plan)
    assert started is not None, "a new id was taken"
    return started


class Recording:
    """What an execution came to: its nodes' rows by id, and the variables that were set."""

    def __init__(
        self,
        execution: Execution,
        runs: Iterable[NodeRun],
        variables: dict[str, Any],
        values: Values,
    ) -> None:
        self._values = values
        self.execution = execution
        self.runs = {run.node_id: run for run in runs if not run.path}
        self.variables = variables

    def ran(self, node_id: str) -> NodeRun | None:
        """The node's row where it has an output."""
        run = self.runs.get(node_id)
        return run if run is not None and run.status in _HAS_OUTPUT else None

    async def output(self, run: NodeRun) -> Any:
        """Whole. Raises as `Values.read` does."""
        return await self._values.whole(run.output, self.execution.id)


_HAS_OUTPUT = (NodeStatus.SUCCEEDED, NodeStatus.FAILED)


async def _recorded(parts: Parts, owner: str, workflow_id: str, execution_id: str) -> Recording:
    execution = await parts.store.get_execution(owner, execution_id)
    if execution.workflow_id != workflow_id:
        raise Problem(422, "other_workflow", "`execution_id` is a run of another workflow.")
    runs = await parts.store.node_runs(owner, execution_id)
    variables: dict[str, Any] = {}
    after = 0
    while events := await parts.store.events(
        owner, execution_id, after_seq=after, limit=EVENTS_AT_ONCE
    ):
        for event in events:
            variables |= event.data.get("vars") or {}
        after = events[-1].seq or 0
    return Recording(execution, runs, variables, parts.store.values)


async def _input(node: PlanNode, graph: Graph, given: TryIn, recorded: Recording | None) -> Any:
    """What the node gets: what is given, else what it got in the recording."""
    if "input" in given.model_fields_set or recorded is None:
        return given.input
    sources = [edge for edge in graph.edges if edge.target == node.id]
    if not sources:
        return recorded.execution.input
    values = {
        edge.source: await _given_on(edge.source, graph, recorded)
        for edge in sources
        if (run := recorded.ran(edge.source)) is not None
        and (edge.source_handle or DEFAULT_HANDLE) in _handles(run)
    }
    return next(iter(values.values())) if len(values) == 1 else values or None


async def _given_on(node_id: str, graph: Graph, recorded: Recording) -> Any:
    """The node's output. One that passes its input on has none of its own: that of the node above
    it, and so on up."""
    seen: set[str] = set()
    while node_id not in seen:
        seen.add(node_id)
        run = recorded.ran(node_id)
        if run is None or run.output is not None:
            return None if run is None else await recorded.output(run)
        above = [edge.source for edge in graph.edges if edge.target == node_id]
        above = [one for one in above if recorded.ran(one) is not None]
        if not above:
            return recorded.execution.input
        node_id = above[0]
    return None


def _handles(run: NodeRun) -> tuple[str, ...]:
    if run.status is NodeStatus.FAILED:
        return (ERROR_HANDLE, DEFAULT_HANDLE)
    branch = run.meta.get("branch")
    return (DEFAULT_HANDLE,) if branch is None else (str(branch),)


async def _scope(node: PlanNode, plan: Plan, given: TryIn, recorded: Recording | None) -> Scope:
    """What the node refers to, and its tools."""
    nodes = {one: part.model_dump() for one, part in given.nodes.items()}
    variables = dict(given.vars)
    execution: dict[str, Any] = {"input": given.execution_input}
    if recorded is not None:
        if "execution_input" not in given.model_fields_set:
            execution["input"] = recorded.execution.input
        wanted = set(node.references.nodes)
        if node.references.all_nodes:
            wanted = set(recorded.runs) - {one.id for one in plan.nodes}
        for one in sorted(wanted - set(nodes)):
            if (run := recorded.ran(one)) is not None:
                nodes[one] = {"output": await recorded.output(run), "meta": run.meta}
        names = recorded.variables if node.references.all_vars else node.references.vars
        for name in names:
            if name in recorded.variables:
                variables.setdefault(name, recorded.variables[name])
    return Scope(
        nodes=nodes, vars=variables, execution=execution, item=given.item, index=given.index
    )
