"""The JSON Schema of a workflow's file, for editors: what they complete, explain and underline.

It says what each node type's configuration holds. What only the validator can know (names in
scope, edges, expressions) is left to `pilot validate`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pilot.graph.model import Graph, Node
from pilot.graph.spec import Specs

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/{model}"


def graph_schema(specs: Specs) -> dict[str, Any]:
    """A JSON Schema (2020-12) of graphs whose nodes are of these types. A file may name it in
    `$schema`."""
    models: list[type[BaseModel]] = [Graph, Node, *(spec.config for spec in specs.values())]
    names, made = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=_REFERENCE
    )
    definitions: dict[str, Any] = made["$defs"]
    references = {model: reference for (model, _), reference in names.items()}
    node = definitions[_name(references[Node])]
    node["properties"]["type"] = {
        "enum": list(specs),
        "description": "What the node does.",
    }
    node["allOf"] = [
        {
            "if": {"properties": {"type": {"const": spec.type}}, "required": ["type"]},
            "then": {
                "description": spec.description,
                "properties": {"config": references[spec.config]},
            },
        }
        for spec in specs.values()
    ]
    graph = definitions.pop(_name(references[Graph]))
    return {
        "$schema": DIALECT,
        "title": "A workflow of πlot",
        "type": "object",
        "required": ["nodes", "edges"],
        "properties": {
            "$schema": {"type": "string", "description": "Where this schema is."},
            "name": {"type": "string", "maxLength": 200, "description": "What people see."},
            "description": {"type": "string", "maxLength": 10_000},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sample_input": {"description": "An input to try it with."},
            **graph["properties"],
        },
        "$defs": definitions,
    }


def _name(reference: Any) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
