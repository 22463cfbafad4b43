"""`/api/v1/workflows/{id}/versions`, `publish` and `unpublish`"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.etag import etag, none_match_hits
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, FORBIDDEN, INVALID, MISSING
from api.reply import IfNoneMatch, reply
from api.route import ApiRoute
from api.versions import service
from api.versions.schemas import (
    DiffOut,
    PublicationOut,
    PublishIn,
    UnpublishIn,
    VersionOut,
    VersionSummaryOut,
)
from api.workflows.schemas import WorkflowOut
from pilot.roles import Role
from pilot.store.tables import MAX_INTEGER
from pilot.versions import DRAFT, PUBLISHED

router = APIRouter(
    prefix="/workflows/{workflow_id}",
    tags=["versions"],
    route_class=ApiRoute,
    responses={**FORBIDDEN, **MISSING},
)

IfMatch = Annotated[str | None, Header(max_length=1000)]
Number = Annotated[int, Path(ge=1, le=MAX_INTEGER)]
Name = Annotated[int, Query(ge=1, le=MAX_INTEGER)] | Literal["draft", "published"]


@router.get("/versions", response_model=PageOut[VersionSummaryOut])
async def list_versions(
    parts: PartsDep, caller: CallerDep, page: PageDep, workflow_id: UUID
) -> Response:
    """The workflow's versions, newest first, without their graphs."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    return reply(await service.listing(parts, owner, str(workflow_id), page))


@router.get("/versions/diff", response_model=DiffOut, responses={**CONFLICT, **INVALID})
async def diff_versions(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    old: Annotated[Name, Query(alias="from", description="A number, or a name.")] = PUBLISHED,
    new: Annotated[Name, Query(alias="to", description="A number, or a name.")] = DRAFT,
) -> Response:
    """What is different in the second version; by default what publishing the newest would
    change."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    return reply(await service.compare(parts, owner, str(workflow_id), old, new))


@router.get(
    "/versions/{version}",
    response_model=VersionOut,
    responses={304: {"description": "The client has it, and it never changes."}},
)
async def read_version(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    version: Number,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A version as it was saved."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    found = await service.read(parts, owner, str(workflow_id), version)
    headers = {"ETag": etag(version)}
    if none_match_hits(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return reply(found, headers=headers)


@router.post("/versions/{version}/restore", response_model=WorkflowOut, responses={**CONFLICT})
async def restore_version(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    version: Number,
    if_match: IfMatch = None,
) -> Response:
    """Saves an old version's name, description and graph as the newest version. With `If-Match`
    not over what somebody else saved. What is published stays published."""
    of = await access.opened(parts, caller, str(workflow_id), Role.EDITOR)
    saved = await service.restore(parts, of, caller.user_id, version, if_match)
    return reply(saved, headers={"ETag": etag(saved.version, saved.publication)})


@router.post("/publish", response_model=PublicationOut, responses={**CONFLICT, **INVALID})
async def publish_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    body: PublishIn | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Makes a version the one that runs by default: the newest, or the one that is named, which
    may be older. A graph with errors is refused (422). With `If-Match` nothing is published where
    somebody saved in between, or, where the tag says what was published, published."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.EDITOR)
    given = body or PublishIn()
    return reply(
        await service.publish(parts, owner, caller.user_id, str(workflow_id), given, if_match)
    )


@router.post("/unpublish", response_model=PublicationOut, responses={**CONFLICT, **INVALID})
async def unpublish_workflow(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    body: UnpublishIn | None = None,
    if_match: IfMatch = None,
) -> Response:
    """Takes the workflow offline: `execute` is refused (409) until a version is published again,
    but for an editor who names one. Runs that have begun go on."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.EDITOR)
    given = body or UnpublishIn()
    return reply(
        await service.unpublish(parts, owner, caller.user_id, str(workflow_id), given, if_match)
    )
