"""Decisions about import: what a body is, and what of it is saved."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from api.issues import issues_out
from api.problems import Problem
from api.transfers.schemas import (
    MAX_FINDINGS,
    CarriedOut,
    DraftOut,
    FindingOut,
    ImportIn,
    ImportOut,
    ReportOut,
    import_format,
)
from api.workflows import service
from api.workflows.schemas import WorkflowIn
from pilot.convert.document import Conversion, NotConvertibleError, YamlError
from pilot.convert.format import Format
from pilot.convert.report import Report
from pilot.graph.spec import Specs
from pilot.store import Store

YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
JSON_TYPE = "application/json"
_DOCUMENT_FIELDS = ("nodes", "workflow")

_ImportIn = TypeAdapter(ImportIn)


async def read_body(request: Request, asked: dict[str, Any]) -> ImportIn:
    """A body is an `ImportIn`, or the document itself: then `asked`, the query, says the rest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in YAML_TYPES:
        try:
            text = (await request.body()).decode()
        except UnicodeDecodeError:
            raise Problem(400, "invalid_yaml", "The body is not UTF-8.") from None
        return _typed({**asked, "content": text})
    if kind != JSON_TYPE and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(
            415,
            "unsupported_media_type",
            f"The body must be sent as {JSON_TYPE} or {YAML_TYPES[0]}.",
        )
    body = await request.json()
    if isinstance(body, dict) and any(name in body for name in _DOCUMENT_FIELDS):
        return _typed({**asked, "content": body})
    if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict):
        return _typed({**asked, "content": body[0]})
    return _typed({**asked, **body} if isinstance(body, dict) else body)


def _typed(body: Any) -> ImportIn:
    try:
        return _ImportIn.validate_python(body)
    except ValidationError as error:
        raise _request_error(error, body) from None


def _request_error(error: ValidationError, body: Any) -> RequestValidationError:
    errors = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]
    return RequestValidationError(errors, body=body)


async def import_document(
    store: Store, specs: Specs, owner: str, given: ImportIn, *, user_id: str
) -> ImportOut:
    """Converts in a thread, saves a draft for the user. Raises `Problem` (422) for what is no
    document of the format."""
    try:
        found = await asyncio.to_thread(_converted, given, specs)
    except (NotConvertibleError, YamlError) as error:
        raise Problem(422, error.code, error.message) from None
    body = _workflow(found, given.name)
    report = _report_out(found.report)
    if not given.dry_run:
        made = await service.create(store, specs, owner, body, user_id=user_id)
        return ImportOut.model_construct(workflow=made, draft=None, report=report)
    graph = body.graph()
    issues = await service.check(graph, specs, store, owner)
    stored = {"nodes": [], "edges": [], **graph.to_json()}
    draft = DraftOut(
        name=body.name,
        description=body.description,
        nodes=stored["nodes"],
        edges=stored["edges"],
        timeout_s=body.timeout_s,
        max_parallel=body.max_parallel,
        issues=issues_out(issues),
    )
    return ImportOut(workflow=None, draft=draft, report=report)


def _converted(given: ImportIn, specs: Specs) -> Conversion:
    from pilot.convert.formats import convert, parse_document  # noqa: PLC0415 (few import)

    content = given.content
    document = parse_document(content) if isinstance(content, str) else content
    return convert(document, specs, import_format(given.format))


def _workflow(found: Conversion, name: str | None) -> WorkflowIn:
    graph = found.graph
    try:
        return WorkflowIn(
            name=name or found.name,
            description=found.description,
            nodes=graph.nodes,
            edges=graph.edges,
            **graph.settings,
        )
    except ValidationError as error:
        raise _request_error(error, {}) from None


def _report_out(report: Report) -> ReportOut:
    return ReportOut(
        format=report.format,
        carried=[CarriedOut(**asdict(one)) for one in report.carried[:MAX_FINDINGS]],
        approximated=[FindingOut(**asdict(one)) for one in report.approximated[:MAX_FINDINGS]],
        dropped=[FindingOut(**asdict(one)) for one in report.dropped[:MAX_FINDINGS]],
    )


MEDIA_TYPES = {
    Format.PILOT: "application/json",
    Format.REACTFLOW: "application/json",
    Format.MERMAID: "text/vnd.mermaid; charset=utf-8",
}
EXTENSIONS = {Format.PILOT: "json", Format.REACTFLOW: "reactflow.json", Format.MERMAID: "mmd"}


def request_schema() -> dict[str, Any]:
    """The ways to send a document, for the OpenAPI document."""
    schema = ImportIn.model_json_schema()
    schema["properties"]["format"] = {**schema.pop("$defs")["ImportFormat"], "default": "auto"}
    documents = [{"type": "object", "required": [name]} for name in _DOCUMENT_FIELDS]
    return {
        "required": True,
        "content": {
            JSON_TYPE: {"schema": {"anyOf": [schema, *documents]}},
            YAML_TYPES[0]: {"schema": {"type": "string"}},
        },
    }
