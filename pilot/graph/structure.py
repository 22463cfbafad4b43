"""The structure of a graph: ids, edges, handles, starts, cycles, reachability, ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pilot.graph.issues import EdgeRef, Issue
from pilot.graph.model import Edge, Node, SubGraph
from pilot.graph.spec import (
    BODY,
    DEFAULT_HANDLE,
    ERROR_HANDLE,
    NodeConfig,
    NodeSpec,
    Specs,
)
from pilot.graph.topology import Link, Topology

MAX_NODES = 10_000
MAX_EDGES = 40_000
MAX_ID_CHARS = 128

_FORBIDDEN_IN_IDS = frozenset("/\\\"'`[]{}")


def sizes(graph: SubGraph, specs: Specs) -> Iterator[Issue]:
    """With what the bodies of loops and maps hold."""
    size = counted(graph, specs)
    nodes, edges = size.nodes, size.edges
    if nodes > MAX_NODES:
        yield Issue(
            "too_many_nodes",
            f"a graph has at most {MAX_NODES:,} nodes, this one has {nodes:,}",
        )
    if edges > MAX_EDGES:
        yield Issue(
            "too_many_edges",
            f"a graph has at most {MAX_EDGES:,} edges, this one has {edges:,}",
        )


class Size(NamedTuple):
    nodes: int
    edges: int


def counted(graph: SubGraph, specs: Specs) -> Size:
    """How many nodes and edges there are, with those of bodies. These have not been parsed yet,
    and may hold anything."""
    nodes, edges = len(graph.nodes), len(graph.edges)
    waiting: list[tuple[Any, Any]] = [(node.type, node.config) for node in graph.nodes]
    while waiting:
        type, config = waiting.pop()
        spec = specs.get(type) if isinstance(type, str) else None
        body = config.get(BODY) if isinstance(config, dict) else None
        if spec is None or not spec.has_body or not isinstance(body, dict):
            continue
        inner = [one for one in _list(body.get("nodes")) if isinstance(one, dict)]
        nodes, edges = nodes + len(inner), edges + len(_list(body.get("edges")))
        waiting.extend((one.get("type"), one.get("config")) for one in inner)
    return Size(nodes, edges)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def index_nodes(graph: SubGraph, issues: list[Issue]) -> dict[str, int]:
    indexes: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        problem = _id_problem(node.id)
        if problem:
            issues.append(Issue(*problem, node_id=node.id, field="id"))
        elif node.id in indexes:
            issues.append(
                Issue(
                    "duplicate_node_id",
                    f"the id {node.id!r} stands at two nodes",
                    node_id=node.id,
                    field="id",
                )
            )
        indexes.setdefault(node.id, index)
    return indexes


def _id_problem(node_id: str) -> tuple[str, str] | None:
    if not node_id.strip():
        return "empty_node_id", "a node's id is empty"
    if len(node_id) > MAX_ID_CHARS:
        return "invalid_node_id", f"a node's id has at most {MAX_ID_CHARS} characters"
    if not node_id.isprintable() or _FORBIDDEN_IN_IDS & set(node_id):
        return (
            "invalid_node_id",
            f"the id {node_id!r} holds a character that ids may not hold: "
            "quotes, brackets, slashes, or one that cannot be printed",
        )
    return None


def draw_links(
    graph: SubGraph,
    indexes: dict[str, int],
    handles: list[tuple[str, ...] | None],
    specs: list[NodeSpec | None],
    issues: list[Issue],
) -> list[Link]:
    """The edges that can be drawn, as links."""
    links: list[Link] = []
    seen: set[tuple[int, int, str]] = set()
    for edge in graph.edges:
        ref = EdgeRef(edge.source, edge.target, edge.source_handle)
        ends = _ends(edge, ref, indexes, issues)
        if ends is None:
            continue
        source, target = ends
        handle = edge.source_handle or DEFAULT_HANDLE
        known = handles[source]
        if known is not None and handle not in known:
            issues.append(_unknown_handle(graph.nodes[source], known, handle, ref))
            continue
        if (source, target, handle) in seen:
            issues.append(
                Issue(
                    "duplicate_edge",
                    f"the edge from {edge.source!r} to {edge.target!r} stands twice",
                    edge=ref,
                )
            )
            continue
        seen.add((source, target, handle))
        spec = specs[source]
        certain = (
            spec is not None
            and (not spec.branches or known == (handle,))
            and graph.nodes[source].on_error != "branch"
        )
        links.append(Link(source, target, handle, certain))
    return links


def _ends(
    edge: Edge, ref: EdgeRef, indexes: dict[str, int], issues: list[Issue]
) -> tuple[int, int] | None:
    source, target = indexes.get(edge.source), indexes.get(edge.target)
    if source is None or target is None:
        for end, index in (("source", source), ("target", target)):
            if index is None:
                issues.append(
                    Issue(
                        f"unknown_edge_{end}",
                        f"the edge's {end} {getattr(edge, end)!r} is no node",
                        edge=ref,
                        field=end,
                    )
                )
        return None
    if source == target:
        issues.append(
            Issue("self_loop", f"node {edge.source!r} leads to itself: use a loop node", edge=ref)
        )
        return None
    return source, target


def _unknown_handle(node: Node, known: tuple[str, ...], handle: str, ref: EdgeRef) -> Issue:
    if not known:
        message = f"{node.type} node {node.id!r} has no out-handle: no edge may leave it"
    elif handle == ERROR_HANDLE:
        message = f"node {node.id!r} has the handle 'error' only with on_error: branch"
    elif known == (DEFAULT_HANDLE,):
        message = f"node {node.id!r} has one handle, not {handle!r}: leave source_handle out"
    else:
        message = f"node {node.id!r} has no handle {handle!r}; it has {', '.join(known)}"
    return Issue("unknown_handle", message, edge=ref, field="source_handle")


def check_shape(graph: SubGraph, topology: Topology, apart: set[int], issues: list[Issue]) -> None:
    """Starts and reachability of a whole graph. The nodes `apart` (tools, clean-up) need not be
    reached."""
    nodes = graph.nodes
    starts = [index for index, node in enumerate(nodes) if node.type == "start"]
    if not starts:
        issues.append(Issue("no_start", "the graph has no start node"))
    issues.extend(
        Issue(
            "several_starts",
            f"{nodes[index].id!r} is a second start node: a graph has one",
            node_id=nodes[index].id,
        )
        for index in starts[1:]
    )
    issues.extend(
        Issue(
            "edge_into_start",
            "no edge may lead to the start node",
            edge=EdgeRef(nodes[link.source].id, nodes[index].id),
        )
        for index in starts
        for link in topology.incoming[index]
    )
    if starts:
        reachable = topology.reachable_from(starts)
        issues.extend(
            Issue(
                "unreachable_node",
                f"no way leads from the start to {node.id!r}: it would never run",
                node_id=node.id,
            )
            for index, node in enumerate(nodes)
            if index not in reachable and index not in apart
        )
    dead_ends(nodes, topology, apart, issues)


def check_cycle(graph: SubGraph, topology: Topology, issues: list[Issue]) -> bool:
    """Returns whether references can be followed: the edges do not go round."""
    nodes = graph.nodes
    cycle = topology.cycle()
    if cycle:
        ids = [nodes[index].id for index in cycle]
        shown = ids if len(ids) <= 12 else [*ids[:6], "…", *ids[-5:]]
        issues.append(
            Issue(
                "cycle",
                f"the edges go round: {' -> '.join(shown)}. To repeat steps, use a loop node",
                node_id=ids[0],
            )
        )
    return not cycle


def dead_ends(nodes: list[Node], topology: Topology, apart: set[int], issues: list[Issue]) -> None:
    outputs = [index for index, node in enumerate(nodes) if node.type == "output"]
    if not outputs:
        issues.append(
            Issue(
                "no_output",
                "the graph has no output node: the execution's output is null",
                severity="warning",
            )
        )
        return
    leading = topology.leading_to(outputs)
    issues.extend(
        Issue(
            "dead_end",
            f"no way leads from {node.id!r} to an output",
            severity="warning",
            node_id=node.id,
        )
        for index, node in enumerate(nodes)
        if index not in leading and index not in apart
    )


def check_branches(
    graph: SubGraph,
    handles: list[tuple[str, ...] | None],
    links: list[Link],
    issues: list[Issue],
) -> None:
    used = {(link.source, link.handle) for link in links}
    for index, node in enumerate(graph.nodes):
        known = handles[index] or ()
        if known in ((), (DEFAULT_HANDLE,)):
            continue
        issues.extend(
            Issue(
                "missing_branch",
                f"no edge leaves {node.id!r} by its handle {handle!r}: the run just ends there",
                severity="warning",
                node_id=node.id,
            )
            for handle in known
            if (index, handle) not in used
        )


def output_key(node: Node, config: NodeConfig | None) -> str | None:
    """The name of an output node's value among several; None for other types."""
    if node.type != "output":
        return None
    return getattr(config, "key", None) or node.id


def check_output_keys(
    graph: SubGraph, configs: list[NodeConfig | None], issues: list[Issue]
) -> None:
    seen: dict[str, str] = {}
    for node, config in zip(graph.nodes, configs, strict=True):
        key = output_key(node, config)
        if key is None:
            continue
        if key in seen and seen[key] != node.id:
            issues.append(
                Issue(
                    "duplicate_output_key",
                    f"the outputs {seen[key]!r} and {node.id!r} have the same key {key!r}",
                    node_id=node.id,
                    field="config.key",
                )
            )
        seen.setdefault(key, node.id)
