"""Mermaid's flowcharts, out: for READMEs, wikis and terminals.

Texts are escaped as Mermaid's entities, so that no name can become syntax or HTML.
https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pilot.graph.model import Graph, Node, SubGraph
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE

MAX_LABEL_CHARS = 80

_SHAPES = {
    "start": ("([", "])"),
    "output": ("([", "])"),
    "condition": ("{", "}"),
    "switch": ("{", "}"),
    "code": ("[[", "]]"),
    "http": ("[/", "/]"),
    "variable": ("[(", ")]"),
    "approval": ("{{", "}}"),
    "wait": ("{{", "}}"),
}
_UNSAFE = re.compile(r"[^\w \-.,:()+/=πäöüßÄÖÜ?!]", re.ASCII)
_SPACE = re.compile(r"\s+")


def to_mermaid(name: str, graph: Graph) -> str:
    """A flowchart: nodes with their names, edges with their handles. Nodes that a model calls as
    tools hang on dotted lines; so do a clean-up's."""
    lines = ["---", f"title: {json.dumps(_short(name), ensure_ascii=False)}", "---", "flowchart LR"]
    lines += _nodes(graph, "n", "  ")
    return "\n".join(lines) + "\n"


def _nodes(graph: SubGraph, prefix: str, indent: str) -> Iterator[str]:
    ids: dict[str, str] = {}
    for index, node in enumerate(graph.nodes):
        if node.id in ids:
            continue
        ids[node.id] = at = f"{prefix}{index}"
        inner = node.body
        if inner is None:
            opening, closing = _SHAPES.get(node.type, ("[", "]"))
            yield f'{indent}{at}{opening}"{_escape(node.name)}"{closing}'
        else:
            yield f'{indent}subgraph {at}["{_escape(node.name)}"]'
            yield from _nodes(inner, f"{at}_", indent + "  ")
            yield f"{indent}end"
    for edge in graph.edges:
        if edge.source not in ids or edge.target not in ids:
            continue
        handle = edge.source_handle or DEFAULT_HANDLE
        arrow = "-.->" if handle == ERROR_HANDLE else "-->"
        label = "" if handle == DEFAULT_HANDLE else f'|"{_escape(handle)}"|'
        yield f"{indent}{ids[edge.source]} {arrow}{label} {ids[edge.target]}"
    for node in graph.nodes:
        for tool in _tools(node):
            if tool in ids:
                yield f'{indent}{ids[node.id]} -.-o|"tool"| {ids[tool]}'


def _tools(node: Node) -> Iterator[str]:
    tools: Any = node.config.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict) and isinstance(tool.get("node"), str):
            yield tool["node"]


def _short(text: str) -> str:
    plain = _SPACE.sub(" ", text).strip()
    return plain if len(plain) <= MAX_LABEL_CHARS else plain[: MAX_LABEL_CHARS - 1] + "…"


def _escape(text: str) -> str:
    """Mermaid's entity codes (`#35;`) for all that is no plain letter, digit or blank."""
    return _UNSAFE.sub(lambda match: f"#{ord(match[0])};", _short(text)) or "#32;"
