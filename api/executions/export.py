"""`GET /api/v1/executions/export`: executions as lines of JSON, as long as there are any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from api import access
from api.auth import CallerDep
from api.days import Day, begin_of, end_of
from api.limits import Rate, counted_as
from api.parts import PartsDep
from api.problems import FORBIDDEN, INVALID, MISSING, Problem
from api.route import ApiRoute
from pilot.archive import KINDS, lines
from pilot.errors import NotFoundError
from pilot.roles import Role
from pilot.store import MAX_PAGE, Execution, Store

router = APIRouter(tags=["executions"], route_class=ApiRoute, responses={**FORBIDDEN})

CHUNK_BYTES = 64 * 1024


class NdJson(StreamingResponse):
    media_type = "application/x-ndjson"


@router.get(
    "/executions/export",
    response_class=NdJson,
    responses={
        200: {
            "content": {
                NdJson.media_type: {
                    "schema": {
                        "type": "object",
                        "description": "A line: an execution, or what it owns.",
                        "properties": {"kind": {"enum": list(KINDS)}},
                        "required": ["kind"],
                    }
                }
            },
            "description": "The lines of one execution after the other, newest first.",
        },
        **MISSING,
        **INVALID,
    },
)
@counted_as(Rate.EXPORTS)
async def export_executions(
    parts: PartsDep,
    caller: CallerDep,
    first: Annotated[
        Day | None, Query(alias="from", description="The first day (UTC) of their creation.")
    ] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, inclusive.")] = None,
    workflow_id: Annotated[UUID | None, Query()] = None,
) -> Response:
    """The caller's executions with all that they own, as in the operator's archive; those
    that are still open too, as they are when their turn comes."""
    if first is not None and last is not None and first > last:
        raise Problem(422, "invalid_range", "`from` is after `to`.")
    owner, of = caller.owner, None
    if workflow_id is not None:
        of = str(workflow_id)
        owner = await access.to_workflow(parts, caller, of, Role.VIEWER)
    found = _between(parts.store, owner, of, first, last)
    return NdJson(_chunks(parts.store, found), headers={"Cache-Control": "no-store"})


async def _between(
    store: Store, owner: str, workflow_id: str | None, first: date | None, last: date | None
) -> AsyncIterator[Execution]:
    """The executions created from the one day to the other, newest first; a page at a time."""
    since = None if first is None else begin_of(first)
    until = None if last is None else end_of(last)
    cursor = None
    while True:
        page = await store.list_executions(
            owner, workflow_id=workflow_id, first=since, last=until, limit=MAX_PAGE, cursor=cursor
        )
        for row in page.items:
            try:
                yield await store.get_execution(owner, row.id)  # a list has no input and output
            except NotFoundError:
                continue  # it was deleted meanwhile
        if (cursor := page.next_cursor) is None:
            return


async def _chunks(store: Store, found: AsyncIterator[Execution]) -> AsyncIterator[bytes]:
    """Lines put together, so that small ones do not each take a packet. No more is read than the
    client takes."""
    waiting = bytearray()
    async for execution in found:
        async for line in lines(store, execution):
            waiting += line
            if len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
