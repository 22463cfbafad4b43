"""`/api/v1/executions`, and `/api/v1/workflows/{id}/execute`"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.days import Day
from api.executions import deliveries, service
from api.executions.resource import execution_out
from api.executions.retry import retry
from api.executions.schemas import (
    DeliveryOut,
    ExecuteIn,
    ExecutionOut,
    ExecutionSummaryOut,
    RetryIn,
    SignalIn,
    SignalOut,
    TryIn,
)
from api.executions.start import Started, execute, location
from api.executions.trial import try_node
from api.limits import Rate, counted_as
from api.live import sse
from api.pagination import PageDep, PageOut
from api.parts import Parts, PartsDep
from api.problems import CONFLICT, DOWN, FORBIDDEN, GONE, INVALID, MISSING, OVER_BUDGET, Problem
from api.reply import UNCHANGED, IfNoneMatch, reply, unless_known
from api.route import ApiRoute
from pilot.events.wire import dumps
from pilot.graph.status import ExecutionStatus
from pilot.roles import Role
from pilot.store import ROOTS
from pilot.versions import DRAFT

router = APIRouter(tags=["executions"], route_class=ApiRoute, responses={**FORBIDDEN})


@router.post(
    "/workflows/{workflow_id}/execute",
    status_code=202,
    response_model=ExecutionOut,
    responses={
        200: {
            "model": ExecutionOut,
            "content": sse.CONTENT,
            "description": "Finished within `wait` seconds; or, with `stream`, the events.",
        },
        **MISSING,
        **CONFLICT,
        **INVALID,
        **OVER_BUDGET,
        **DOWN,
    },
)
@counted_as(Rate.EXECUTES)
async def execute_workflow(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    body: ExecuteIn | None = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="1 to 255 printable characters. The same key gives the same execution, "
            "started once; with another input it is refused (422).",
            json_schema_extra={"pattern": r"^[ -~]{1,255}$"},
        ),
    ] = None,
    wait: Annotated[
        float, Query(ge=0, le=60, description="Seconds to wait for the end; then 200.")
    ] = 0,
    stream: Annotated[
        bool, Query(description="Answer with the run's server-sent events; then `wait` is nothing.")
    ] = False,
    last_event_id: sse.LastEventId = None,
) -> Response:
    """Runs the published version, the newest where none ever was, or the one that `version`
    names (a runner only what is published, or was). Answers 202 at once, or 200 when `wait` saw it
    finish, or with `stream` 200 and the run's events, of which a client that comes again with its
    `Idempotency-Key` and `Last-Event-ID` is given the rest. Who hangs up cancels nothing."""
    reader = sse.Reader.of(request, caller)
    point = sse.ResumePoint()
    if stream:
        point = sse.ResumePoint.of(last_event_id)
        reader.require_place(parts.connections)
    given = body or ExecuteIn()
    of = await access.opened(parts, caller, str(workflow_id), Role.RUNNER)
    await access.to_callees(parts, caller, of.owner, str(workflow_id), given.version)
    started = await execute(parts, of, caller.user_id, given, idempotency_key)
    if stream:
        row, headers = started.execution, _headers(started)
        return await sse.stream(parts, reader, row, point, headers, begins_with_snapshot=True)
    return await _answer(parts, of.owner, started, wait)


@router.post(
    "/workflows/{workflow_id}/nodes/{node_id}/test",
    status_code=202,
    response_model=ExecutionOut,
    responses={
        200: {"model": ExecutionOut, "description": "Finished within `wait` seconds."},
        **MISSING,
        **INVALID,
        **OVER_BUDGET,
        **DOWN,
    },
)
@counted_as(Rate.EXECUTES)
async def test_node(
    parts: PartsDep,
    caller: CallerDep,
    workflow_id: UUID,
    node_id: Annotated[str, Path(max_length=200)],
    body: TryIn | None = None,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the end.")] = 30,
) -> Response:
    """Runs one node of the newest version alone, with given or recorded values: an execution of
    the mode `test`. The rest of the graph may be unfinished."""
    owner = await access.to_workflow(parts, caller, str(workflow_id), Role.EDITOR)
    given = body or TryIn()
    if given.execution_id is not None:
        await access.to_execution(parts, caller, str(given.execution_id), Role.VIEWER)
    await access.to_callees(parts, caller, owner, str(workflow_id), DRAFT)
    started = await try_node(parts, owner, caller.user_id, str(workflow_id), node_id, given)
    return await _answer(parts, owner, started, wait)


@router.post(
    "/executions/{execution_id}/retry",
    status_code=202,
    response_model=ExecutionOut,
    responses={
        200: {"model": ExecutionOut, "description": "Finished within `wait` seconds."},
        **MISSING,
        **CONFLICT,
        **INVALID,
        **OVER_BUDGET,
        **DOWN,
    },
)
@counted_as(Rate.EXECUTES)
async def retry_execution(
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    body: RetryIn | None = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="1 to 255 printable characters. The same key gives the same execution.",
            json_schema_extra={"pattern": r"^[ -~]{1,255}$"},
        ),
    ] = None,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the end.")] = 0,
) -> Response:
    """Goes on from an execution that has ended, in a new one: the nodes that failed, or those to
    begin at and all below them, are run again; the others keep what they came to."""
    owner, role = await access.admitted_to_execution(parts, caller, str(execution_id), Role.RUNNER)
    given = body or RetryIn()
    if owner != caller.owner:
        source = await parts.store.get_execution(owner, str(execution_id))
        version = source.workflow_version if given.version == "same" else given.version
        await access.to_callees(parts, caller, owner, source.workflow_id, version)
    started = await retry(
        parts, owner, caller.user_id, role, str(execution_id), given, idempotency_key
    )
    return await _answer(parts, owner, started, wait)


async def _answer(parts: Parts, owner: str, started: Started, wait: float) -> Response:
    row = started.execution
    if wait:
        row = await service.wait(parts, owner, row.id, wait)
    shown = await execution_out(parts.store, parts.settings, row)
    return reply(shown, 200 if wait and row.status.is_final else 202, _headers(started))


def _headers(started: Started) -> dict[str, str]:
    headers = {"Location": location(started.execution.id)}
    if started.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers


@router.get(
    "/executions",
    response_model=PageOut[ExecutionSummaryOut],
    responses={**MISSING, **UNCHANGED},
)
async def list_executions(
    parts: PartsDep,
    caller: CallerDep,
    page: PageDep,
    workflow_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[ExecutionStatus | None, Query()] = None,
    parent: Annotated[
        Literal["any"] | UUID | None,
        Query(description="An execution, for those that its nodes began; `any` for all."),
    ] = None,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC) of their creation.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, inclusive.")] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The caller's executions that no other execution began, newest first; with `workflow_id`
    those of a workflow, which may be one that somebody shares with the caller."""
    owner, of = caller.owner, str(workflow_id) if workflow_id is not None else None
    if of is not None:
        owner = await access.to_workflow(parts, caller, of, Role.VIEWER)
    began = None if parent == "any" else ROOTS if parent is None else str(parent)
    found = await service.listing(parts, owner, page, of, status, began, first, last)
    return unless_known(found, if_none_match)


