"""The OpenAPI document, made exact: what FastAPI derives from the routes, and what it cannot know.

Errors are of the media type that they are sent as, every answer names its headers, parameters
are not null, and links say how one answer leads to the next request.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE, ProblemOut
from api.request_id import HEADER as REQUEST_ID

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="ProblemOut")}}}
_DERIVED_ERRORS = ("HTTPValidationError", "ValidationError")

_HEADERS: dict[str, dict[str, Any]] = {
    REQUEST_ID: {"required": True, "description": "In every log line of the request."},
    "WWW-Authenticate": {"required": True, "description": "How to sign in (RFC 6750)."},
    "Retry-After": {"required": False, "description": "Seconds until trying again makes sense."},
}
_HEADERS_BY_STATUS = {
    "401": (REQUEST_ID, "WWW-Authenticate"),
    "429": (REQUEST_ID, "Retry-After"),
    "503": (REQUEST_ID, "Retry-After"),
}

_WORKFLOW = {
    target: {"workflow_id": "$response.body#/id"}
    for target in (
        "read_workflow",
        "update_workflow",
        "delete_workflow",
        "execute_workflow",
        "read_openapi",
        "export_workflow",
        "read_workflow_budget",
        "put_workflow_budget",
        "list_shares",
        "list_versions",
        "diff_versions",
        "publish_workflow",
        "unpublish_workflow",
    )
}
_EXECUTION = {
    "read_workflow": {"workflow_id": "$response.body#/workflow_id"},
    **{
        target: {"execution_id": "$response.body#/id"}
        for target in (
            "read_execution",
            "stream_events",
            "pause_execution",
            "resume_execution",
            "cancel_execution",
        )
    },
}
LINKS: dict[str, dict[str, dict[str, str]]] = {
    "create_workflow": _WORKFLOW,
    "use_template": _WORKFLOW,
    "read_workflow": _WORKFLOW,
    "update_workflow": _WORKFLOW,
    "execute_workflow": _EXECUTION,
    "publish_workflow": {
        "read_version": {
            "workflow_id": "$response.body#/workflow_id",
            "version": "$response.body#/version",
        }
    },
    "read_execution": _EXECUTION,
    "put_secret": {"delete_secret": {"name": "$response.body#/name"}},
    "create_api_key": {"revoke_api_key": {"key_id": "$response.body#/id"}},
}
"""By the operation whose success leads on: to which operations, with which parameters."""


def install(app: FastAPI) -> None:
    """Makes `app.openapi()` give the exact document."""
    derived = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = exact(derived())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def exact(document: dict[str, Any]) -> dict[str, Any]:
    """The document, changed in place."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    _, models = models_json_schema([(ProblemOut, "serialization")], ref_template=_REFERENCE)
    schemas.update(models["$defs"])
    for name in _DERIVED_ERRORS:
        schemas.pop(name, None)
    components["headers"] = {
        name: {**about, "schema": {"type": "string"}} for name, about in _HEADERS.items()
    }
    for path, operation in _operations(document):
        _parameters(operation)
        if path.startswith("/api/") and "requestBody" in operation:
            for status, what in ((408, "The body took too long."), (415, "The body is no JSON.")):
                operation["responses"].setdefault(str(status), {"description": what})
        for status, response in operation["responses"].items():
            _response(status, response)
        _link(operation)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _parameters(operation: dict[str, Any]) -> None:
    """A parameter that is left out is `None` in Python; none is ever sent as null."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        kept = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        if len(kept) == 1:
            del schema["anyOf"]
            parameter["schema"] = {**kept[0], **schema}


def _response(status: str, response: dict[str, Any]) -> None:
    content = response.get("content", {})
    if int(status) >= 400 and (not content or any(map(_is_error, content.values()))):
        response["content"] = _PROBLEM
    names = _HEADERS_BY_STATUS.get(status, (REQUEST_ID,))
    headers = response.setdefault("headers", {})
    headers.update({name: {"$ref": f"#/components/headers/{name}"} for name in names})


def _is_error(media: dict[str, Any]) -> bool:
    model = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return model in ("ProblemOut", *_DERIVED_ERRORS)


def _link(operation: dict[str, Any]) -> None:
    links = {
        target: {"operationId": target, "parameters": parameters}
        for target, parameters in LINKS.get(operation.get("operationId", ""), {}).items()
    }
    if links:
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                response["links"] = links


def main() -> None:
    """Prints the document: `python -m api.openapi`. What clients are generated from."""
    import json  # noqa: PLC0415 (of the command alone)

    from api.app import create_app  # noqa: PLC0415 (which imports this module)
    from pilot.settings import Settings  # noqa: PLC0415 (of the command alone)

    app = create_app(Settings.model_validate({"pilot_env": "development"}))
    print(json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main()
