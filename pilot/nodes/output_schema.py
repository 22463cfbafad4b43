"""The JSON Schema (Draft 2020-12) of what a workflow's runs answer, from its output nodes; and what
such a schema is known not to have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from pilot.graph.model import Graph, Node
from pilot.nodes import BUILT_IN
from pilot.nodes.output import OutputConfig

_OPEN = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties")
"""Keywords by which an object may have fields that `properties` does not name."""
_NULL = {"type": "null"}
_STRAIGHT = {spec.type for spec in BUILT_IN if not spec.branches}
"""The types that go on by all of their edges, whatever comes."""


def graph_output_schema(graph: Graph) -> dict[str, Any] | None:
    """The schema of an execution's output: the only output node's, or an object of those that ran
    by their keys, or null where none did; `{}` is anything. None where the graph has no output
    that can be read."""
    outputs = [node for node in graph.nodes if node.type == "output"]
    try:
        configs = [OutputConfig.model_validate(node.config) for node in outputs]
    except ValidationError:
        return None
    if not configs:
        return None
    schemas = [
        # of one that may fail and yet has an output, nothing is known
        (config.output_schema or {}) if node.on_error in (None, "fail") else {}
        for node, config in zip(outputs, configs, strict=True)
    ]
    sure = _surely_run(graph)
    keys = [config.key or node.id for node, config in zip(outputs, configs, strict=True)]
    if len(schemas) == 1:
        [schema] = schemas
        if not schema or outputs[0].id in sure:
            return dict(schema)
        return {"anyOf": [embedded(schema, keys[0]), _NULL]}
    required = [
        key
        for key, node in zip(keys, outputs, strict=True)
        if node.id in sure and node.on_error in (None, "fail")
    ]
    found: dict[str, Any] = {
        "type": "object" if required else ["object", "null"],
        "properties": {
            key: embedded(schema, key) for key, schema in zip(keys, schemas, strict=True)
        },
        "additionalProperties": False,
    }
    return {**found, "required": required} if required else found


def embedded(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The schema as a part of another one. References are followed from the nearest `$id`, so one
    that has any is given one: no author's schema has its own."""
    text = json.dumps(schema)
    if "$id" in schema or not any(f'"{key}"' in text for key in ("$ref", "$dynamicRef")):
        return schema
    return {"$id": f"urn:pilot:output:{quote(name, safe='')}", **schema}


def _surely_run(graph: Graph) -> set[str]:
    """The nodes that every run that succeeds has run, as far as the types say so."""
    waiting: dict[str, int] = {}
    below: dict[str, list[str]] = {}
    for edge in graph.edges:
        waiting[edge.target] = waiting.get(edge.target, 0) + 1
        below.setdefault(edge.source, []).append(edge.target)
    by_id: dict[str, Node] = {node.id: node for node in graph.nodes}
    ready = [node.id for node in graph.nodes if node.type == "start"]
    sure: set[str] = set()
    while ready:
        node = by_id.get(ready.pop())
        if node is None or node.id in sure or node.on_cancel:
            continue
        sure.add(node.id)
        if node.type not in _STRAIGHT or node.on_error == "branch":
            continue
        for target in below.get(node.id, ()):
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return sure


def lacks(schema: Any, path: Sequence[str | int]) -> str | None:
    """The first field on a path that no value of the schema has; None where that is not known."""
    at = schema
    for step in path:
        choices = at.get("anyOf") if isinstance(at, dict) and len(at) == 1 else None
        if isinstance(choices, list) and len(choices) == 2 and choices[1] == _NULL:
            at = choices[0]  # null has no fields at all
        if not isinstance(at, dict) or not isinstance(step, str) or any(key in at for key in _OPEN):
            return None
        fields = at.get("properties")
        if isinstance(fields, dict) and step in fields:
            at = fields[step]
        elif (
            at.get("type") in ("object", ["object", "null"])
            and at.get("additionalProperties") is False
        ):
            return step
        else:
            return None
    return None
