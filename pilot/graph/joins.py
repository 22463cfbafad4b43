"""Where edges come together: how many of them a node waits for, and whether that can be."""

from __future__ import annotations

from pilot.graph.issues import Issue
from pilot.graph.model import Node, NOf, SubGraph
from pilot.graph.spec import Joining
from pilot.graph.topology import Topology

MAX_RACES = 200
"""What loses a race is found by a walk over the graph: the bound keeps a run's cost linear."""


def need(node: Node, joining: Joining | None = None) -> int | None:
    """How many taken in-edges start the node early; None waits until none is unknown."""
    if joining is not None:
        return joining.need
    match node.join:
        case "any":
            return 1
        case NOf(n_of=count):
            return count
        case _:
            return None


def check_joins(
    graph: SubGraph, topology: Topology, joinings: list[Joining | None], issues: list[Issue]
) -> None:
    for index, (node, joining) in enumerate(zip(graph.nodes, joinings, strict=True)):
        count = topology.needs[index]
        edges = len(topology.incoming[index])
        if joining is not None and node.join is not None:
            issues.append(
                Issue(
                    "invalid_join",
                    f"a {node.type} node says by its configuration how it joins: leave join out",
                    node_id=node.id,
                    field="join",
                )
            )
        if joining is not None and not edges:
            issues.append(
                Issue(
                    "nothing_to_merge",
                    f"no edge leads to {node.id!r}: there is nothing to bring together",
                    node_id=node.id,
                )
            )
        if count is not None and count > max(edges, 1):
            issues.append(
                Issue(
                    "invalid_join",
                    f"join waits for {count} taken edges, and {edges} lead to {node.id!r}",
                    node_id=node.id,
                    field="join" if joining is None else "config.n",
                )
            )
    races = [index for index, joining in enumerate(joinings) if joining and joining.cancels]
    issues.extend(
        Issue(
            "too_many_races",
            f"at most {MAX_RACES} nodes of a graph may cancel what loses",
            node_id=graph.nodes[index].id,
        )
        for index in races[MAX_RACES:]
    )
