"""What a run knows of its nodes: states, outputs, variables, usage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pilot.graph.plan import Plan, PlanNode, References
from pilot.graph.schedule import Schedule
from pilot.graph.status import NodeStatus
from pilot.graph.stretch import Assigned
from pilot.graph.task import Scope
from pilot.graph.variables import EMPTY, Environment, Environments
from workflows_def.messages import NodeState, RunInput

USAGE_COUNTS = ("prompt_tokens", "completion_tokens")


@dataclass(slots=True)
class NodeRecord:
    """One node of a run. `ran` says whether it has an output, by success or by `on_error`."""

    ran: bool = False
    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(slots=True)
class ToolRun:
    """One call of a tool: a run of its node, told apart by `path`."""

    path: str
    record: NodeRecord = field(default_factory=NodeRecord)
    status: NodeStatus = NodeStatus.RUNNING


class Records:
    """The nodes' records, and the values that each node is given from them."""

    def __init__(self, run: RunInput, schedule: Schedule, outer: Scope | None = None) -> None:
        """`outer` is what the nodes refer to outside of their graph, where that is the body of
        a loop or a map."""
        self._run = run
        self._outer = outer if outer is not None else run.given
        self._plan: Plan = run.plan
        self._schedule = schedule
        self._environments = Environments(run.plan)
        self._records = {node.id: NodeRecord() for node in run.plan.nodes}
        self._tool_runs: dict[str, list[ToolRun]] = {}
        self.usage: dict[str, Any] = {}

    def __getitem__(self, node_id: str) -> NodeRecord:
        return self._records[node_id]

    def enter(self, node: PlanNode) -> tuple[Any, Scope]:
        """A node starts: its whole input, and the scope that its activity is given."""
        edges = self._schedule.taken_edges(node.id)
        environment = self._environments.enter(node.id, edges)
        value = self._input(node, edges)
        return value, self._scope(node, value, environment)

    def known(self, node: PlanNode) -> Scope:
        """What is known by now of the scope of a node that has not started: all but its input,
        and what comes from nodes that have not ended."""
        return replace(self._scope(node, None, EMPTY), input=None)

    def assigned(self, node_id: str, names: Iterable[str]) -> Assigned:
        """Of these variables, those that hold at a node that has entered."""
        environment = self._environments.at(node_id)
        return {
            name: (setter, self._records[setter].vars[name])
            for name in names
            if (setter := environment.get(name)) is not None
        }

    def enter_tool(self, node: PlanNode, path: str, arguments: Any) -> tuple[ToolRun, Scope]:
        """A tool is called. Nothing lies upstream of it, so its scope is what it is called with."""
        run = ToolRun(path)
        self._tool_runs.setdefault(node.id, []).append(run)
        return run, self._within(
            node.references, Scope(input=arguments, execution=self._execution(node))
        )

    def tool_runs(self, node_id: str) -> list[ToolRun]:
        return self._tool_runs.get(node_id, [])

    def leave(self, node: PlanNode) -> None:
        """A node ended and took its edges."""
        self._environments.leave(
            node.id,
            self._schedule.edges_from(node.id),
            assigned=bool(self._records[node.id].vars),
        )

    def _input(self, node: PlanNode, edges: list[int]) -> Any:
        """The output of the taken upstream node; of several a map by node id; at the start the
        execution's input. A node that gathers is given a map whatever came."""
        if node.gathers == "first":
            first = self._schedule.first_edge(node.id)
            edges = [edge for edge in edges if edge == first]
        sources = list(dict.fromkeys(self._plan.edges[edge].source for edge in edges))
        if not sources:
            return self._run.input
        if len(sources) == 1 and node.gathers is None:
            return self._records[sources[0]].output
        return {source: self._records[source].output for source in sources}

    def _scope(self, node: PlanNode, value: Any, environment: Environment) -> Scope:
        wanted = node.references
        nodes = {
            node_id: self._parts(node_id, parts)
            for node_id, parts in wanted.nodes.items()
            if node_id in self._records and self._records[node_id].ran
        }
        if wanted.all_nodes:
            for node_id in self._upstream(node):
                if self._records[node_id].ran:
                    nodes[node_id] = self._parts(node_id, ("output", "meta"))
        names = environment if wanted.all_vars else wanted.vars
        variables = {
            name: self._records[environment[name]].vars[name]
            for name in names
            if name in environment
        }
        return self._within(
            wanted,
            Scope(
                input=value if wanted.input else None,
                nodes=nodes,
                vars=variables,
                execution=self._execution(node),
            ),
        )

    def _execution(self, node: PlanNode) -> dict[str, Any]:
        if "execution" not in str(node.config):  # nothing in it can name the execution
            return {}
        execution: dict[str, Any] = {"id": self._run.execution_id}
        if node.references.execution_input:
            outer = {} if self._outer is None else self._outer.execution
            execution["input"] = outer.get("input", self._run.input)
        return execution

    def _within(self, wanted: References, scope: Scope) -> Scope:
        """With what lies outside of the body, where the node refers to that."""
        outer = self._outer
        if outer is None:
            return scope
        names = outer.vars if wanted.all_vars else wanted.vars
        ids = outer.nodes if wanted.all_nodes else wanted.nodes
        return replace(
            scope,
            nodes={one: outer.nodes[one] for one in ids if one in outer.nodes} | scope.nodes,
            vars={one: outer.vars[one] for one in names if one in outer.vars} | scope.vars,
            item=outer.item if wanted.item else None,
            index=outer.index,
        )

    def _upstream(self, node: PlanNode) -> list[str]:
        """A clean-up node comes after all that ran."""
        if node.id in self._plan.cleanup:
            return list(self._records)
        return self._schedule.upstream(node.id)

    def _parts(self, node_id: str, parts: list[str] | tuple[str, ...]) -> dict[str, Any]:
        record = self._records[node_id]
        return {part: record.output if part == "output" else record.meta for part in parts}

    def add_usage(self, meta: dict[str, Any]) -> None:
        """Adds a node's tokens and cost (US dollars) to the execution's: those of all its
        attempts where it says them, else of its last one."""
        usage = meta.get("usage_total") or meta.get("usage")
        if isinstance(usage, dict):
            add_usage(self.usage, usage)

    def output(self) -> Any:
        """The execution's output: the only output node's value, or several by their keys."""
        outputs = [node for node in self._plan.nodes if node.output_key is not None]
        if len(outputs) == 1:
            return self._records[outputs[0].id].output
        values = {
            node.output_key: self._records[node.id].output
            for node in outputs
            if self._records[node.id].ran
        }
        return values or None

    def states(self, *, outputs: bool) -> list[NodeState]:
        """Every node as a snapshot shows it, in the order of the plan; a tool's calls after it."""
        states = []
        for node in self._plan.nodes:
            states.append(self._state(node, outputs))
            states += [
                _shown(node, run.record, run.status, outputs, path=run.path)
                for run in self.tool_runs(node.id)
            ]
        return states

    def _state(self, node: PlanNode, outputs: bool) -> NodeState:
        reason = self._schedule.reason(node.id)
        status = self._schedule.status(node.id)
        return _shown(node, self._records[node.id], status, outputs, reason=reason)


def add_usage(total: dict[str, Any], usage: dict[str, Any]) -> None:
    """Adds tokens and cost to a total of them."""
    for name in USAGE_COUNTS:
        total[name] = total.get(name, 0) + (usage.get(name) or 0)
    cost = usage.get("cost_usd")
    if cost is not None:
        total["cost_usd"] = total.get("cost_usd", 0.0) + cost


def _shown(
    node: PlanNode,
    record: NodeRecord,
    status: NodeStatus,
    outputs: bool,
    *,
    path: str = "",
    reason: str | None = None,
) -> NodeState:
    return NodeState(
        id=node.id,
        type=node.type,
        status=status.value,
        path=path,
        reason=reason,
        attempt=record.meta.get("attempt"),
        started_at=record.started_at,
        finished_at=record.finished_at,
        output=record.output if outputs else None,
        meta=record.meta,
        error=record.error,
    )
