"""`/api/v1/secrets`"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.pagination import PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, FORBIDDEN, INVALID, MISSING
from api.reply import reply
from api.route import ApiRoute
from api.secrets import service
from api.secrets.schemas import NAME_PATTERN, SecretIn, SecretOut
from pilot.roles import Role

router = APIRouter(
    prefix="/secrets", tags=["secrets"], route_class=ApiRoute, responses={**FORBIDDEN}
)


@router.post(
    "",
    status_code=201,
    response_model=SecretOut,
    responses={
        200: {"model": SecretOut, "description": "It was there, and has the new value now."},
        **CONFLICT,
        **INVALID,
    },
)
async def put_secret(parts: PartsDep, caller: CallerDep, body: SecretIn) -> Response:
    """Stores a value, encrypted, for `{secrets.NAME}` in the configuration of llm and http
    nodes. A secret of that name is replaced (200). A user has at most 200."""
    secret, created = await service.put(parts, access.own(caller, Role.ADMIN), body)
    return reply(secret, 201 if created else 200)


@router.get("", response_model=PageOut[SecretOut])
async def list_secrets(parts: PartsDep, caller: CallerDep) -> Response:
    """All of the caller's secrets by name, on one page, without their values."""
    return reply(await service.listing(parts, access.own(caller, Role.EDITOR)))


@router.delete("/{name}", status_code=204, response_class=Response, responses={**MISSING})
async def delete_secret(
    parts: PartsDep, caller: CallerDep, name: Annotated[str, Path(pattern=NAME_PATTERN)]
) -> Response:
    """Removes a secret. A run that has yet to use it fails there (`missing_secret`)."""
    await parts.store.secrets.delete(access.own(caller, Role.ADMIN), name)
    return Response(status_code=204)
