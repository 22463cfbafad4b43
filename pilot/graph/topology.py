"""The shape of a graph: order, cycles, reachability, and what surely ran before a node.

Sets of nodes are integers used as bit sets (bit i is the node at index i), so that an
analysis of 10,000 nodes is 10,000 big-integer operations instead of 100 million steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between indexes. `certain`: it is taken whenever its source ran."""

    source: int
    target: int
    handle: str
    certain: bool


class Topology:
    """The graph by indexes: `size` nodes, links in the order of the edges.

    `needs[i]` is the number of taken in-links that starts node i early; None waits for all. The
    nodes in `several` may take links of more than one of their handles.
    """

    def __init__(
        self,
        size: int,
        links: Sequence[Link],
        needs: Sequence[int | None] | None = None,
        several: Set[int] = frozenset(),
    ) -> None:
        self._several = several
        self.size = size
        self.links = links
        self.needs = needs or [None] * size
        self.incoming: list[list[Link]] = [[] for _ in range(size)]
        self.outgoing: list[list[Link]] = [[] for _ in range(size)]
        for link in links:
            self.incoming[link.target].append(link)
            self.outgoing[link.source].append(link)

    @cached_property
    def _peeled(self) -> list[int]:
        """The nodes in topological order, as far as there is one (Kahn): what is left lies on
        a cycle or below one."""
        waiting = [len(links) for links in self.incoming]
        order = [index for index, count in enumerate(waiting) if count == 0]
        for index in order:
            for link in self.outgoing[index]:
                waiting[link.target] -= 1
                if waiting[link.target] == 0:
                    order.append(link.target)
        return order

    @property
    def order(self) -> list[int] | None:
        """The nodes in topological order, or None where there is a cycle."""
        return self._peeled if len(self._peeled) == self.size else None

    def cycle(self) -> list[int]:
        """One cycle, its first node again at the end; empty where there is none."""
        stuck = set(range(self.size)).difference(self._peeled)
        if not stuck:
            return []
        # every stuck node has a stuck source: walk backwards until one comes again
        at = min(stuck)
        seen: dict[int, int] = {}
        path: list[int] = []
        while at not in seen:
            seen[at] = len(path)
            path.append(at)
            at = next(link.source for link in self.incoming[at] if link.source in stuck)
        return [*reversed(path[seen[at] :]), path[-1]]

    def reachable_from(self, starts: Iterable[int]) -> set[int]:
        return self._closure(starts, forward=True)

    def leading_to(self, ends: Iterable[int]) -> set[int]:
        return self._closure(ends, forward=False)

    def _closure(self, begin: Iterable[int], *, forward: bool) -> set[int]:
        seen = set(begin)
        stack = list(seen)
        while stack:
            index = stack.pop()
            links = self.outgoing[index] if forward else self.incoming[index]
            for link in links:
                other = link.target if forward else link.source
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return seen

    @cached_property
    def ancestors(self) -> list[int]:
        """For each node the set of nodes upstream of it."""
        sets = [0] * self.size
        for index in self.order or ():
            for link in self.incoming[index]:
                sets[index] |= sets[link.source] | 1 << link.source
        return sets

    @cached_property
    def certain(self) -> list[int]:
        """For each node the set of upstream nodes that surely ran, and are done, when it
        starts (itself included).

        A node that runs was reached by a taken link, so whatever ran on every way to it ran
        (`meet`); and whatever runs as a sure consequence of those (`follows`) ran as well,
        if the node's joins waited for it (`settled`). Where a join needs every one of its links,
        all of their sources ran.
        """
        follows = self._follows()
        runs = [0] * self.size
        settled = [0] * self.size
        for index in self.order or ():
            links = self.incoming[index]
            itself = 1 << index
            sources = {link.source for link in links}
            every = self.needs[index] == len(links) > 0
            met = _join if every else _meet
            runs[index] = follows[index] | met(runs[source] for source in sources)
            if every or self.needs[index] is None:
                settled[index] = itself | _join(settled[source] for source in sources)
            else:
                settled[index] = itself | _meet(settled[source] for source in sources)
        return [runs[index] & settled[index] for index in range(self.size)]

    def _follows(self) -> list[int]:
        """For each node the set of nodes that run for sure once it has run."""
        sets = [0] * self.size
        for index in reversed(self.order or ()):
            sets[index] = 1 << index
            for link in self.outgoing[index]:
                if link.certain and self.needs[link.target] in (None, 1):
                    sets[index] |= sets[link.target]
        return sets

    @cached_property
    def branches(self) -> list[int]:
        """For each node the set of branch handles that it surely lies behind; the bit of a
        link's (source, handle) is `branch_bits[(source, handle)]`."""
        sets = [0] * self.size
        for index in self.order or ():
            sets[index] = _meet(
                sets[link.source] | self.branch_bits.get((link.source, link.handle), 0)
                for link in self.incoming[index]
            )
        return sets

    @cached_property
    def branch_bits(self) -> dict[tuple[int, str], int]:
        pairs = dict.fromkeys((link.source, link.handle) for link in self.links if not link.certain)
        return {pair: 1 << bit for bit, pair in enumerate(pairs)}

    def exclusive(self, one: int, other: int) -> bool:
        """Whether two nodes lie behind different handles of one branching node, so that at
        most one of them runs."""
        first, second = self.branches[one], self.branches[other]
        by_node: dict[int, set[str]] = {}
        for (source, handle), bit in self.branch_bits.items():
            if first & bit and not second & bit and source not in self._several:
                by_node.setdefault(source, set()).add(handle)
        return any(
            second & bit and not first & bit and source in by_node
            for (source, _handle), bit in self.branch_bits.items()
        )


def _meet(sets: Iterable[int]) -> int:
    result: int | None = None
    for one in sets:
        result = one if result is None else result & one
    return result or 0


def _join(sets: Iterable[int]) -> int:
    result = 0
    for one in sets:
        result |= one
    return result
