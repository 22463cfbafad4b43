"""`/api/v1/api-keys`"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api.api_keys import service
from api.api_keys.schemas import ApiKeyIn, ApiKeyOut, NewApiKeyOut
from api.auth import CallerDep
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, FORBIDDEN, INVALID, MISSING
from api.reply import reply
from api.route import ApiRoute

router = APIRouter(
    prefix="/api-keys", tags=["api keys"], route_class=ApiRoute, responses={**FORBIDDEN}
)


@router.post("", status_code=201, response_model=NewApiKeyOut, responses={**CONFLICT, **INVALID})
async def create_api_key(parts: PartsDep, caller: CallerDep, body: ApiKeyIn) -> Response:
    """Makes a key for a program, which sends it as `Authorization: Bearer`. It acts for you, or
    for the organisation that you are in, and is shown this once."""
    return reply(await service.create(parts, caller, body), 201)


@router.get("", response_model=PageOut[ApiKeyOut])
async def list_api_keys(parts: PartsDep, caller: CallerDep, page: PageDep) -> Response:
    """All keys, also revoked and expired ones, newest first."""
    return reply(await service.listing(parts, caller, page))


@router.delete("/{key_id}", status_code=204, response_class=Response, responses={**MISSING})
async def revoke_api_key(parts: PartsDep, caller: CallerDep, key_id: UUID) -> Response:
    """Revokes a key for good. It is refused everywhere within ten seconds."""
    await service.revoke(parts, caller, str(key_id))
    return Response(status_code=204)
