"""`/api/v1/approvals`, and those of an execution."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from api import access
from api.approvals import service
from api.approvals.schemas import AnswerIn, AnswerOut, ApprovalOut
from api.auth import CallerDep
from api.executions.deliveries import MAX_PAYLOAD_BYTES
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, DOWN, FORBIDDEN, INVALID, MISSING, Problem
from api.reply import reply
from api.route import ApiRoute
from pilot.events.wire import dumps
from pilot.roles import Role

router = APIRouter(tags=["approvals"], route_class=ApiRoute, responses={**FORBIDDEN})


@router.get("/approvals", response_model=PageOut[ApprovalOut])
async def list_approvals(parts: PartsDep, caller: CallerDep, page: PageDep) -> Response:
    """What waits for the caller, newest first: approvals that name them, or that their role
    answers, and that they have not answered."""
    access.own(caller, Role.VIEWER)
    return reply(await service.waiting_for(parts, caller, page))


@router.get(
    "/executions/{execution_id}/approvals",
    response_model=PageOut[ApprovalOut],
    responses={**MISSING},
)
async def list_execution_approvals(
    parts: PartsDep, caller: CallerDep, execution_id: UUID
) -> Response:
    """All of a run's approvals, the oldest first, on one page; also those that are decided."""
    await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    return reply(await service.of_execution(parts, str(execution_id)))


@router.post(
    "/executions/{execution_id}/approvals/{node_id}",
    response_model=AnswerOut,
    responses={**MISSING, **CONFLICT, **INVALID, **DOWN},
)
async def answer_approval(
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    node_id: Annotated[str, Path(max_length=200)],
    body: AnswerIn,
    idempotency_key: Annotated[
        str | None, Header(description="A repetition with the same key gets the same answer.")
    ] = None,
) -> Response:
    """Approves or rejects. Of answers that come at once one decides; the others are told (409)
    which."""
    if len(dumps(body.values)) > MAX_PAYLOAD_BYTES:
        raise Problem(413, "body_too_large", f"Values have at most {MAX_PAYLOAD_BYTES // 1024} KB.")
    answered = await service.answer(
        parts, caller, str(execution_id), node_id, body, idempotency_key
    )
    return reply(answered)