@router.get(
    "/executions/{execution_id}",
    response_model=ExecutionOut,
    responses={**MISSING, **UNCHANGED},
)
async def read_execution(
    parts: PartsDep, caller: CallerDep, execution_id: UUID, if_none_match: IfNoneMatch = None
) -> Response:
    """A run with all its nodes."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    body = await service.read_body(parts, owner, str(execution_id))
    return unless_known(body, if_none_match)


@router.delete(
    "/executions/{execution_id}",
    status_code=204,
    response_class=Response,
    responses={**MISSING, **CONFLICT, **DOWN},
)
async def delete_execution(parts: PartsDep, caller: CallerDep, execution_id: UUID) -> Response:
    """Deletes a run that has ended, with its nodes and events, and what Temporal has of it."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.ADMIN)
    await service.delete(parts, owner, str(execution_id))
    return Response(status_code=204)


@router.get(
    "/executions/{execution_id}/children",
    response_model=PageOut[ExecutionSummaryOut],
    responses={**MISSING},
)
async def list_children(
    parts: PartsDep, caller: CallerDep, page: PageDep, execution_id: UUID
) -> Response:
    """The executions that the nodes of this one began, newest first. Of somebody else's, those
    whose workflow is shared with the caller too."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    found = await service.listing(parts, owner, page, None, None, str(execution_id))
    if owner != caller.owner:
        ids = [one.workflow_id for one in found.items]
        seen = await access.roles_of(parts, caller, owner, ids)
        found.items = [one for one in found.items if one.workflow_id in seen]
    return reply(found)


@router.post(
    "/executions/{execution_id}/cancel",
    status_code=202,
    response_model=ExecutionOut,
    responses={**MISSING, **CONFLICT, **DOWN},
)
async def cancel_execution(parts: PartsDep, caller: CallerDep, execution_id: UUID) -> Response:
    """Asks the run to end. Its status is `cancelled` once its nodes have ended."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.RUNNER)
    return reply(await service.cancel(parts, owner, str(execution_id)), 202)


