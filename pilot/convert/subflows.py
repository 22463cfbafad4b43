"""React Flow's sub-flows: nodes that lie inside of another by their `parentId`.

Inside of a map or a loop that has no body yet they are its body, and go out as a sub-flow again.
A `group` only groups: its children stand where they stood, and it is left out.
https://reactflow.dev/learn/layouting/sub-flows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from pilot.convert.document import real
from pilot.convert.report import Account, Source
from pilot.graph.bodies import MAX_BODY_DEPTH
from pilot.graph.model import Graph, SubGraph
from pilot.graph.spec import BODY, Specs

GROUP = "group"


def parent_of(node: Mapping[str, Any]) -> str | None:
    """`parentId`, which was `parentNode` before React Flow 12."""
    parent = node.get("parentId", node.get("parentNode"))
    return parent if isinstance(parent, str) and parent != node.get("id") else None


def may_hold(node: Mapping[str, Any], specs: Specs) -> bool:
    """Whether it is of a type with a body, and has none."""
    spec = specs.get(str(node.get("type")))
    config = node.get("config")
    has_body = isinstance(config, dict) and BODY in config
    return spec is not None and BODY in spec.config.model_fields and not has_body


def without_groups(
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    ours: Set[str],
    account: Account,
) -> list[Mapping[str, Any]]:
    """The nodes without groups that no edge leads to or from and that are not ours; what lies in
    one is placed in what lies around it."""
    touched = {edge.get(end) for edge in edges for end in ("source", "target")}
    groups = {
        str(node["id"]): node
        for node in nodes
        if node.get("type") == GROUP and isinstance(node.get("id"), str)
        and node["id"] not in touched and node["id"] not in ours
    }  # fmt: skip
    for name in groups:
        account.dropped(
            "a group only groups: what lies in it stands where it stood",
            Source(name, name, GROUP, name),
            severity="info",
        )
    return [_lifted(node, groups) for node in nodes if node.get("id") not in groups]


def _lifted(node: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    parent, seen = parent_of(node), set[str]()
    if parent not in groups:
        return node
    x, y = _place(node)
    while parent is not None and parent in groups and parent not in seen:
        seen.add(parent)
        left, top = _place(groups[parent])
        x, y = x + left, y + top
        parent = parent_of(groups[parent])
    own = {
        name: value
        for name, value in node.items()
        if name not in ("parentId", "parentNode", "extent")
    }
    around = {} if parent is None or parent in seen else {"parentId": parent}
    return {**own, **around, "position": {"x": x, "y": y}}


def _place(node: Mapping[str, Any]) -> tuple[float, float]:
    at = node.get("position")
    return (real(at.get("x"), 0), real(at.get("y"), 0)) if isinstance(at, dict) else (0.0, 0.0)


def fold(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]], holders: set[str], account: Account
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The nodes and edges of the graph itself; what lies inside of a holder is its body."""
    parents = {
        node["id"]: parent for node in nodes if (parent := parent_of(node)) in holders and parent
    }
    for name in list(parents):
        if not _ends(name, parents):
            account.dropped(
                "it lies inside of itself, or deeper than bodies may nest",
                Source(name, name, "", name),
                "parentId",
                original=parents[name],
                severity="error",
                action=f"nest at most {MAX_BODY_DEPTH} maps and loops",
            )
            del parents[name]
    bodies: dict[str, dict[str, Any]] = {}
    top: list[dict[str, Any]] = []
    by_id = {node["id"]: node for node in nodes}
    for node in nodes:
        parent = parents.get(node["id"])
        if parent is None:
            top.append(node)
            continue
        if parent not in bodies:
            bodies[parent] = {"nodes": [], "edges": []}
            holder = by_id[parent]
            holder["config"] = {**(holder.get("config") or {}), BODY: bodies[parent]}
        bodies[parent]["nodes"].append(node)
    kept: list[dict[str, Any]] = []
    for edge in edges:
        _put(edge, parents, bodies, kept, account)
    return top, kept


def _ends(name: str, parents: Mapping[str, str]) -> bool:
    at: str | None = name
    for _ in range(MAX_BODY_DEPTH + 1):
        at = parents.get(at) if at is not None else None
        if at is None:
            return True
    return False


def _put(
    edge: dict[str, Any],
    parents: Mapping[str, str],
    bodies: Mapping[str, dict[str, Any]],
    kept: list[dict[str, Any]],
    account: Account,
) -> None:
    source, target = str(edge.get("source")), str(edge.get("target"))
    inside, other = parents.get(source), parents.get(target)
    if inside == other:
        (kept if inside is None else bodies[inside]["edges"]).append(edge)
        return
    original = f"{source} > {target}"
    if source == other or target == inside:
        account.dropped(
            "an edge between a map or loop and what lies in it: a body begins at the nodes that no "
            "edge leads to, and ends by itself",
            field="edges", original=original, severity="info",
        )  # fmt: skip
        return
    kept.append(edge)
    account.dropped(
        "an edge leads into or out of a map or loop",
        field="edges", original=original, severity="error",
        action="connect the map or loop itself",
    )  # fmt: skip


def drawn_inside(graph: Graph) -> set[str]:
    """The nodes whose bodies can go out as sub-flows: they came as such, no id or edge in them is
    of another level, and no other node says that it lies in them."""
    ids: list[str] = []
    found: set[str] = set()
    claimed: set[str | None] = set()

    def walk(level: SubGraph, holder: str | None = None) -> None:
        for node in level.nodes:
            ids.append(node.id)
            parent = parent_of(node.model_dump())
            if parent != holder:
                claimed.add(parent)
            body = node.body
            if body is not None and _is_subflow(node.id, node.config[BODY], body):
                found.add(node.id)
                walk(body, node.id)

    walk(graph)
    inner = set(ids) - {node.id for node in graph.nodes}
    crossing = any({edge.source, edge.target} & inner for edge in graph.edges)
    return set() if len(set(ids)) < len(ids) or crossing else found - claimed


def _is_subflow(node_id: str, given: Any, body: SubGraph) -> bool:
    own = {node.id for node in body.nodes}
    return (
        isinstance(given, dict)
        and set(given) == {"nodes", "edges"}
        and bool(own)
        and all(parent_of(node.model_dump()) == node_id for node in body.nodes)
        and all({edge.source, edge.target} <= own for edge in body.edges)
    )


def levels(graph: Graph, unfolded: set[str]) -> Iterator[SubGraph]:
    """The graph, and the bodies that are drawn in it, each behind the one around it."""
    waiting: list[SubGraph] = [graph]
    for level in waiting:
        yield level
        waiting += [
            body for node in level.nodes if node.id in unfolded and (body := node.body) is not None
        ]
