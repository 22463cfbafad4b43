"""Which nodes of a run that has ended are run again, and which keep what they came to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from pilot.errors import RefusedError
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph, Node
from pilot.graph.plan import Plan, PlanNode
from pilot.graph.single import compile_single
from pilot.graph.spec import Specs
from pilot.graph.status import NodeStatus
from pilot.graph.task import Scope
from pilot.store import Execution, NodeRun
from workflows_def.messages import Recorded, Resume

GO_ON = frozenset({"loop", "map"})
"""Types whose nodes, having failed, go on with the iterations that had not ended."""


class Mode(StrEnum):
    """What kind of run an execution is: of the whole graph, of one node, or of the graph with
    what reaches outside taken from a recording."""

    RUN = "run"
    TEST = "test"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class Resumption:
    """What an execution's row keeps of what is not run anew (`Execution.resume`): the fields of
    `workflows_def.messages.Resume`, or the one `node` that is tried, with what it is `given`.
    `asked` is what a retry was asked for, to tell a repeated request from another."""

    reuse: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    pinned: dict[str, Recorded] = field(default_factory=dict)
    node: str | None = None
    given: Scope | None = None
    asked: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        body: dict[str, Any] = _RESUMPTION.dump_python(self, mode="json", exclude_defaults=True)
        return body

    @classmethod
    def of(cls, row: Execution) -> Resumption | None:
        """Of a row that was read whole; None for an ordinary run."""
        return None if row.resume is None else _RESUMPTION.validate_python(row.resume)

    def resume(self, source: str | None) -> Resume | None:
        """The part of it for the run's argument."""
        if self.node is not None:
            return None
        return Resume(source, self.reuse, self.partial, self.pinned)


_RESUMPTION = TypeAdapter(Resumption)


def plan_of(
    row: Execution, graph: Graph, specs: Specs, secrets: frozenset[str] | None = None
) -> Plan:
    """The plan of a row's run. Raises what the compilation does."""
    resumption = Resumption.of(row)
    if resumption is None or resumption.node is None:
        return compile_plan(graph, specs, secrets)
    return compile_single(graph, specs, resumption.node, secrets)


def pins_of(graph: Graph) -> dict[str, Recorded]:
    """What the graph's pinned nodes give instead of being run."""
    return {
        node.id: Recorded(
            node.pinned.output, {"pinned": True}, node.pinned.vars, node.pinned.handles
        )
        for node in graph.nodes
        if node.pinned is not None
    }


@dataclass(frozen=True, slots=True)
class Decision:
    """`reuse` are the nodes that keep what they came to, `partial` those of `GO_ON` that go on,
    `rerun` those that are run again though they had ended; each in the order of the plan."""

    reuse: list[str]
    partial: list[str]
    rerun: list[str]


def decide(
    before: Graph,
    after: Graph,
    plan: Plan,
    runs: Iterable[NodeRun],
    begin: Iterable[str] | None = None,
) -> Decision:
    """From the nodes of the run's own graph `before`, for the one that is to be run (`after`,
    compiled as `plan`; the same, or a newer version).

    A node that ended well keeps what it came to, unless it is one of those to `begin` at (None:
    those that failed or were cancelled), or was changed since, or lies below either. Raises
    `RefusedError`: `unknown_node`, `not_run` for a node to begin at that the run never reached,
    `nothing_to_retry` where no node would be run.
    """
    states = {run.node_id: run for run in runs if not run.path}
    beside = {node.id for node in plan.nodes if node.tool} | set(plan.cleanup)
    part = [node for node in plan.nodes if node.id not in beside]
    changed = _changed(before, after)
    chosen = set(_known(begin, part, states))
    stale = _below(plan, chosen | (changed & {node.id for node in part}))
    handled = {node.id for node in part if node.on_error != "fail"}
    reuse, partial, rerun = [], [], []
    for node in part:
        run = states.get(node.id)
        if run is None or run.status is NodeStatus.SKIPPED:
            continue
        if node.id in stale:
            rerun.append(node.id)
        elif run.status is NodeStatus.SUCCEEDED or (
            run.status is NodeStatus.FAILED and node.id in handled
        ):
            reuse.append(node.id)
        else:
            rerun.append(node.id)
            if node.type in GO_ON:
                partial.append(node.id)
    if begin is None and not rerun:
        raise RefusedError(
            "no node of this run failed: say `from` which node it is to be run again",
            code="nothing_to_retry",
        )
    return Decision(reuse, partial, rerun)


def _known(
    begin: Iterable[str] | None, part: list[PlanNode], states: Mapping[str, NodeRun]
) -> Iterable[str]:
    ids = {node.id for node in part}
    for node_id in begin or ():
        if node_id not in ids:
            raise RefusedError(
                f"the graph that is to be run has no node {node_id!r} to begin at",
                code="unknown_node",
            )
        state = states.get(node_id)
        if state is None or state.status is NodeStatus.SKIPPED:
            raise RefusedError(
                f"the run never came to node {node_id!r}, so it cannot begin there",
                code="not_run",
            )
        yield node_id


def _changed(before: Graph, after: Graph) -> set[str]:
    """The nodes that are new, were changed, or are led to by other edges than before."""
    old = {node.id: node for node in before.nodes}
    old_edges, new_edges = _incoming(before), _incoming(after)
    return {
        node.id
        for node in after.nodes
        if node.id not in old
        or _content(node) != _content(old[node.id])
        or new_edges.get(node.id) != old_edges.get(node.id)
    }


def _content(node: Node) -> dict[str, Any]:
    """What decides what a node does; not where it is drawn, or how often it is tried."""
    fields = node.model_dump(
        mode="json", include={"type", "config", "on_error", "join", "on_cancel"}
    )
    fields["config"] = {key: one for key, one in node.config.items() if key != "name"}
    return fields


def _incoming(graph: Graph) -> dict[str, set[tuple[str, str | None]]]:
    found: dict[str, set[tuple[str, str | None]]] = {}
    for edge in graph.edges:
        found.setdefault(edge.target, set()).add((edge.source, edge.source_handle))
    return found


def _below(plan: Plan, begin: set[str]) -> set[str]:
    """These nodes and all that a way leads to from them."""
    outgoing: dict[str, list[str]] = {}
    for edge in plan.edges:
        outgoing.setdefault(edge.source, []).append(edge.target)
    seen, stack = set(begin), list(begin)
    while stack:
        for target in outgoing.get(stack.pop(), ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen


def outside(plan: Plan, specs: Specs) -> list[str]:
    """The nodes that reach outside, or hold one that does: a dry run takes what they come to
    from a recording."""
    return [
        node.id
        for node in plan.nodes
        if not node.tool and (specs[node.type].outside or _holds_outside(node, specs))
    ]


def _holds_outside(node: PlanNode, specs: Specs) -> bool:
    return node.body is not None and any(
        specs[inner.type].outside or _holds_outside(inner, specs) for inner in node.body.nodes
    )
