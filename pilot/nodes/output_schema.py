"""The JSON Schema (Draft 2020-12) of what a workflow's runs answer, from its output nodes; and what
such a schema is known not to have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from pilot.graph.model import DefaultOutput, Graph
from pilot.nodes.output import OutputConfig

_OPEN = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties")
"""Keywords by which an object may have fields that `properties` does not name."""


def graph_output_schema(graph: Graph) -> dict[str, Any] | None:
    """The schema of an execution's output: the only output node's, or an object of those that ran
    by their keys; `{}` is anything. None where the graph has no output that can be read."""
    outputs = [node for node in graph.nodes if node.type == "output"]
    try:
        configs = [OutputConfig.model_validate(node.config) for node in outputs]
    except ValidationError:
        return None
    if not configs:
        return None
    schemas = [
        {} if isinstance(node.on_error, DefaultOutput) else config.output_schema or {}
        for node, config in zip(outputs, configs, strict=True)
    ]
    if len(schemas) == 1:
        return dict(schemas[0])
    keys = [config.key or node.id for node, config in zip(outputs, configs, strict=True)]
    return {
        "type": "object",
        "properties": dict(zip(keys, schemas, strict=True)),
        "additionalProperties": False,
    }


def lacks(schema: Any, path: Sequence[str | int]) -> str | None:
    """The first field on a path that no value of the schema has; None where that is not known."""
    at = schema
    for step in path:
        if not isinstance(at, dict) or not isinstance(step, str) or any(key in at for key in _OPEN):
            return None
        fields = at.get("properties")
        if isinstance(fields, dict) and step in fields:
            at = fields[step]
        elif at.get("type") == "object" and at.get("additionalProperties") is False:
            return step
        else:
            return None
    return None
