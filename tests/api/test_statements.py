"""How many SQL statements each route sends, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import event

from api.app import create_app
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.roles import Role
from pilot.store import Execution, Parent
from pilot.store.triggers import Trigger, TriggerKind
from tests.api.conftest import Api, chain
from tests.api.test_access import TABLE

STATEMENTS: dict[tuple[str, str], int] = {
    ("POST", "/workflows"): 3,
    ("GET", "/workflows"): 1,
    ("POST", "/workflows/validate"): 1,
    ("POST", "/workflows/import"): 3,
    ("GET", "/workflows/{workflow_id}/export"): 2,
    ("GET", "/workflows/{workflow_id}"): 1,
    ("GET", "/workflows/{workflow_id}/openapi.json"): 2,
    ("PUT", "/workflows/{workflow_id}"): 4,
    ("GET", "/workflows/{workflow_id}/versions"): 2,
    ("GET", "/workflows/{workflow_id}/versions/diff"): 2,
    ("GET", "/workflows/{workflow_id}/versions/{version}"): 2,
    ("POST", "/workflows/{workflow_id}/versions/{version}/restore"): 4,
    ("POST", "/workflows/{workflow_id}/publish"): 7,
    ("POST", "/workflows/{workflow_id}/unpublish"): 5,
    ("GET", "/workflows/{workflow_id}/shares"): 2,
    ("PUT", "/workflows/{workflow_id}/shares/{grantee}"): 4,
    ("POST", "/workflows/{workflow_id}/execute"): 5,
    ("POST", "/workflows/{workflow_id}/nodes/{node_id}/test"): 6,
    ("POST", "/executions/{execution_id}/retry"): 5,
    ("GET", "/executions"): 1,
    ("GET", "/executions/{execution_id}"): 3,
    ("GET", "/executions/{execution_id}/events"): 5,
    ("GET", "/executions/{execution_id}/nodes/{node_id}/iterations"): 2,
    ("GET", "/executions/{execution_id}/children"): 2,
    ("GET", "/executions/{execution_id}/nodes/{node_id}/output"): 2,
    ("GET", "/executions/{execution_id}/output"): 2,
    ("GET", "/executions/{execution_id}/waits"): 2,
    ("POST", "/executions/{execution_id}/cancel"): 2,
    ("POST", "/executions/{execution_id}/pause"): 2,
    ("POST", "/executions/{execution_id}/resume"): 2,
    ("GET", "/templates"): 0,
    ("GET", "/templates/{template_id}"): 0,
    ("POST", "/templates/{template_id}/use"): 3,
    ("POST", "/executions/{execution_id}/signals/{name}"): 2,
    ("GET", "/workflows/{workflow_id}/retention"): 2,
    ("PUT", "/workflows/{workflow_id}/retention"): 2,
    ("GET", "/me/deletion"): 0,
    ("GET", "/approvals"): 1,
    ("GET", "/executions/{execution_id}/approvals"): 3,
    ("POST", "/executions/{execution_id}/approvals/{node_id}"): 5,
    ("GET", "/node-types"): 0,
    ("GET", "/schema/graph.json"): 0,
    ("POST", "/secrets"): 3,
    ("GET", "/secrets"): 1,
    ("GET", "/usage"): 2,
    ("GET", "/usage/executions"): 1,
    ("GET", "/budgets"): 2,
    ("PUT", "/budgets"): 3,
    ("GET", "/workflows/{workflow_id}/budget"): 4,
    ("PUT", "/workflows/{workflow_id}/budget"): 6,
    ("POST", "/api-keys"): 2,
    ("GET", "/api-keys"): 1,
    ("POST", "/triggers"): 4,
    ("GET", "/triggers"): 1,
    ("GET", "/triggers/{trigger_id}"): 2,
    ("PUT", "/triggers/{trigger_id}"): 4,
    ("POST", "/triggers/{trigger_id}/pause"): 4,
    ("POST", "/triggers/{trigger_id}/resume"): 4,
    ("POST", "/triggers/{trigger_id}/run"): 2,
    ("POST", "/triggers/{trigger_id}/backfill"): 2,
    ("POST", "/triggers/{trigger_id}/rotate"): 4,
    ("GET", "/triggers/{trigger_id}/executions"): 3,
    ("POST", "/tickets"): 0,
    ("POST", "/codec/decode"): 0,
    ("POST", "/codec/encode"): 0,
    ("DELETE", "/workflows/{workflow_id}/shares/{grantee}"): 2,
    ("DELETE", "/workflows/{workflow_id}/budget"): 3,
    ("DELETE", "/executions/{execution_id}"): 9,
    ("DELETE", "/workflows/{workflow_id}"): 5,
    ("DELETE", "/triggers/{trigger_id}"): 3,
    ("DELETE", "/api-keys/{key_id}"): 1,
    ("DELETE", "/secrets/{name}"): 1,
    ("DELETE", "/budgets"): 1,
}
"""Signing in sends none here: a token is checked by its key. Where a caller works in their own
tenant, the first one says so."""

NOT_COUNTED = {
    ("GET", "/executions/export"),  # a stream: pages of executions, and of each its events
    ("DELETE", "/me"),  # deletes in batches
}

BODIES = {("POST", "/workflows/{workflow_id}/execute"): {"version": "draft"}}
"""Where that of the table of access is refused for the state that things are in here."""

_counted: ContextVar[list[str] | None] = ContextVar("_counted", default=None)


@contextmanager
def counting(api: Api) -> Iterator[None]:
    """What a request sends is in the list that its task has in `_counted`; what the process does
    beside it is in none."""
    engine = api.parts.store.engine.sync_engine

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent = _counted.get()
        if sent is not None and not statement.startswith("BEGIN"):
            sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


@dataclass
class Tenant:
    """Of each kind of thing as many as were asked for, and one that routes are about."""

    user: str
    ids: dict[str, str]


async def tenant(api: Api, rows: int) -> Tenant:
    store, user = api.parts.store, f"user_{uuid4().hex[:8]}"
    now = datetime.now(UTC)
    called = await store.create_workflow(user, name="called", description="", graph=chain())
    for _ in range(rows):
        made = await store.create_workflow(user, name="w", description="", graph=chain())
    for n in range(rows + 1):
        await store.update_workflow(
            user, made.id, name=f"w{n}", description="", graph=chain(), expected_version=None
        )
    for n in range(rows):
        await store.shares.put(user, made.id, f"user_{n}", Role.VIEWER)
        hook = Trigger(str(uuid4()), user, called.id, TriggerKind.WEBHOOK, user, "h", {}, now, now)
        await store.triggers.create(hook)
    at = now.isoformat().replace("+00:00", "Z")
    for _ in range(rows):
        row, _ = await store.create_execution(
            Execution(
                id=str(uuid4()),
                owner=user,
                workflow_id=made.id,
                workflow_version=1,
                status=ExecutionStatus.QUEUED,
                input=None,
                created_at=now,
                triggered_by=f"webhook:{hook.id}",
            )
        )
        ended = Event(EventType.EXECUTION_SUCCEEDED, row.id, made.id, at, rows + 1)
        said = [
            Event(EventType.NODE_SUCCEEDED, row.id, made.id, at, seq, f"n{seq}")
            for seq in range(1, rows + 1)
        ]
        await store.append_events(row.id, [*said, ended])
    client = api.client(user)
    for n in range(rows):
        for path, body in (
            ("secrets", {"name": f"S{n}", "value": "x"}),
            ("api-keys", {"name": f"k{n}"}),
        ):
            answer = await client.post(f"/api/v1/{path}", json=body)
            assert answer.status_code == 201, answer.text
    return Tenant(user, {"workflow_id": made.id, "execution_id": row.id, "trigger_id": hook.id})


async def statements_of(api: Api, rows: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Of each route the number of statements, and the status of the answer."""
    app = create_app(api.settings)
    app.state.parts = api.parts
    found = {}
    routes = [route for route in TABLE if route not in NOT_COUNTED]
    for removing in (False, True):
        of = await tenant(api, rows)
        # what is inside of a workflow before the workflow
        chosen = [route for route in routes if (route[0] == "DELETE") is removing]
        for method, path in sorted(chosen, key=lambda route: -len(route[1]) if removing else 0):
            found[method, path] = await _request(api, app, of, method, path)
    return found


