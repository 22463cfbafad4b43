"""`/api/v1/executions/{id}/waits`: what a run waits for now.

The run knows, and is asked, with the children that run its loops and maps. Where no worker answers
the store says what it has been told, which is not all. Executions that its nodes began, and that
it waits for, are asked in turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api import access
from api.auth import CallerDep
from api.caller import Caller
from api.pagination import PageOut
from api.parts import Parts, PartsDep
from api.problems import FORBIDDEN, MISSING, Problem
from api.reply import reply
from api.route import ApiRoute
from pilot import hooks
from pilot.events.model import rfc3339
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.roles import Role
from pilot.store import MAX_PAGE, Execution
from workflows_def.messages import Standing

router = APIRouter(tags=["executions"], route_class=ApiRoute, responses={**FORBIDDEN})

MAX_WORKFLOWS_ASKED = 200
"""Of each execution: its own and those of its loops and maps."""
MAX_EXECUTIONS_ASKED = 50
MAX_ITEMS = 1_000

_MAY_WAIT = (ExecutionStatus.WAITING, ExecutionStatus.RUNNING, ExecutionStatus.PAUSED)


def _absent(value: object) -> bool:
    return value is None


class WaitOut(BaseModel):
    """A node that waits: `for` a duration, until a time, for a signal, a webhook or an approval.
    `path` says which iteration it is in, `until` when the time is over. Who may run the workflow
    is told the `url` that a webhook is answered at."""

    model_config = ConfigDict(serialize_by_alias=True)

    execution_id: str
    node_id: str
    path: str = Field(default="", exclude_if=lambda path: path == "")
    kind: Literal["duration", "until", "signal", "webhook", "approval"] = Field(alias="for")
    since: datetime
    until: datetime | None = None
    signal: str | None = Field(default=None, exclude_if=_absent)
    title: str | None = Field(default=None, exclude_if=_absent)
    required: int | None = Field(default=None, exclude_if=_absent)
    approvals: int | None = Field(default=None, exclude_if=_absent)
    url: str | None = Field(default=None, exclude_if=_absent)


class WaitsOut(PageOut[WaitOut]):
    """All on one page, those that have waited longest first."""

    complete: bool = Field(
        description="False where more may wait: no worker answered, or there are too many."
    )


@router.get(
    "/executions/{execution_id}/waits",
    response_model=WaitsOut,
    responses={**MISSING},
)
async def list_waits(parts: PartsDep, caller: CallerDep, execution_id: UUID) -> Response:
    """What the run waits for now: its nodes, also inside of loops and maps, and those of the
    executions that it waits for, as far as the caller may see them. Empty of one that has ended."""
    items: list[WaitOut] = []
    complete = True
    asked = 0
    async for row, role in _family(parts, caller, str(execution_id)):
        asked += 1
        if asked > MAX_EXECUTIONS_ASKED:
            complete = False
            break
        found, is_all = await _of(parts, row)
        complete = complete and is_all
        items += [_out(parts, row.id, one, role) for one in found]
    items.sort(key=lambda one: one.since)
    return reply(WaitsOut(items=items[:MAX_ITEMS], complete=complete and len(items) <= MAX_ITEMS))


async def _family(
    parts: Parts, caller: Caller, execution_id: str
) -> AsyncIterator[tuple[Execution, Role]]:
    """The execution and those under it that are open, each with the caller's role for it. Raises
    `NotFoundError` for the first."""
    owner, role = await access.admitted_to_execution(parts, caller, execution_id, Role.VIEWER)
    rows = [(await parts.store.get_execution(owner, execution_id), role)]
    while rows:
        row, role = rows.pop(0)
        yield row, role
        if row.status not in _MAY_WAIT:
            continue
        for status in _MAY_WAIT:
            below = await parts.store.list_executions(
                owner, parent=row.id, status=status, limit=MAX_PAGE
            )
            ids = [child.workflow_id for child in below.items]
            roles = await access.roles_of(parts, caller, owner, ids)
            rows += [
                (child, roles[child.workflow_id])
                for child in below.items
                if child.workflow_id in roles
            ]


async def _of(parts: Parts, row: Execution) -> tuple[list[Standing], bool]:
    """What one execution waits for, and whether that is all."""
    if row.status not in _MAY_WAIT:
        return [], True
    with suppress(Problem):
        found = await parts.runs.waits(row.id, most=MAX_WORKFLOWS_ASKED, nodes=MAX_ITEMS)
        if found is not None:
            return found
    return await _as_stored(parts, row), False


async def _as_stored(parts: Parts, row: Execution) -> list[Standing]:
    """Of its own nodes, and of approvals anywhere in it."""
    waiting = [
        Standing(
            one.node_id,
            one.path,
            told["for"],
            rfc3339(one.started_at or row.created_at),
            **{name: told.get(name) for name in ("until", "signal", "title", "required")},
            approvals=told.get("approvals"),
        )
        for one in await parts.store.node_runs(row.owner, row.id)
        if one.status is NodeStatus.WAITING and "for" in (told := one.meta.get("waiting", {}))
    ]
    known = {(one.node_id, one.path) for one in waiting}
    for wait in await parts.store.waits.of_execution(row.id):
        if wait.closed_at is None and (wait.node_id, wait.path) not in known:
            until = None if wait.expires_at is None else rfc3339(wait.expires_at)
            told = {name: wait.data.get(name) for name in ("title", "required", "approvals")}
            waiting.append(
                Standing(
                    wait.node_id, wait.path, wait.kind, rfc3339(wait.created_at), until, **told
                )
            )
    return waiting


def _out(parts: Parts, execution_id: str, one: Standing, role: Role) -> WaitOut:
    fields: dict[str, Any] = {
        "execution_id": execution_id,
        "node_id": one.node_id,
        "path": one.path,
        "for": one.kind,
        "since": one.since,
        "until": one.until,
        "signal": one.signal,
        "title": one.title,
        "required": one.required,
        "approvals": one.approvals,
    }
    if one.kind == "webhook" and role.includes(Role.RUNNER) and parts.keyring is not None:
        hook = hooks.Hook(execution_id, one.node_id, one.path)
        fields["url"] = hooks.address(parts.keyring, parts.settings.public_url, hook)
    return WaitOut.model_validate(fields)
