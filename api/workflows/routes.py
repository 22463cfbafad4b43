"""`/api/v1/workflows`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.responses import JSONResponse, Response

from api import access
from api.auth import CallerDep
from api.etag import etag
from api.executions.service import cancel_all
from api.limits import Rate, counted_as
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, FORBIDDEN, INVALID, MISSING
from api.reply import UNCHANGED, IfNoneMatch, reply, unless_known
from api.route import ApiRoute
from api.workflows import openapi, service
from api.workflows.schemas import (
    GraphIn,
    ValidationOut,
    WorkflowIn,
    WorkflowOut,
    WorkflowSummaryOut,
    WorkflowUpdate,
)
from pilot.roles import Role
from pilot.versions import DRAFT, named

router = APIRouter(
    prefix="/workflows", tags=["workflows"], route_class=ApiRoute, responses={**FORBIDDEN}
)


@router.post("", status_code=201, response_model=WorkflowOut, responses={**INVALID})
async def create_workflow(parts: PartsDep, caller: CallerDep, body: WorkflowIn) -> Response:
    """Saves a graph as version 1. A draft with issues is saved too; they come back."""
    owner = access.own(caller, Role.EDITOR)
    made = await service.create(parts.store, parts.specs, owner, body, user_id=caller.user_id)
    location = f"/api/v1/workflows/{made.id}"
    return reply(made, 201, {"Location": location, "ETag": etag(made.version)})


@router.get("", response_model=PageOut[WorkflowSummaryOut], responses={**UNCHANGED})
async def list_workflows(
    parts: PartsDep,
    caller: CallerDep,
    page: PageDep,
    shared: Annotated[
        bool, Query(description="Those that others share with the caller, instead of their own.")
    ] = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The caller's workflows, newest first, without their graphs."""
    if shared:
        found = await service.shared(parts.store, caller.grantees, page)
    else:
        found = await service.listing(parts.store, caller.owner, page)
    return unless_known(found, if_none_match)


@router.post("/validate", response_model=ValidationOut, responses={**INVALID})
@counted_as(Rate.VALIDATIONS)
async def validate_graph(parts: PartsDep, caller: CallerDep, body: GraphIn) -> Response:
    """All issues of a graph, by the validator that saving and executing use."""
    return reply(await service.validation(parts.store, parts.specs, caller.owner, body))


@router.get(
    "/{workflow_id}",
    response_model=WorkflowOut,
    responses={**MISSING, **UNCHANGED},
)
async def read_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A workflow at its newest version."""
    of = await access.opened(parts, caller, str(workflow_id), Role.VIEWER)
    found = await service.read(parts, of, if_none_match)
    if isinstance(found, str):
        return Response(status_code=304, headers={"ETag": found})
    found.role = None if of.role is Role.ADMIN else of.role
    return reply(found, headers={"ETag": etag(found.version, found.publication)})


@router.get(
    "/{workflow_id}/openapi.json",
    response_class=JSONResponse,
    responses={**MISSING},
)
async def read_openapi(parts: PartsDep, caller: CallerDep, workflow_id: UUID) -> Response:
    """The workflow as an API of its own: an OpenAPI 3.1 document whose one operation is its
    `execute`, with the start node's inputs as the request's schema; of the version that runs by
    default, and while the workflow is offline of the newest."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    workflow = await parts.store.get_workflow(owner, str(workflow_id))
    version = await named(parts.store, workflow, DRAFT if workflow.is_offline else None)
    return JSONResponse(
        openapi.document(workflow.id, version), headers={"ETag": etag(version.version)}
    )


@router.put(
    "/{workflow_id}",
    response_model=WorkflowOut,
    responses={**MISSING, **CONFLICT, **INVALID},
)
async def update_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    body: WorkflowUpdate,
    if_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """Replaces a workflow by a new version. With `If-Match` or `version` a save that would
    overwrite somebody else's is refused (409, and `current` says what is there); the same content
    makes no new version. What is published stays published."""
    of = await access.opened(parts, caller, str(workflow_id), Role.EDITOR)
    saved = await service.update(parts, of, body, if_match, user_id=caller.user_id)
    return reply(saved, headers={"ETag": etag(saved.version, saved.publication)})


@router.delete(
    "/{workflow_id}", status_code=204, response_class=Response, responses={**MISSING, **CONFLICT}
)
async def delete_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    cancel_executions: Annotated[
        bool, Query(description="Cancel its open executions and wait for them to end.")
    ] = False,
) -> Response:
    """Removes a workflow. Its executions stay readable; while one is open it is refused, or
    cancels them first, as asked."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    if cancel_executions:
        await cancel_all(parts, owner, str(workflow_id))
    await parts.store.delete_workflow(owner, str(workflow_id))
    return Response(status_code=204)
