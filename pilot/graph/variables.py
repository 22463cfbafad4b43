"""Which node's assignment a variable has, at each place of a run.

Along an edge travels an environment: for each variable the node that set it last on the way
there. Where ways join, an assignment that came after another replaces it; of two on parallel
branches the one on the later edge counts, whatever the times were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from pilot.graph.plan import Plan

Environment = Mapping[str, str]

EMPTY: Environment = {}


class Environments:
    """The environments on the taken edges of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sets = {node.id: node.sets for node in plan.nodes if node.sets}
        self._edges: dict[int, Environment] = {}
        self._nodes: dict[str, Environment] = {}

    @cached_property
    def _bits(self) -> dict[int, int]:
        """A bit for each setting node, by its index."""
        index = self._plan.wiring.index
        return {index[node_id]: 1 << bit for bit, node_id in enumerate(self._sets)}

    @cached_property
    def _upstream(self) -> list[int]:
        """For each node the set (as bits) of setting nodes upstream of it. Few runs ask."""
        wiring, bits = self._plan.wiring, self._bits
        upstream = [0] * len(wiring.ids)
        waiting = [len(edges) for edges in wiring.incoming]
        ready = [index for index, count in enumerate(waiting) if count == 0]
        for index in ready:
            down = upstream[index] | bits.get(index, 0)
            for edge in wiring.outgoing[index]:
                target = wiring.target[edge]
                upstream[target] |= down
                waiting[target] -= 1
                if waiting[target] == 0:
                    ready.append(target)
        return upstream

    def enter(self, node_id: str, edges: Iterable[int]) -> Environment:
        """The environment of a node that starts by these taken in-edges, in their order."""
        environment = self._join([self._edges.get(edge, EMPTY) for edge in edges])
        self._nodes[node_id] = environment
        return environment

    def at(self, node_id: str) -> Environment:
        """That of a node which has entered and not left."""
        return self._nodes.get(node_id, EMPTY)

    def leave(self, node_id: str, edges: Iterable[int], *, assigned: bool) -> None:
        """The node ended by these out-edges; `assigned` if it set its variables."""
        environment = self._nodes.pop(node_id, EMPTY)
        if assigned and node_id in self._sets:
            environment = {**environment, **dict.fromkeys(self._sets[node_id], node_id)}
        if environment:
            for edge in edges:
                self._edges[edge] = environment

    def _join(self, environments: list[Environment]) -> Environment:
        merged = environments[0] if environments else EMPTY
        for other in environments[1:]:
            if other is merged or other == merged:
                continue
            joined = dict(merged)
            for name, setter in other.items():
                before = joined.get(name)
                if before is None or not self._came_after(before, setter):
                    joined[name] = setter
            merged = joined
        return merged

    def _came_after(self, one: str, other: str) -> bool:
        """Whether `other` lies upstream of `one` (or is it)."""
        index = self._plan.wiring.index
        return one == other or bool(self._upstream[index[one]] & self._bits[index[other]])
