"""`/api/v1/usage`, `/api/v1/budgets`, `/api/v1/workflows/{id}/budget`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.days import Day
from api.pagination import PageDep
from api.parts import PartsDep
from api.problems import FORBIDDEN, INVALID, MISSING
from api.reply import reply
from api.route import ApiRoute
from api.usage import service
from api.usage.schemas import BudgetIn, BudgetOut, DaysOut, ReportOut
from pilot.roles import Role

router = APIRouter(tags=["usage"], route_class=ApiRoute, responses={**FORBIDDEN})


@router.get("/usage", response_model=ReportOut, responses={**INVALID})
async def read_usage(
    parts: PartsDep,
    caller: CallerDep,
    page: PageDep,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC) [30 days up to `to`].")
    ] = None,
    last: Annotated[
        Day | None, Query(alias="to", description="The last day, inclusive [today].")
    ] = None,
    group_by: Annotated[
        str,
        Query(
            max_length=100,
            json_schema_extra={"pattern": r"^((day|workflow|model)(,(day|workflow|model)){0,3})?$"},
            description="Any of day, workflow and model, with commas between.",
        ),
    ] = "day",
) -> Response:
    """What the caller's model calls took: tokens and US dollars, failed calls too. At most 366
    days."""
    return reply(await service.report(parts, caller.owner, first, last, group_by, page))


@router.get("/usage/executions", response_model=DaysOut, responses={**INVALID, **MISSING})
async def read_days(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: Annotated[UUID | None, Query()] = None,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC) [30 days up to `to`].")
    ] = None,
    last: Annotated[
        Day | None, Query(alias="to", description="The last day, inclusive [today].")
    ] = None,
) -> Response:
    """How many executions were begun on each day, by their status: the caller's that no other
    execution began, or those of a workflow. At most 366 days."""
    owner, of = caller.owner, str(workflow_id) if workflow_id is not None else None
    if of is not None:
        owner = await access.to_workflow(parts, caller, of, Role.VIEWER)
    return reply(await service.days(parts, owner, of, first, last))


@router.get("/budgets", response_model=BudgetOut)
async def read_budget(parts: PartsDep, caller: CallerDep) -> Response:
    """The caller's budget over all workflows, and what of it is used today."""
    return reply(await service.budget(parts, caller.owner, None))


@router.put("/budgets", response_model=BudgetOut, responses={**INVALID})
async def put_budget(parts: PartsDep, caller: CallerDep, body: BudgetIn) -> Response:
    """Sets the caller's budget. It may not be above the operator's ceiling."""
    return reply(await service.put_budget(parts, access.own(caller, Role.ADMIN), None, body))


@router.delete("/budgets", status_code=204, response_class=Response)
async def delete_budget(parts: PartsDep, caller: CallerDep) -> Response:
    """Removes the caller's budget; the operator's ceiling stays."""
    await service.delete_budget(parts, access.own(caller, Role.ADMIN), None)
    return Response(status_code=204)


@router.get("/workflows/{workflow_id}/budget", response_model=BudgetOut, responses={**MISSING})
async def read_workflow_budget(parts: PartsDep, caller: CallerDep, workflow_id: UUID) -> Response:
    """One workflow's budget, and what of it is used today."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.VIEWER)
    return reply(await service.budget(parts, owner, str(workflow_id)))


@router.put(
    "/workflows/{workflow_id}/budget", response_model=BudgetOut, responses={**MISSING, **INVALID}
)
async def put_workflow_budget(
    parts: PartsDep, caller: CallerDep, workflow_id: UUID, body: BudgetIn
) -> Response:
    """Sets one workflow's budget. The caller's own holds beside it."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    return reply(await service.put_budget(parts, owner, str(workflow_id), body))


@router.delete(
    "/workflows/{workflow_id}/budget",
    status_code=204,
    response_class=Response,
    responses={**MISSING},
)
async def delete_workflow_budget(parts: PartsDep, caller: CallerDep, workflow_id: UUID) -> Response:
    """Removes one workflow's budget; the caller's own stays."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.ADMIN)
    await service.delete_budget(parts, owner, str(workflow_id))
    return Response(status_code=204)
