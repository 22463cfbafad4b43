"""What stands in a Dify document: its nodes by id, and what of its edges cannot be drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pilot.convert.dify import triggers
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.document import real, rows
from pilot.convert.report import Account, Source

_NOTES = ("custom-note", "note", "")
_INNER = ("iteration-start", "loop-start")
_OLDEST, _NEWEST = (0, 1), (0, 6)


def own_ids(nodes: Iterator[DifyNode], account: Account) -> list[DifyNode]:
    found: dict[str, DifyNode] = {}
    for node in nodes:
        if node.id and found.setdefault(node.id, node) is node:
            continue
        account.dropped(
            "another node has its id" if node.id else "it has no id",
            node.source,
            "id",
            original=node.id,
            severity="error",
            action="give it an id of its own, and import again",
        )
    return list(found.values())


def say_lost_edges(graph: Mapping[str, Any], nodes: Sequence[DifyNode], build: Build) -> None:
    """Edges that lead nowhere, or into or out of a loop. Those from where a loop begins are its
    body's first nodes."""
    parents = {node.id: node.parent for node in nodes if node.id in build.entries}
    begins = {
        str(given.get("id")): str(given.get("parentId") or "")
        for given in rows(graph, "nodes")
        if _kind_of(given) in _INNER
    }
    for edge in rows(graph, "edges"):
        source, target = str(edge.get("source")), str(edge.get("target"))
        around = parents.get(source, begins.get(source))
        if target in parents and around == parents[target]:
            continue
        build.scope.account.dropped(
            "an edge is not carried: it leads from or to a node that is not there, or into or out "
            "of a loop",
            field="edges",
            original=f"{source} > {target}",
            action="connect what is meant by hand",
        )


def _kind_of(given: Mapping[str, Any]) -> str:
    data = given.get("data")
    return str(data.get("type") or "") if isinstance(data, dict) else ""


def nodes_of(graph: Mapping[str, Any], build: Build) -> Iterator[DifyNode]:
    """All nodes that do something, those inside of others too."""
    for given in rows(graph, "nodes"):
        data = given.get("data")
        data = data if isinstance(data, dict) else {}
        kind, node_id = str(data.get("type") or ""), str(given.get("id"))
        title = str(data.get("title") or kind)
        if given.get("type") == "custom-note" or kind in _NOTES:
            source = Source(node_id, title or "note", "note", node_id)
            build.scope.account.dropped(
                "notes are not carried",
                source,
                original=str(data.get("text") or ""),
                severity="info",
            )
            continue
        if kind in _INNER:
            continue
        slug = build.draft.slugs.new("start" if kind in triggers.STARTS else title, kind)
        source = Source(node_id, title, kind, slug)
        parent = given.get("parentId") or data.get("iteration_id") or data.get("loop_id")
        at = given.get("position")
        at = at if isinstance(at, dict) else {}
        place = (_coordinate(at.get("x")), _coordinate(at.get("y")))
        yield DifyNode(source, data, place, str(parent or ""))


def _coordinate(value: Any) -> float:
    return round(real(value, 0), 2)


def check_version(body: Mapping[str, Any], account: Account) -> None:
    version = str(body.get("version") or "0.1.0")
    parts = version.split(".")
    known = len(parts) >= 2 and all(part.isdigit() for part in parts[:2])
    if not known or not _OLDEST <= (int(parts[0]), int(parts[1])) <= _NEWEST:
        account.approximated(
            f"the DSL's version {version} is not one that this was written for (0.1 to 0.6)",
            original=version,
            action="read the report closely, and try the graph by a dry run",
        )
