"""Which format a document is of, and what reads and writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pilot.convert.checked import checked
from pilot.convert.dify import from_dify
from pilot.convert.document import Conversion, NotConvertibleError, graph_of, named, rows, settings
from pilot.convert.format import Format
from pilot.convert.mermaid import to_mermaid
from pilot.convert.n8n import from_n8n
from pilot.convert.reactflow import OURS, from_reactflow, to_reactflow
from pilot.convert.report import Account, Source
from pilot.convert.yaml_text import MAX_DEPTH, load_yaml
from pilot.graph.model import Graph
from pilot.graph.spec import Specs


def parse_document(text: str) -> Any:
    """JSON, or YAML where it does not begin as JSON does. Raises `NotConvertibleError`."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "["):
        return load_yaml(text)
    try:
        return json.loads(text.lstrip("\ufeff"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotConvertibleError(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except (ValueError, RecursionError) as error:
        raise NotConvertibleError(f"not JSON: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def detect(body: Mapping[str, Any]) -> Format:
    """By what only one of them has. Raises `NotConvertibleError`."""
    if body.get("kind") == "app" or isinstance(body.get("workflow"), dict):
        return Format.DIFY
    nodes = body.get("nodes")
    if not isinstance(nodes, list):
        raise NotConvertibleError(
            "no format that is known here: πlot's and React Flow's have `nodes` and `edges`, "
            "n8n's `nodes` and `connections`, Dify's `app` and `workflow`"
        )
    if isinstance(body.get("connections"), dict):
        return Format.N8N
    with_data = [
        one for one in nodes if isinstance(one, dict) and isinstance(one.get("data"), dict)
    ]
    if any(OURS in one["data"] for one in with_data):
        return Format.REACTFLOW
    ours = any(isinstance(one, dict) and "config" in one for one in nodes)
    return Format.REACTFLOW if with_data and not ours else Format.PILOT


def convert(document: Any, specs: Specs, format: Format | None = None) -> Conversion:
    """A draft from a parsed document; without a format it is found out.

    Raises `NotConvertibleError`.
    """
    if isinstance(document, list) and len(document) == 1:
        document = document[0]  # n8n's `export:workflow --all` with one workflow
    if not isinstance(document, dict):
        raise NotConvertibleError("a workflow is an object")
    _bound_depth(document)
    match format or detect(document):
        case Format.PILOT:
            return from_pilot(document)
        case Format.REACTFLOW:
            return from_reactflow(document, specs)
        case Format.DIFY:
            return checked(from_dify(document, specs), specs)
        case Format.N8N:
            return checked(from_n8n(document, specs), specs)
    raise NotConvertibleError("Mermaid can be exported, not imported")


def _bound_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise NotConvertibleError(f"it nests deeper than {MAX_DEPTH} levels")


def from_pilot(body: Mapping[str, Any]) -> Conversion:
    """πlot's own JSON, as `GET /workflows/{id}` and files have it."""
    account = Account("pilot")
    nodes, edges = list(rows(body, "nodes")), list(rows(body, "edges"))
    graph = graph_of({"nodes": nodes, "edges": edges} | settings(body))
    for node in graph.nodes:
        account.carry(Source(node.id, node.name, node.type, node.id), node.type)
    name, description = named(body, "Imported workflow")
    return Conversion(name, description, graph, account.report())


def to_pilot(name: str, description: str, graph: Graph) -> dict[str, Any]:
    """A workflow's file: what `pilot run` and the import take."""
    return {"name": name, "description": description, "nodes": [], "edges": []} | graph.to_json()


def export(format: Format, name: str, description: str, graph: Graph) -> str:
    """The text of a workflow in a format. Secrets are references in a graph, so no value of one
    can be in it. Raises `NotConvertibleError` for what is only imported."""
    match format:
        case Format.PILOT:
            body = to_pilot(name, description, graph)
        case Format.REACTFLOW:
            body = to_reactflow(name, description, graph)
        case Format.MERMAID:
            return to_mermaid(name, graph)
        case _:
            raise NotConvertibleError(f"{format.value} can be imported, not exported")
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
