"""`/api/v1/workflows/{id}/shares`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.pagination import PageOut
from api.parts import Parts, PartsDep
from api.problems import CONFLICT, FORBIDDEN, INVALID, MISSING, Problem
from api.reply import reply
from api.route import ApiRoute
from api.shares.schemas import ShareIn, ShareOut
from pilot import tokens
from pilot.roles import Role
from pilot.store.shares import Share

router = APIRouter(
    prefix="/workflows/{workflow_id}/shares",
    tags=["shares"],
    route_class=ApiRoute,
    responses={**FORBIDDEN, **MISSING},
)

Grantee = Annotated[
    str, Path(min_length=1, max_length=tokens.MAX_USER_CHARS, pattern=r"^[^\s/\x00-\x1f\x7f]+$")
]


@router.get("", response_model=PageOut[ShareOut])
async def list_shares(parts: PartsDep, caller: CallerDep, workflow_id: UUID) -> Response:
    """With whom the workflow is shared, on one page."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    shares = await parts.store.shares.of_workflow(owner, str(workflow_id))
    return reply(PageOut(items=[_out(share) for share in shares], next_cursor=None))


@router.put("/{grantee}", response_model=ShareOut, responses={**CONFLICT, **INVALID})
async def put_share(
    parts: PartsDep, caller: CallerDep, workflow_id: UUID, grantee: Grantee, body: ShareIn
) -> Response:
    """Shares the workflow with a user or an organisation, or changes their role. Its executions
    are shared with it; what it costs stays its owner's. A user may be named by the e-mail address
    that they signed up with, where the operator has set CLERK_SECRET_KEY."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    if "@" in grantee:
        grantee = await _user_of(parts, grantee)
    if grantee == owner:
        raise Problem(422, "shared_with_owner", "The workflow is theirs already.")
    share = await parts.store.shares.put(owner, str(workflow_id), grantee, body.role)
    return reply(_out(share))


@router.delete("/{grantee}", status_code=204, response_class=Response)
async def delete_share(
    parts: PartsDep, caller: CallerDep, workflow_id: UUID, grantee: Grantee
) -> Response:
    """Shares it no longer. Runs that they started go on."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    await parts.store.shares.delete(owner, str(workflow_id), grantee)
    return Response(status_code=204)


async def _user_of(parts: Parts, email: str) -> str:
    if parts.directory is None:
        raise Problem(422, "no_directory", "Without CLERK_SECRET_KEY a user is named by their id.")
    return await parts.directory.user_id(email)


def _out(share: Share) -> ShareOut:
    return ShareOut(grantee=share.grantee, role=share.role, created_at=share.created_at)
