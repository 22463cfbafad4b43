"""One workflow as an API of its own: an OpenAPI 3.1 document of its `execute`.

Client generators, API explorers and models that call tools read it; its request body is the
start node's inputs, and its output what the output nodes' schemas say.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from api.executions.schemas import ExecutionOut
from api.problems import ProblemOut
from pilot.graph.model import Graph
from pilot.nodes.input_schema import graph_input_schema
from pilot.nodes.output_schema import embedded, graph_output_schema
from pilot.store import Workflow, WorkflowVersion

_REFERENCE = "#/components/schemas/{model}"
_SECURITY = "bearer"


def document(workflow_id: str, workflow: Workflow | WorkflowVersion) -> dict[str, Any]:
    """The document of that version of the workflow."""
    _, models = models_json_schema(
        [(ExecutionOut, "serialization"), (ProblemOut, "serialization")],
        ref_template=_REFERENCE,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": workflow.name,
            "description": workflow.description,
            "version": str(workflow.version),
        },
        "servers": [{"url": "/"}],
        "paths": {f"/api/v1/workflows/{workflow_id}/execute": {"post": _execute(workflow)}},
        "components": {
            "schemas": models["$defs"],
            "securitySchemes": {
                _SECURITY: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
        "security": [{_SECURITY: []}],
    }


def _execute(workflow: Workflow | WorkflowVersion) -> dict[str, Any]:
    graph = Graph.model_validate(workflow.graph)
    schema = graph_input_schema(graph) or {}
    finished = _answer("It finished within `wait` seconds.", "ExecutionOut")
    output = graph_output_schema(graph)
    if output:
        content = finished["content"]["application/json"]
        told = {"properties": {"output": {"anyOf": [embedded(output), {"type": "null"}]}}}
        content["schema"] = {"allOf": [content["schema"], told]}
    body: dict[str, Any] = {"type": "object", "properties": {"input": schema}}
    body["additionalProperties"] = False
    is_required = "required" in schema
    if is_required:
        body["required"] = ["input"]
    return {
        "operationId": "execute",
        "summary": f"Run {workflow.name}",
        "description": workflow.description,
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key gives the same execution, started once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            },
            {
                "name": "wait",
                "in": "query",
                "description": "Seconds to wait for the end; then 200.",
                "schema": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
            },
        ],
        "requestBody": {
            "required": is_required,
            "content": {"application/json": {"schema": body}},
        },
        "responses": {
            "200": finished,
            "202": {
                **_answer("It was started.", "ExecutionOut"),
                "headers": {"Location": {"schema": {"type": "string"}}},
            },
            "default": _answer("What went wrong.", "ProblemOut", "application/problem+json"),
        },
    }


def _answer(what: str, model: str, media_type: str = "application/json") -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model=model)}
    return {"description": what, "content": {media_type: {"schema": schema}}}
