"""Which nodes set which variables, and where two of them race."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from pilot.graph.issues import Issue
from pilot.graph.model import SubGraph
from pilot.graph.spec import NodeConfig, NodeSpec
from pilot.graph.topology import Topology

MAX_VARIABLES = 200
MAX_RACES_COMPARED = 1_000


def setters_of(
    graph: SubGraph,
    specs: list[NodeSpec | None],
    configs: list[NodeConfig | None],
    issues: list[Issue],
) -> dict[str, int]:
    """For each variable the set of the nodes that set it."""
    setters: dict[str, int] = {}
    for index, (spec, config) in enumerate(zip(specs, configs, strict=True)):
        if spec is None or config is None:
            continue
        for name in spec.sets(config):
            setters[name] = setters.get(name, 0) | 1 << index
    if len(setters) > MAX_VARIABLES:
        issues.append(
            Issue(
                "too_many_variables",
                f"a graph has at most {MAX_VARIABLES} variables, this one has {len(setters)}",
            )
        )
        return {}
    return setters


def races(graph: SubGraph, topology: Topology, setters: dict[str, int]) -> Iterator[Issue]:
    """Variables set on parallel branches: their join decides, by the order of its edges."""
    budget = MAX_RACES_COMPARED
    for name, nodes in setters.items():
        indexes = list(islice(_bits(nodes), 100))
        for one, other in combinations(indexes, 2):
            budget -= 1
            if budget < 0:
                return
            ordered = topology.ancestors[one] >> other & 1 or topology.ancestors[other] >> one & 1
            if ordered or topology.exclusive(one, other):
                continue
            yield Issue(
                "variable_race",
                f"{name!r} is set by {graph.nodes[one].id!r} and {graph.nodes[other].id!r} on "
                "parallel branches: where they join, the later edge decides",
                severity="warning",
                node_id=graph.nodes[other].id,
            )
            break


def _bits(value: int) -> Iterator[int]:
    while value:
        low = value & -value
        yield low.bit_length() - 1
        value ^= low
