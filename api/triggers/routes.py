"""`/api/v1/triggers`"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.etag import etag
from api.executions.schemas import ExecutionSummaryOut
from api.limits import Rate, counted_as
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import CONFLICT, DOWN, FORBIDDEN, INVALID, MISSING
from api.reply import reply
from api.route import ApiRoute
from api.triggers import service
from api.triggers.schemas import (
    BackfillIn,
    NewTriggerOut,
    PauseIn,
    TriggerIn,
    TriggerOut,
    TriggerUpdate,
)
from pilot.roles import Role
from pilot.store.triggers import TriggerKind

router = APIRouter(
    prefix="/triggers", tags=["triggers"], route_class=ApiRoute, responses={**FORBIDDEN}
)


@router.post(
    "", status_code=201, response_model=NewTriggerOut, responses={**MISSING, **CONFLICT, **INVALID}
)
async def create_trigger(
    parts: PartsDep,
    caller: CallerDep,
    body: TriggerIn,
    idempotency_key: Annotated[
        str | None, Header(description="A repetition with the same key makes no second one.")
    ] = None,
) -> Response:
    """Makes a schedule or a webhook of a workflow. A webhook's token is shown this once, and again
    to the same request with its `Idempotency-Key`. Where Temporal does not answer, a schedule is
    `pending` until it does."""
    owner = await access.to_workflow(parts, caller, body.workflow_id, Role.EDITOR)
    await access.to_callees(parts, caller, owner, body.workflow_id, None)
    made, is_repeated = await service.create(parts, owner, caller.user_id, body, idempotency_key)
    headers = {"Idempotent-Replayed": "true"} if is_repeated else {}
    headers |= {"Location": f"/api/v1/triggers/{made.id}", "ETag": etag(made.revision)}
    return reply(made, 201, headers)


@router.get("", response_model=PageOut[TriggerOut], responses={**MISSING})
async def list_triggers(
    parts: PartsDep,
    caller: CallerDep,
    page: PageDep,
    workflow_id: Annotated[UUID | None, Query()] = None,
    kind: Annotated[TriggerKind | None, Query()] = None,
) -> Response:
    """The caller's schedules and webhooks, newest first; with `workflow_id` those of a workflow,
    which may be one that somebody shares with the caller."""
    owner, of = caller.owner, str(workflow_id) if workflow_id is not None else None
    if of is not None:
        owner = await access.to_workflow(parts, caller, of, Role.VIEWER)
    return reply(await service.listing(parts, owner, page, of, kind))


@router.get("/{trigger_id}", response_model=TriggerOut, responses={**MISSING})
async def read_trigger(parts: PartsDep, caller: CallerDep, trigger_id: UUID) -> Response:
    """A trigger; a schedule with its next times, as Temporal works them out."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.VIEWER)
    return reply(await service.read(parts, trigger), headers={"ETag": etag(trigger.revision)})


@router.put(
    "/{trigger_id}", response_model=TriggerOut, responses={**MISSING, **CONFLICT, **INVALID}
)
async def update_trigger(
    parts: PartsDep,
    caller: CallerDep,
    trigger_id: UUID,
    body: TriggerUpdate,
    if_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """Replaces what a trigger does. With `If-Match` or `revision` a change that would overwrite
    somebody else's is refused (409)."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    saved = await service.update(parts, trigger, body, if_match)
    return reply(saved, headers={"ETag": etag(saved.revision)})


@router.delete("/{trigger_id}", status_code=204, response_class=Response, responses={**MISSING})
async def delete_trigger(parts: PartsDep, caller: CallerDep, trigger_id: UUID) -> Response:
    """Removes a trigger. What it has begun goes on."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    await service.delete(parts, trigger)
    return Response(status_code=204)


@router.post(
    "/{trigger_id}/pause", response_model=TriggerOut, responses={**MISSING, **CONFLICT, **INVALID}
)
async def pause_trigger(
    parts: PartsDep, caller: CallerDep, trigger_id: UUID, body: PauseIn | None = None
) -> Response:
    """Begins nothing until `resume`. A paused webhook answers as if it were not there."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    return reply(await service.set_paused(parts, trigger, True, body))


@router.post("/{trigger_id}/resume", response_model=TriggerOut, responses={**MISSING, **CONFLICT})
async def resume_trigger(parts: PartsDep, caller: CallerDep, trigger_id: UUID) -> Response:
    """Goes on after `pause`. What was missed meanwhile is not made up for: see `backfill`."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    return reply(await service.set_paused(parts, trigger, False))


@router.post(
    "/{trigger_id}/run",
    status_code=202,
    response_model=TriggerOut,
    responses={**MISSING, **CONFLICT, **DOWN},
)
@counted_as(Rate.EXECUTES)
async def run_trigger(parts: PartsDep, caller: CallerDep, trigger_id: UUID) -> Response:
    """One run more of a schedule, now, by its own overlap policy; paused or not."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.RUNNER)
    await access.to_callees(parts, caller, trigger.owner, trigger.workflow_id, None)
    return reply(await service.run_now(parts, trigger), 202)


@router.post(
    "/{trigger_id}/backfill",
    status_code=202,
    response_model=TriggerOut,
    responses={**MISSING, **CONFLICT, **INVALID, **DOWN},
)
@counted_as(Rate.EXECUTES)
async def backfill_trigger(
    parts: PartsDep, caller: CallerDep, trigger_id: UUID, body: BackfillIn
) -> Response:
    """Runs all of a schedule's times in a spell of the past. One that has had its run keeps it."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    await access.to_callees(parts, caller, trigger.owner, trigger.workflow_id, None)
    return reply(await service.backfill(parts, trigger, body), 202)


@router.post(
    "/{trigger_id}/rotate", response_model=NewTriggerOut, responses={**MISSING, **CONFLICT}
)
async def rotate_trigger(parts: PartsDep, caller: CallerDep, trigger_id: UUID) -> Response:
    """Gives a webhook another token. The old one is refused from now on."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.EDITOR)
    return reply(await service.rotate(parts, trigger))


@router.get(
    "/{trigger_id}/executions",
    response_model=PageOut[ExecutionSummaryOut],
    responses={**MISSING},
)
async def list_triggered(
    parts: PartsDep, caller: CallerDep, page: PageDep, trigger_id: UUID
) -> Response:
    """What a trigger has begun, newest first."""
    trigger = await access.to_trigger(parts, caller, str(trigger_id), Role.VIEWER)
    return reply(await service.executions(parts, trigger, page))
