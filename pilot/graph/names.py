"""The names in scope of a graph, and what is known of each at each of its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pilot.graph.topology import Topology


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a graph: node ids (in the order of their indexes), and for each variable the
    set of nodes that set it. `topology` is None where the graph's shape is broken, and then only
    the existence of a name is checked. `secrets` are the stored secrets' names; None where they
    are not known. `cleanup` and `tools` are the nodes that stand apart, `hooks` the ids of those
    that wait for a webhook.

    `outer` are the names around the node whose body this graph is, which is the `container` in
    them. What is in scope there is in scope here, too."""

    indexes: Mapping[str, int]
    ids: Sequence[str]
    setters: Mapping[str, int]
    topology: Topology | None
    secrets: frozenset[str] | None = None
    cleanup: Set[int] = frozenset()
    tools: Set[int] = frozenset()
    outer: Names | None = None
    container: int = 0
    hooks: Set[str] = frozenset()
    _unset: dict[str, int] = field(default_factory=dict)

    def levels(self, index: int) -> Iterator[tuple[Names, int]]:
        """This graph and those around it, from the inside; and in each the index of the node
        at `index` here, or of the loop or map that it is inside of."""
        names: Names | None = self
        while names is not None:
            yield names, index
            index, names = names.container, names.outer

    def may_set(self, name: str) -> bool:
        return any(name in names.setters for names, _ in self.levels(0))

    def is_upstream(self, index: int, of: int) -> bool:
        """Whether a way leads from the node at `index`; a clean-up comes after the whole rest."""
        assert self.topology is not None
        if of in self.cleanup and index not in self.cleanup and index not in self.tools:
            return True
        return bool(self.topology.ancestors[of] >> index & 1)

    def sets_upstream(self, name: str, index: int) -> bool:
        """Whether a node of this graph that sets the variable is upstream."""
        assert self.topology is not None
        return bool(self.setters.get(name, 0) & self.topology.ancestors[index])

    def surely_set(self, name: str, index: int) -> bool:
        """Whether on every way to the node, some node of this graph that sets the variable ran."""
        if name not in self.setters:
            return False
        if name not in self._unset:
            self._unset[name] = self._maybe_unset(self.setters[name])
        return not self._unset[name] >> index & 1

    def _maybe_unset(self, setters: int) -> int:
        """The set of nodes that can be reached past all setters."""
        assert self.topology is not None
        unset = 0
        for index in self.topology.order or ():
            if self.topology.certain[index] & ~(1 << index) & setters:
                continue
            links = self.topology.incoming[index]
            if not links or any(
                unset >> link.source & 1 and not setters >> link.source & 1 for link in links
            ):
                unset |= 1 << index
        return unset
