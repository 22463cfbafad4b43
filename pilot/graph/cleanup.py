"""Clean-up: nodes that run when an execution is cancelled or timed out, and only then.

They are a part of the graph of its own: it begins at the nodes marked `on_cancel`, and no edge
leads into it from the rest.
"""

from __future__ import annotations

from pilot.graph.issues import EdgeRef, Issue
from pilot.graph.model import SubGraph
from pilot.graph.topology import Topology


def cleanup_of(
    graph: SubGraph, topology: Topology, tools: set[int], issues: list[Issue]
) -> frozenset[int]:
    """The indexes of the clean-up nodes; what keeps them from being a part of their own goes
    to `issues`."""
    marked = [index for index, node in enumerate(graph.nodes) if node.on_cancel]
    part = frozenset(topology.reachable_from(marked))
    for index in sorted(part):
        node = graph.nodes[index]
        if node.type in ("start", "output"):
            issues.append(
                Issue(
                    "invalid_cleanup",
                    f"{node.id!r} is of type {node.type}: a clean-up has neither start nor output",
                    node_id=node.id,
                )
            )
        if index in tools:
            issues.append(
                Issue(
                    "invalid_cleanup",
                    f"{node.id!r} is used as a tool, so it cannot be a clean-up node",
                    node_id=node.id,
                    field="on_cancel",
                )
            )
    for index in marked:
        issues.extend(
            Issue(
                "cleanup_has_edge",
                f"{graph.nodes[index].id!r} runs on cancel: no edge may lead to it",
                edge=EdgeRef(graph.nodes[link.source].id, graph.nodes[index].id, link.handle),
            )
            for link in topology.incoming[index]
        )
    issues.extend(
        Issue(
            "cleanup_mixed",
            f"{graph.nodes[link.target].id!r} belongs to the clean-up: no edge may lead to it "
            "from the rest of the graph",
            edge=EdgeRef(graph.nodes[link.source].id, graph.nodes[link.target].id, link.handle),
        )
        for link in topology.links
        if link.target in part
        and link.source not in part
        and not graph.nodes[link.target].on_cancel
    )
    return part
