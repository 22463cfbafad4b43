"""Small Dify apps, written as Dify's own files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilot.convert.document import Conversion
from pilot.convert.formats import convert
from pilot.nodes import specs


def dify_node(id: str, kind: str, **data: Any) -> dict[str, Any]:
    """A node; its title is its id."""
    parent = data.pop("parent", None)
    node: dict[str, Any] = {
        "id": id,
        "type": "custom",
        "position": {"x": 0, "y": 0},
        "data": {"type": kind, "title": id, **data},
    }
    return {**node, "parentId": parent} if parent else node


def dify_app(
    nodes: Sequence[dict[str, Any]], *wires: str, mode: str = "workflow", **more: Any
) -> dict[str, Any]:
    """An app. A wire is `source>target`, or `source:handle>target`."""
    edges = []
    for wire in wires:
        left, target = wire.split(">")
        source, _, handle = left.partition(":")
        edges.append({"source": source, "target": target, "sourceHandle": handle or "source"})
    return {
        "app": {"name": "App", "mode": mode},
        "kind": "app",
        "version": "0.5.0",
        "workflow": {"graph": {"nodes": list(nodes), "edges": edges}, **more},
    }


def from_dify_nodes(nodes: Sequence[dict[str, Any]], *wires: str, **more: Any) -> Conversion:
    return convert(dify_app(nodes, *wires, **more), specs())


def start(*names: str) -> dict[str, Any]:
    variables = [{"variable": name, "type": "paragraph", "required": False} for name in names]
    return dify_node("s", "start", variables=variables)


def end(id: str = "e", **outputs: Sequence[str]) -> dict[str, Any]:
    rows = [
        {"variable": name, "value_selector": list(selector)} for name, selector in outputs.items()
    ]
    return dify_node(id, "end", outputs=rows)
