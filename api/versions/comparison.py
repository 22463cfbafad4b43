"""Two versions, and what is different between them, as the API tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

from api.versions.schemas import (
    BodyDiffOut,
    ChangeOut,
    CosmeticOut,
    DiffOut,
    EdgeChangeOut,
    EdgesDiffOut,
    NodeChangeOut,
    NodesDiffOut,
)
from api.workflows.service import SMALL_GRAPH
from pilot.graph.diff import MISSING, Change, GraphDiff, ItemChange, ItemsDiff, diff
from pilot.store import Workflow, WorkflowVersion


async def compared(old: Workflow | WorkflowVersion, new: Workflow | WorkflowVersion) -> DiffOut:
    """The difference that leads from the first to the second."""
    before, after = _document(old), _document(new)
    if max(len(before["nodes"]), len(after["nodes"])) <= SMALL_GRAPH:
        found = diff(before, after)
    else:
        found = await asyncio.to_thread(diff, before, after)
    return _diff_out(old.version, new.version, found)


def _document(version: Workflow | WorkflowVersion) -> dict[str, Any]:
    graph = {"nodes": [], "edges": [], **version.graph}
    return {"name": version.name, "description": version.description, **graph}


def _diff_out(old: int, new: int, found: GraphDiff) -> DiffOut:
    return DiffOut.model_construct(
        from_version=old,
        to_version=new,
        is_same=found.is_empty,
        is_cosmetic=found.is_cosmetic,
        settings=_changes(found.settings),
        nodes=_nodes(found.nodes),
        edges=_edges(found.edges),
        cosmetic=_cosmetic(found, ()),
        bodies=list(_bodies(found, "")),
    )


def _bodies(found: GraphDiff, around: str) -> Iterator[BodyDiffOut]:
    """Those of a graph's nodes, each before those inside of it."""
    for one in found.nodes.changed:
        if one.body is None:
            continue
        container = f"{around}{one.value['id']}"
        yield BodyDiffOut.model_construct(
            container=container,
            nodes=_nodes(one.body.nodes),
            edges=_edges(one.body.edges),
            cosmetic=_cosmetic(one.body, one.body.settings),
        )
        yield from _bodies(one.body, f"{container}/")


def _nodes(nodes: ItemsDiff) -> NodesDiffOut:
    return NodesDiffOut.model_construct(
        added=[one.value for one in nodes.added],
        removed=[one.value for one in nodes.removed],
        changed=[_node(one, one.changes) for one in nodes.changed if one.changes],
    )


def _edges(edges: ItemsDiff) -> EdgesDiffOut:
    return EdgesDiffOut.model_construct(
        added=[one.value for one in edges.added],
        removed=[one.value for one in edges.removed],
        reordered=edges.order is not None,
    )


def _cosmetic(found: GraphDiff, settings: Iterable[Change]) -> CosmeticOut:
    return CosmeticOut.model_construct(
        nodes=[_node(one, one.cosmetic) for one in found.nodes.changed if one.cosmetic],
        edges=[_edge(one) for one in found.edges.changed],
        nodes_reordered=found.nodes.order is not None,
        settings=_changes(settings),
    )


def _node(one: ItemChange, changes: Iterable[Change]) -> NodeChangeOut:
    node = one.value
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return NodeChangeOut.model_construct(
        id=node["id"],
        # a body's nodes may be unfinished
        type=str(node.get("type", "")),
        name=name if isinstance(name, str) and name else node["id"],
        changes=_changes(changes),
    )


def _edge(one: ItemChange) -> EdgeChangeOut:
    return EdgeChangeOut.model_construct(
        source=one.value["source"],
        source_handle=one.value.get("source_handle"),
        target=one.value["target"],
        changes=_changes(one.cosmetic),
    )


def _changes(changes: Iterable[Change]) -> list[ChangeOut]:
    return [_change(change) for change in changes]


def _change(change: Change) -> ChangeOut:
    if change.old is MISSING:
        return ChangeOut.model_construct(path=change.path, kind="added", old=None, new=change.new)
    if change.new is MISSING:
        return ChangeOut.model_construct(path=change.path, kind="removed", old=change.old, new=None)
    return ChangeOut.model_construct(
        path=change.path, kind="changed", old=change.old, new=change.new
    )
