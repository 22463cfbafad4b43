"""`/api/v1/workflows/{id}/retention`"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.parts import Parts, PartsDep
from api.problems import FORBIDDEN, INVALID, MISSING, Problem
from api.reply import reply
from api.retention.schemas import RetentionIn, RetentionOut
from api.route import ApiRoute
from pilot.retention import Policy
from pilot.roles import Role

router = APIRouter(tags=["retention"], route_class=ApiRoute, responses={**FORBIDDEN, **MISSING})


@router.get("/workflows/{workflow_id}/retention", response_model=RetentionOut)
async def read_retention(parts: PartsDep, caller: CallerDep, workflow_id: UUID) -> Response:
    """How long the workflow's executions are kept after their end."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    return reply(_out(parts, await parts.store.retention.days(owner, str(workflow_id))))


@router.put(
    "/workflows/{workflow_id}/retention", response_model=RetentionOut, responses={**INVALID}
)
async def put_retention(
    parts: PartsDep, caller: CallerDep, workflow_id: UUID, body: RetentionIn
) -> Response:
    """Has the workflow's executions deleted earlier than the operator's policy does."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    longest = Policy.of(parts.settings).longest
    days = body.retention_days
    if days is not None and longest is not None and days > longest:
        raise Problem(
            422, "retention_too_long", f"Executions are kept for {longest:g} days at most here."
        )
    await parts.store.retention.set_days(owner, str(workflow_id), days)
    return reply(_out(parts, days))


def _out(parts: Parts, days: float | None) -> RetentionOut:
    return RetentionOut(retention_days=days, longest_days=Policy.of(parts.settings).longest)
