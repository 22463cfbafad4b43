"""Which edges lead to a node of a plan, and which from it, by indexes. It is found once for a plan,
for all who ask, and all runs of a loop's body or a map's: with 40,000 edges it takes a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Edge(Protocol):
    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...


class Wiring:
    """`index` is a node's place in the plan; `source` and `target` are those of an edge's ends,
    `incoming` and `outgoing` the edges of a node, each in the order of the plan."""

    def __init__(self, ids: Sequence[str], edges: Sequence[Edge]) -> None:
        self.ids = ids
        self.index = {node_id: index for index, node_id in enumerate(ids)}
        self.source = [self.index[edge.source] for edge in edges]
        self.target = [self.index[edge.target] for edge in edges]
        self.incoming: list[list[int]] = [[] for _ in ids]
        self.outgoing: list[list[int]] = [[] for _ in ids]
        for edge, source in enumerate(self.source):
            self.outgoing[source].append(edge)
        for edge, target in enumerate(self.target):
            self.incoming[target].append(edge)
