"""The JSON Schema (Draft 2020-12) of an execution's input, from the start node's fields."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from pilot.graph.model import Graph
from pilot.nodes.start import InputField, StartConfig


def input_schema(config: StartConfig) -> dict[str, Any]:
    """What `resolve_input` takes, as a schema; `{}`, anything, where nothing is declared.

    Other fields may come along. Where no field must be given, neither must the object.
    """
    if not config.inputs:
        return {}
    required = [field.name for field in config.inputs if field.required and not field.has_default]
    schema: dict[str, Any] = {
        "type": "object" if required else ["object", "null"],
        "properties": {field.name: _field_schema(field) for field in config.inputs},
        "additionalProperties": True,
    }
    if required:
        schema["required"] = required
    return schema


def graph_input_schema(graph: Graph) -> dict[str, Any] | None:
    """The schema of a graph's input; None where it has no start node that could be read."""
    for node in graph.nodes:
        if node.type == "start":
            try:
                return input_schema(StartConfig.model_validate(node.config))
            except ValidationError:
                return None
    return None


def _field_schema(field: InputField) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    nullable = not field.required
    if field.type != "any":
        schema["type"] = [field.type, "null"] if nullable else field.type
    if field.enum is not None:
        schema["enum"] = [*field.enum, None] if nullable else list(field.enum)
    if field.has_default:
        schema["default"] = field.default
    if field.description:
        schema["description"] = field.description
    return schema
