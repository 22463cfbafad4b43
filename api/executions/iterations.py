"""`/api/v1/executions/{id}/nodes/{node_id}/iterations`"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.executions.schemas import ErrorOut
from api.pagination import PageDep, PageOut
from api.parts import PartsDep
from api.problems import FORBIDDEN, MISSING
from api.reply import reply
from api.route import ApiRoute
from pilot.graph.status import NodeStatus
from pilot.roles import Role
from pilot.store.iterations import Iteration

router = APIRouter(tags=["executions"], route_class=ApiRoute, responses={**FORBIDDEN})

MAX_NAME_CHARS = 2_000


def _absent(value: object) -> bool:
    return value is None


class IterationOut(BaseModel):
    """An iteration that has ended. `preview` stands for a large output: the beginning of its
    JSON. `nodes` are those of the body, without outputs."""

    index: int
    status: NodeStatus
    output: Any
    preview: str | None = Field(default=None, exclude_if=_absent)
    error: ErrorOut | None
    nodes: list[dict[str, Any]]
    started_at: datetime | None
    finished_at: datetime | None


@router.get(
    "/executions/{execution_id}/nodes/{node_id}/iterations",
    response_model=PageOut[IterationOut],
    responses={**MISSING},
)
async def list_iterations(
    parts: PartsDep,
    caller: CallerDep,
    page: PageDep,
    execution_id: UUID,
    node_id: Annotated[str, Path(max_length=MAX_NAME_CHARS)],
    path: Annotated[
        str,
        Query(
            max_length=MAX_NAME_CHARS,
            description="Which run of the loop or map, where it stands inside of another: "
            "`outer[3]`.",
        ),
    ] = "",
    status: Annotated[NodeStatus | None, Query()] = None,
) -> Response:
    """The iterations of a loop or a map that have ended, in order; while it runs they come in
    batches."""
    owner = await access.to_execution(parts, caller, str(execution_id), Role.VIEWER)
    found = await parts.store.iterations.page(
        owner,
        str(execution_id),
        node_id,
        path,
        status=status,
        limit=page.limit,
        cursor=page.cursor,
    )
    items = [_out(one) for one in found.items]
    return reply(PageOut.model_construct(items=items, next_cursor=found.next_cursor))


def _out(one: Iteration) -> IterationOut:
    error = None if one.error is None else ErrorOut.model_validate(one.error)
    return IterationOut.model_construct(
        index=one.index,
        status=one.status,
        output=one.output,
        preview=one.preview,
        error=error,
        nodes=one.nodes,
        started_at=one.started_at,
        finished_at=one.finished_at,
    )
