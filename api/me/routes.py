"""`/api/v1/me`: deleting all that is the caller's, or their organisation's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import own
from api.auth import CallerDep
from api.me.schemas import DeletionOut
from api.parts import Parts, PartsDep
from api.problems import DOWN, FORBIDDEN, INVALID, Problem
from api.reply import reply
from api.route import ApiRoute
from pilot import tokens
from pilot.roles import Role

router = APIRouter(tags=["me"], route_class=ApiRoute, responses={**FORBIDDEN, **DOWN})

LOCATION = "/api/v1/me/deletion"


@router.delete("/me", status_code=202, response_model=DeletionOut, responses={**INVALID})
async def delete_me(
    parts: PartsDep,
    caller: CallerDep,
    confirm: Annotated[
        str | None,
        Query(
            max_length=tokens.MAX_USER_CHARS,
            description="The id of the user, or of the organisation that the token names: whose "
            "data is to be deleted.",
        ),
    ] = None,
) -> Response:
    """Deletes all that is the caller's: runs that are open are cancelled, then workflows,
    executions, secrets, API keys, shares and usage go, and what Temporal has of them. It cannot
    be taken back. Asked again while it runs, it is the same deletion."""
    owner = own(caller, Role.ADMIN)
    if caller.key_id is not None:
        raise Problem(403, "key_deletes_no_owner", "An API key cannot do this: sign in for it.")
    if confirm != owner:
        raise Problem(
            422,
            "confirmation_needed",
            "`confirm` must be the id of whose data is to be deleted: yours, or that of the "
            "organisation that you act in.",
        )
    await parts.runs.forget(owner)
    return reply(await _found(parts, owner), 202, {"Location": LOCATION})


@router.get("/me/deletion", response_model=DeletionOut)
async def read_deletion(parts: PartsDep, caller: CallerDep) -> Response:
    """How far the deletion of the caller's data is."""
    return reply(await _found(parts, own(caller, Role.ADMIN)))


async def _found(parts: Parts, owner: str) -> DeletionOut:
    return DeletionOut.model_validate(asdict(await parts.runs.deletion(owner)))