async def _request(api: Api, app: Any, of: Tenant, method: str, path: str) -> tuple[int, int]:
    body = BODIES.get((method, path), TABLE[method, path].body)
    if isinstance(body, dict) and "workflow_id" in body:
        body = {**body, "workflow_id": of.ids["workflow_id"]}
    url = "/api/v1" + path.format(
        **of.ids,
        version=1,
        name="S0",
        node_id="start",
        key_id=uuid4(),
        grantee="user_0",
        template_id="simple_chatbot",
    )
    token = _counted.set(sent := [])
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=api.url,
            headers={"Authorization": f"Bearer {api.token(of.user)}"},
        ) as client:
            parameters = {"wait": 0} if path.endswith("/test") else {}
            answer = await client.request(method, url, json=body, params=parameters)
    finally:
        _counted.reset(token)
    assert answer.status_code < 500, (method, path, answer.text)
    return len(sent), answer.status_code


async def test_a_route_sends_as_many_statements_for_50_rows_as_for_one(live_api: Api) -> None:
    with counting(live_api):
        one, fifty = await statements_of(live_api, 1), await statements_of(live_api, 50)
    assert fifty == one
    assert {route: number for route, (number, _) in fifty.items()} == STATEMENTS


async def test_a_guest_is_shown_the_children_that_are_shared_by_as_many_statements(
    live_api: Api,
) -> None:
    store, app = live_api.parts.store, create_app(live_api.settings)
    app.state.parts = live_api.parts
    owner, guest = f"user_{uuid4().hex[:8]}", f"guest_{uuid4().hex[:8]}"

    async def run(workflow: str, parent: Parent | None = None) -> str:
        now, id = datetime.now(UTC), str(uuid4())
        row = Execution(id, owner, workflow, 1, ExecutionStatus.QUEUED, None, now, parent=parent)
        await store.create_execution(row)
        return id

    async def workflow(*, is_shared: bool) -> str:
        made = await store.create_workflow(owner, name="w", description="", graph=chain())
        if is_shared:
            await store.shares.put(owner, made.id, guest, Role.VIEWER)
        return made.id

    found = []
    with counting(live_api):
        for children in (1, 20):
            parent = await run(await workflow(is_shared=True))
            of = Parent(parent, "call", "", parent, 1)
            shown = [await run(await workflow(is_shared=True), of) for _ in range(children)]
            for _ in range(children):
                await run(await workflow(is_shared=False), of)
            path = "/executions/{execution_id}/children"
            ids = {"execution_id": parent}
            found.append(await _request(live_api, app, Tenant(guest, ids), "GET", path))
            url = f"/api/v1/executions/{parent}/children"
            answer = (await live_api.client(guest).get(url)).json()
            assert {one["id"] for one in answer["items"]} == {*shown}
            everything = (await live_api.client(owner).get(url)).json()
            assert len(everything["items"]) == 2 * children
    assert found == [(3, 200), (3, 200)]
