"""Small n8n workflows, written as n8n's own files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilot.convert.document import Conversion
from pilot.convert.formats import convert
from pilot.nodes import specs


def n8n_node(name: str, kind: str, parameters: Any = None, **beside: Any) -> dict[str, Any]:
    """A node; without a package in its type it is one of n8n's own."""
    type_ = kind if "." in kind else f"n8n-nodes-base.{kind}"
    return {
        "id": f"id-{name}",
        "name": name,
        "type": type_,
        "typeVersion": 1,
        "position": [0, 0],
        "parameters": parameters or {},
        **beside,
    }


def n8n_body(nodes: Sequence[dict[str, Any]], *wires: str, **more: Any) -> dict[str, Any]:
    """A workflow. A wire is `Source>Target`, with `Source:output` and `Target:input` by index."""
    connections: dict[str, dict[str, list[list[dict[str, Any]]]]] = {}
    for wire in wires:
        left, right = wire.split(">")
        source, _, output = left.partition(":")
        target, _, index = right.partition(":")
        outputs = connections.setdefault(source, {"main": []})["main"]
        while len(outputs) <= int(output or 0):
            outputs.append([])
        outputs[int(output or 0)].append({"node": target, "type": "main", "index": int(index or 0)})
    return {"name": "Flow", "nodes": list(nodes), "connections": connections, **more}


def from_n8n_nodes(nodes: Sequence[dict[str, Any]], *wires: str, **more: Any) -> Conversion:
    return convert(n8n_body(nodes, *wires, **more), specs())


def fields(**values: Any) -> dict[str, Any]:
    """Parameters of Set, version 3.4: each value as it was typed; of an expression that is no
    text, (its type, the expression)."""
    kinds = {bool: "boolean", int: "number", float: "number", dict: "object", list: "array"}
    rows = []
    for name, given in values.items():
        typed = given if isinstance(given, tuple) else (kinds.get(type(given), "string"), given)
        rows.append({"id": name, "name": name, "type": typed[0], "value": typed[1]})
    return {"assignments": {"assignments": rows}, "options": {}}


GO = n8n_node("Go", "manualTrigger")


def set_node(name: str, /, **values: Any) -> dict[str, Any]:
    return n8n_node(name, "set", fields(**values), typeVersion=3.4)
