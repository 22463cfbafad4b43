"""A stretch: pure nodes that run one after the other in a single activity.

A pure node's result follows from what it is given, and nothing outside notices that it ran. So
those that are ready, and those below them that need no other node, cost one step of the run
together and not one each. The workflow stays the judge: it takes the results of a stretch one by
one, as it takes those of single nodes, and what a stretch did not come to runs by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pilot.graph.plan import NO_REFERENCES, Plan, References
from pilot.graph.spec import DEFAULT_HANDLE
from pilot.graph.task import NodeResult, Scope

MAX_NODES = 100
"""In one stretch. Runs in flight hold to it: another number is another order of activities."""

Assigned: TypeAlias = dict[str, tuple[str, Any]]
"""By a variable's name: the node that set it last, and its value."""


@dataclass(frozen=True, slots=True)
class StretchNode:
    """A node of a stretch, and what is known of its scope before it begins.

    A node that is ready has no `edges`: its scope is whole, `value` is its whole input and
    `assigned` the variables that hold where it stands, as far as others in the stretch refer to
    them. Any other one has its in-edges as (source, handle), in the order of the plan, all from
    nodes before it in the stretch; its scope lacks what comes from these.
    """

    id: str
    type: str
    name: str
    config: dict[str, Any]
    scope: Scope
    edges: list[tuple[str, str]] = field(default_factory=list)
    value: Any = None
    assigned: Assigned = field(default_factory=dict)
    references: References = field(default_factory=lambda: NO_REFERENCES)
    passes_input: bool = False
    gathers: Literal["all", "first"] | None = None
    sets: list[str] = field(default_factory=list)
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """The argument of the activity: ids as `NodeTask` has them, and the nodes in the order in
    which they run."""

    execution_id: str
    workflow_id: str
    user_id: str
    nodes: list[StretchNode]
    path: str = ""
    quiet: bool = False
    callers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ended:
    """A node of a stretch that succeeded."""

    node: str
    result: NodeResult


@dataclass(frozen=True, slots=True)
class StretchResult:
    """What nodes came to, in the order in which they ended. Those `left` have to run by
    themselves: they failed, or took too long. Of all others nothing is known yet."""

    ended: list[Ended] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class Ways:
    """The edges of a plan, to find what a stretch comes to."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wiring = plan.wiring

    def edges_to(self, node_id: str) -> list[tuple[str, str]]:
        """The node's in-edges as (source, handle), in the order of the plan."""
        wiring = self._wiring
        found = (self._plan.edges[edge] for edge in wiring.incoming[wiring.index[node_id]])
        return [(edge.source, edge.handle) for edge in found]

    def below(self, roots: Iterable[str], usable: Callable[[str], bool]) -> list[str]:
        """The nodes that run by these alone, each after all that lead to it. With the roots they
        are `MAX_NODES` at most."""
        wiring = self._wiring
        order = [wiring.index[node_id] for node_id in roots]
        first = len(order)
        inside = set(order)
        refused: set[int] = set()
        for index in order:
            for edge in wiring.outgoing[index]:
                if len(order) >= MAX_NODES:
                    break
                target = wiring.target[edge]
                if target in inside or target in refused:
                    continue
                if not self._may_follow(target):
                    refused.add(target)
                elif self._is_led_to_by(inside, target) and usable(wiring.ids[target]):
                    inside.add(target)
                    order.append(target)
        return [wiring.ids[index] for index in order[first:]]

    def _may_follow(self, index: int) -> bool:
        node = self._plan.nodes[index]
        return (
            node.pure
            # who starts early, or ends others, depends on what runs elsewhere
            and node.need is None
            and node.gathers != "first"
            and not node.cancels
            # each look at a wide join costs its width
            and len(self._wiring.incoming[index]) <= MAX_NODES
        )

    def _is_led_to_by(self, inside: set[int], index: int) -> bool:
        wiring = self._wiring
        return all(wiring.source[edge] in inside for edge in wiring.incoming[index])


@dataclass(frozen=True, slots=True)
class _Left:
    """What a node leaves to those below: its output, meta and variables, and its handles."""

    output: Any
    meta: dict[str, Any]
    assigned: Assigned
    handles: frozenset[str]


class Walk:
    """A stretch under way: `enter` its nodes one by one, in their order, and tell of each that
    `succeeded`. The same rules as the schedule's, the records' and the environments' of a run,
    for nodes that need no more than each other."""

    def __init__(self, stretch: Stretch) -> None:
        self._left: dict[str, _Left] = {}
        self._skipped: set[str] = set()
        self._entered: dict[str, tuple[Any, Assigned]] = {}
        self.nodes = stretch.nodes

    def enter(self, node: StretchNode) -> Scope | None:
        """The node's whole scope; None where it is skipped, or where what leads to it has not
        ended."""
        if not node.edges:
            self._entered[node.id] = node.value, node.assigned
            return node.scope
        if any(not self._decided(source) for source, _ in node.edges):
            return None
        taken = dict.fromkeys(
            source
            for source, handle in node.edges
            if source in self._left and handle in self._left[source].handles
        )
        if not taken:
            self._skipped.add(node.id)
            return None
        above = [self._left[source] for source in taken]
        assigned = above[0].assigned
        if any(_setters(one.assigned) != _setters(assigned) for one in above[1:]):
            return None  # whose assignment counts, the workflow decides
        if len(above) == 1 and node.gathers is None:
            value = above[0].output
        else:
            value = {source: self._left[source].output for source in taken}
        self._entered[node.id] = value, assigned
        return self._scope(node, value, assigned)

    def succeeded(self, node: StretchNode, result: NodeResult) -> None:
        value, assigned = self._entered.pop(node.id)
        if result.vars:
            mine = {name: (node.id, result.vars.get(name)) for name in node.sets}
            assigned = {**assigned, **mine}
        self._left[node.id] = _Left(
            value if node.passes_input else result.output,
            result.meta,
            assigned,
            frozenset(result.handles or [DEFAULT_HANDLE]),
        )

    def _decided(self, node_id: str) -> bool:
        return node_id in self._left or node_id in self._skipped

    def _scope(self, node: StretchNode, value: Any, assigned: Assigned) -> Scope:
        wanted = node.references
        nodes = dict(node.scope.nodes)
        for node_id, parts in wanted.nodes.items():
            if node_id in self._left:
                left = self._left[node_id]
                nodes[node_id] = {
                    part: left.output if part == "output" else left.meta for part in parts
                }
        found = {name: assigned[name][1] for name in wanted.vars if name in assigned}
        return replace(
            node.scope,
            input=value if wanted.input else None,
            nodes=nodes,
            vars=node.scope.vars | found,
        )


def _setters(assigned: Assigned) -> dict[str, str]:
    return {name: setter for name, (setter, _) in assigned.items()}
