"""The tools of n8n's agents: HTTP requests and workflows are nodes that the model may call.

What the model fills in is `$fromAI(key, description, type)` in a tool's parameters; here it is the
tool's input, and a property of the tool's `parameters`.
https://docs.n8n.io/advanced-ai/examples/using-the-fromai-function/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pilot.convert.cel import Place
from pilot.convert.n8n import calls, requests
from pilot.convert.n8n.build import Build, N8nNode
from pilot.convert.n8n.views import At
from pilot.nodes.llm import MAX_TOOLS

_QUOTED = r"""(?:'([^'\\]*)'|"([^"\\]*)"|`([^`\\]*)`)"""
_FROM_AI = re.compile(
    rf"\$fromAI\(\s*{_QUOTED}\s*(?:,\s*{_QUOTED}\s*)?(?:,\s*{_QUOTED}\s*)?(?:,[^()]*)?\)",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"/\*[^*]*\*/")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_TYPES = {"string": "string", "number": "number", "boolean": "boolean", "json": "object"}
MAX_CHARS = 20_000

Convert = Callable[[N8nNode, Build], None]
CONVERTERS: Mapping[str, Convert] = {
    "httpRequestTool": requests.http_request,
    "toolWorkflow": calls.execute_workflow,
}


def plug(names: list[str], build: Build) -> tuple[list[dict[str, Any]], list[str]]:
    """The llm node's tools, and the names of those that are not carried."""
    found: list[dict[str, Any]] = []
    lost: list[str] = []
    for name in names:
        node = build.nodes.get(name)
        converter = CONVERTERS.get(_kind(node)) if node is not None else None
        if node is None or converter is None or len(found) == MAX_TOOLS:
            lost.append(name)
            continue
        found.append(_tool(node, converter, build))
    return found, lost


def _kind(node: N8nNode) -> str:
    return node.source.type.rsplit(".", 1)[-1]


def _tool(node: N8nNode, converter: Convert, build: Build) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    parameters = _asked(node.parameters, properties)
    if _kind(node) == "toolWorkflow" and not parameters.get("workflowInputs"):
        # before version 2 the model writes one text
        properties["query"] = {"type": "string"}
        parameters = {**parameters, "workflowInputs": {"value": {"query": "={{ $json.query }}"}}}
    told = parameters.pop("toolDescription", None) or parameters.pop("description", None)
    if node.name not in build.entries:
        build.narrow(node, At(Place(("input",))))
        converter(replace(node, parameters=parameters), build)
        build.views.pop(node.name, None)
    name = str(parameters.get("name") or node.name)
    tool: dict[str, Any] = {
        "node": node.node_id,
        "name": _NOT_IN_NAMES.sub("_", name)[:64].strip("_") or node.node_id,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
        },
    }
    if isinstance(told, str) and told and not told.startswith("="):
        tool["description"] = told[:4000]
    return tool


def _asked(given: Any, properties: dict[str, Any]) -> Any:
    """The parameters with `$json.key` for what the model fills in, which goes to `properties`."""
    match given:
        case str() if given.startswith("=") and len(given) <= MAX_CHARS:
            plain = _COMMENT.sub("", given)
            return _FROM_AI.sub(lambda match: _filled(match, properties), plain)
        case list():
            return [_asked(one, properties) for one in given]
        case dict():
            return {name: _asked(one, properties) for name, one in given.items()}
    return given


def _filled(match: re.Match[str], properties: dict[str, Any]) -> str:
    key, description, kind = (
        next((one for one in match.groups()[at : at + 3] if one is not None), "")
        for at in (0, 3, 6)
    )
    schema: dict[str, Any] = {"type": _TYPES.get(kind.lower(), "string")}
    if description:
        schema["description"] = description
    properties.setdefault(key, schema)
    return f"$json[{json.dumps(key)}]"
