"""`/api/v1/tickets`: a way into a WebSocket for pages that cannot send headers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.live.tickets import TICKET_S, TicketsUnavailableError
from api.parts import PartsDep
from api.problems import FORBIDDEN, unavailable
from api.reply import reply
from api.route import ApiRoute
from pilot.roles import Role

router = APIRouter(tags=["live"], route_class=ApiRoute, responses={**FORBIDDEN})


class TicketOut(BaseModel):
    ticket: str = Field(description="For `/ws/{user_id}?ticket=`, once.")
    expires_in_s: int = TICKET_S


@router.post("/tickets", status_code=201, response_model=TicketOut)
async def give_ticket(parts: PartsDep, caller: CallerDep) -> Response:
    """A ticket for one WebSocket of the caller's, good for 30 seconds. The connection then holds as
    long as the token that asked for it."""
    access.own(caller, Role.VIEWER)
    try:
        ticket = await parts.tickets.give(caller)
    except TicketsUnavailableError as error:
        raise unavailable(error.code, f"{error.message}. Try again shortly.") from error
    return reply(TicketOut(ticket=ticket), 201, {"Cache-Control": "no-store"})