@router.post(
    "/executions/{execution_id}/pause",
    status_code=202,
    response_model=ExecutionOut,
    responses={**MISSING, **CONFLICT, **DOWN},
)
async def pause_execution(parts: PartsDep, caller: CallerDep, execution_id: UUID) -> Response:
    """Starts no further node until `resume`; nodes that run go on to their end."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.RUNNER)
    return reply(await service.pause(parts, owner, str(execution_id)), 202)


@router.post(
    "/executions/{execution_id}/resume",
    status_code=202,
    response_model=ExecutionOut,
    responses={**MISSING, **CONFLICT, **DOWN},
)
async def resume_execution(parts: PartsDep, caller: CallerDep, execution_id: UUID) -> Response:
    """Goes on after `pause`."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.RUNNER)
    return reply(await service.resume(parts, owner, str(execution_id)), 202)


@router.post(
    "/executions/{execution_id}/signals/{name}",
    response_model=SignalOut,
    responses={**MISSING, **CONFLICT, **INVALID, **DOWN},
)
async def send_signal(
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    name: Annotated[str, Path(max_length=100)],
    body: SignalIn | None = None,
    idempotency_key: Annotated[
        str | None,
        Header(description="A repetition with the same key gets the same answer."),
    ] = None,
) -> Response:
    """Sends a signal to every wait node of that name, and says what came of it at each. What the
    run does not wait for yet is kept until it does."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.RUNNER)
    row = await parts.store.get_execution(owner, str(execution_id))
    payload = (body or SignalIn()).payload
    if len(dumps(payload)) > deliveries.MAX_PAYLOAD_BYTES:
        raise Problem(
            413,
            "body_too_large",
            f"A payload has at most {deliveries.MAX_PAYLOAD_BYTES // 1024} KB.",
        )
    receipts = await deliveries.signal(parts, row, name, payload, idempotency_key)
    return reply(
        SignalOut(
            deliveries=[
                DeliveryOut.model_validate(
                    {
                        "node_id": one.node_id,
                        "path": one.path,
                        "status": one.status,
                        "message": one.message,
                    }
                )
                for one in receipts
            ]
        )
    )


@router.get(
    "/executions/{execution_id}/events",
    response_class=sse.EventStream,
    responses={
        200: {"content": sse.CONTENT, "description": "The events as they come."},
        204: {"description": "The run has finished, and the client has all of it."},
        **MISSING,
        **GONE,
    },
)
async def stream_events(
    request: Request,
    parts: PartsDep,
    caller: CallerDep,
    execution_id: UUID,
    last_event_id: sse.LastEventId = None,
    last_seq: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Server-sent events from the first on, or from after `Last-Event-ID` (or `last_seq`);
    `id:` is `seq`. Ends with the run."""
    point = sse.ResumePoint.of(last_event_id, last_seq)
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    execution = await parts.store.get_execution(owner, str(execution_id))
    return await sse.stream(parts, sse.Reader.of(request, caller), execution, point)
