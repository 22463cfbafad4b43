"""`/api/v1/workflows/import` and `/api/v1/workflows/{id}/export`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.etag import etag
from api.parts import PartsDep
from api.problems import FORBIDDEN, INVALID, MISSING
from api.reply import reply
from api.route import ApiRoute
from api.transfers import service
from api.transfers.schemas import ExportFormat, ImportFormat, ImportOut
from pilot.convert.format import Format
from pilot.graph.model import Graph
from pilot.roles import Role

router = APIRouter(
    prefix="/workflows", tags=["workflows"], route_class=ApiRoute, responses={**FORBIDDEN}
)


@router.post(
    "/import",
    status_code=201,
    response_model=ImportOut,
    responses={**INVALID, 200: {"model": ImportOut, "description": "The draft of a dry run."}},
    openapi_extra={"requestBody": service.request_schema()},
)
async def import_workflow(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    format: Annotated[ImportFormat | None, Query()] = None,
    name: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    dry_run: Annotated[bool | None, Query()] = None,
) -> Response:
    """Saves a document of πlot, React Flow, Dify or n8n as a workflow, and says what could not be
    carried. Nothing of it is executed or fetched. The body is the document itself (JSON or YAML,
    with format, name and dry_run in the query), or an object that holds it as `content`."""
    owner = access.own(caller, Role.EDITOR)
    given = {"format": format, "name": name, "dry_run": dry_run}
    asked = {field: value for field, value in given.items() if value is not None}
    body = await service.read_body(request, asked)
    done = await service.import_document(
        parts.store, parts.specs, owner, body, user_id=caller.user_id
    )
    if done.workflow is None:
        return reply(done)
    made = done.workflow
    headers = {"Location": f"/api/v1/workflows/{made.id}", "ETag": etag(made.version)}
    return reply(done, 201, headers)


@router.get(
    "/{workflow_id}/export",
    response_class=Response,
    responses={
        **MISSING,
        200: {
            "description": "The workflow as a file.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/vnd.mermaid": {"schema": {"type": "string"}},
            },
        },
    },
)
async def export_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    format: ExportFormat = ExportFormat.PILOT,
) -> Response:
    """A workflow at its newest version, as a file. Secrets are in it by their names only."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    workflow = await parts.store.get_workflow(owner, str(workflow_id))
    wanted = Format(format.value)
    graph = Graph.model_validate(workflow.graph)
    from pilot.convert.formats import export  # noqa: PLC0415 (few export)

    text = export(wanted, workflow.name, workflow.description, graph)
    file = f"workflow-{workflow.id}.{service.EXTENSIONS[wanted]}"
    return Response(
        text,
        headers={
            "Content-Type": service.MEDIA_TYPES[wanted],
            "Content-Disposition": f'attachment; filename="{file}"',
            "ETag": etag(workflow.version),
        },
    )
