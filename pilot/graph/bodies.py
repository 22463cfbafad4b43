"""Graphs inside of nodes: the bodies of loops and maps.

A body is run for each item or iteration, by the same rules as a whole graph. Its first nodes are
given the item; its output nodes, or else its only end, say what comes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pilot.graph.history import MAX_BODY_EVENTS, node_events
from pilot.graph.issues import Issue
from pilot.graph.model import Node, SubGraph
from pilot.graph.names import Names
from pilot.graph.spec import BODY, ContainerConfig, NodeConfig, NodeSpec
from pilot.graph.structure import dead_ends
from pilot.graph.topology import Topology

MAX_BODY_DEPTH = 5
"""How many loops and maps may stand inside one another."""


def body_of(
    node: Node, spec: NodeSpec, config: NodeConfig, names: Names, issues: list[Issue]
) -> SubGraph | None:
    """The graph inside a node of the graph that `names` are of; None where it has none."""
    if not spec.has_body:
        return None
    assert isinstance(config, ContainerConfig)
    problem: tuple[str, str] | None = None
    if config.body is None or not config.body.nodes:
        problem = "empty_body", f"{node.id!r} has no body: it runs the graph {{nodes, edges}} in it"
    elif sum(1 for _ in names.levels(0)) > MAX_BODY_DEPTH:
        problem = (
            "body_too_deep",
            f"{node.id!r} stands inside {MAX_BODY_DEPTH} loops and maps already, and no more fit "
            "into one another",
        )
    if problem is not None:
        issues.append(Issue(*problem, node_id=node.id, field=f"config.{BODY}"))
        return None
    return config.body


def inside(container: str, issue: Issue) -> Issue:
    """An issue of the body of the node `container`, as one of the graph that the node is in."""
    if issue.node_id is None and issue.edge is None:
        return replace(issue, node_id=container, field=f"config.{BODY}")
    at = container if issue.container is None else f"{container}/{issue.container}"
    return replace(issue, container=at)


def check_ids(graph: SubGraph, outer: Names | None, issues: list[Issue]) -> None:
    """An id names one node, wherever it is in scope."""
    if outer is None:
        return
    around = [names for names, _ in outer.levels(0)]
    issues.extend(
        Issue(
            "duplicate_node_id",
            f"the id {node.id!r} stands at a node around this body, too",
            node_id=node.id,
            field="id",
        )
        for node in graph.nodes
        if any(node.id in names.indexes for names in around)
    )


def check_length(specs: Sequence[NodeSpec | None], issues: list[Issue]) -> None:
    """An iteration runs in one history, which nothing can part."""
    events = sum(
        node_events(is_local=spec.policy.local, has_body=spec.has_body)
        for spec in specs
        if spec is not None
    )
    if events > MAX_BODY_EVENTS:
        issues.append(
            Issue(
                "body_too_long",
                f"one iteration takes about {events:,} events of history, of at most "
                f"{MAX_BODY_EVENTS:,}: move part of the body into a workflow of its own",
            )
        )


def check_body(graph: SubGraph, topology: Topology, tools: set[int], issues: list[Issue]) -> None:
    """What a body may not have, and whether it is known what comes of it."""
    for node in graph.nodes:
        if node.type == "start":
            issues.append(
                Issue(
                    "start_in_body",
                    f"{node.id!r} is a start node: a body has none, its first nodes are given "
                    "the item",
                    node_id=node.id,
                )
            )
        if node.on_cancel:
            issues.append(
                Issue(
                    "invalid_cleanup",
                    f"{node.id!r} cannot run on cancel: clean-up stands outside of loops and maps",
                    node_id=node.id,
                    field="on_cancel",
                )
            )
    if len(tools) == len(graph.nodes):
        issues.append(Issue("empty_body", "all nodes of the body are tools: nothing runs"))
    if any(node.type == "output" for node in graph.nodes):
        dead_ends(graph.nodes, topology, tools, issues)
        return
    ends = _ends(topology, tools)
    if len(ends) > 1:
        shown = ", ".join(repr(graph.nodes[index].id) for index in ends[:5])
        issues.append(
            Issue(
                "several_ends",
                f"the body ends at {shown}{', …' if len(ends) > 5 else ''}: an output node says "
                "what comes of it",
            )
        )


def result_node(graph: SubGraph, topology: Topology, tools: set[int]) -> int | None:
    """The node whose output is the body's, where it has no output node."""
    if any(node.type == "output" for node in graph.nodes):
        return None
    ends = _ends(topology, tools)
    return ends[0] if len(ends) == 1 else None


def _ends(topology: Topology, tools: set[int]) -> list[int]:
    return [
        index for index, links in enumerate(topology.outgoing) if not links and index not in tools
    ]
