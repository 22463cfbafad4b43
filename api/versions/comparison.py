"""Two versions, and what is different between them, as the API tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from api.versions.schemas import (
    ChangeOut,
    CosmeticOut,
    DiffOut,
    EdgeChangeOut,
    EdgesDiffOut,
    NodeChangeOut,
    NodesDiffOut,
)
from api.workflows.service import SMALL_GRAPH
from pilot.graph.diff import MISSING, Change, GraphDiff, ItemChange, diff
from pilot.graph.model import Node
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
    nodes, edges = found.nodes, found.edges
    return DiffOut.model_construct(
        from_version=old,
        to_version=new,
        is_same=found.is_empty,
        is_cosmetic=found.is_cosmetic,
        settings=_changes(found.settings),
        nodes=NodesDiffOut.model_construct(
            added=[one.value for one in nodes.added],
            removed=[one.value for one in nodes.removed],
            changed=[_node(one, one.changes) for one in nodes.changed if one.changes],
        ),
        edges=EdgesDiffOut.model_construct(
            added=[one.value for one in edges.added],
            removed=[one.value for one in edges.removed],
            reordered=edges.order is not None,
        ),
        cosmetic=CosmeticOut.model_construct(
            nodes=[_node(one, one.cosmetic) for one in nodes.changed if one.cosmetic],
            edges=[_edge(one) for one in edges.changed],
            nodes_reordered=nodes.order is not None,
        ),
    )


def _node(one: ItemChange, changes: Iterable[Change]) -> NodeChangeOut:
    node = Node.model_validate(one.value)
    return NodeChangeOut.model_construct(
        id=node.id, type=node.type, name=node.name, changes=_changes(changes)
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
