"""`/api/v1/templates`"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.etag import etag
from api.pagination import PageOut
from api.parts import PartsDep
from api.problems import FORBIDDEN, INVALID, MISSING, not_found
from api.reply import UNCHANGED, IfNoneMatch, reply, unless_known
from api.route import ApiRoute
from api.templates.schemas import TemplateOut, TemplateSummaryOut, TemplateUse, summary_of
from api.workflows import service
from api.workflows.schemas import WorkflowIn, WorkflowOut
from pilot.companions import resolved
from pilot.gallery import Template, templates, with_companions
from pilot.roles import Role

router = APIRouter(
    prefix="/templates", tags=["templates"], route_class=ApiRoute, responses={**FORBIDDEN}
)

TemplateId = Annotated[str, Path(max_length=100, pattern=r"^[\w-]+$")]


@router.get("", response_model=PageOut[TemplateSummaryOut], responses={**UNCHANGED})
async def list_templates(caller: CallerDep, if_none_match: IfNoneMatch = None) -> Response:
    """All templates, on one page, without their graphs."""
    access.own(caller, Role.VIEWER)
    items = [TemplateSummaryOut(**summary_of(one)) for one in templates().values()]
    return unless_known(PageOut(items=items, next_cursor=None), if_none_match)


@router.get("/{template_id}", response_model=TemplateOut, responses={**MISSING})
async def read_template(caller: CallerDep, template_id: TemplateId) -> Response:
    """A template with its graph."""
    access.own(caller, Role.VIEWER)
    found = _template(template_id)
    graph = found.graph.to_json()
    return reply(TemplateOut(**summary_of(found), nodes=graph["nodes"], edges=graph["edges"]))


@router.post(
    "/{template_id}/use",
    status_code=201,
    response_model=WorkflowOut,
    responses={**MISSING, **INVALID},
)
async def use_template(
    parts: PartsDep, caller: CallerDep, template_id: TemplateId, body: TemplateUse | None = None
) -> Response:
    """Saves a template's graph as a workflow of the caller's, and before it those that it calls:
    as workflows of their own, under their own names."""
    owner = access.own(caller, Role.EDITOR)
    found = _template(template_id)
    saved: dict[str, tuple[str, None]] = {}
    for one in with_companions(found):
        name = body.name if body and one is found else None
        given = WorkflowIn(
            name=name or one.name,
            description=one.description,
            **resolved(one.graph.to_json(), saved),
        )
        made = await service.create(parts.store, parts.specs, owner, given, user_id=caller.user_id)
        saved[f"{one.id}.json"] = made.id, None
    location = f"/api/v1/workflows/{made.id}"
    return reply(made, 201, {"Location": location, "ETag": etag(made.version)})


def _template(template_id: str) -> Template:
    found = templates().get(template_id)
    if found is None:
        raise not_found("template")
    return found
