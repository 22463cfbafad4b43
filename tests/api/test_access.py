"""Who may do what: every route against every role and every way to be let in."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from api.app import create_app
from api.caller import InvalidTokenError, caller_of
from pilot.events.model import Envelope, Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.roles import Role
from pilot.store import Execution
from pilot.store.triggers import Trigger, TriggerKind
from tests.api.conftest import Api, chain

ORG = "org_acme"
BODY = {"name": "x", **chain()}


@dataclass(frozen=True)
class Row:
    """What a route needs. `of` is what it is about: a workflow or an execution, which may be
    shared, or else something of the caller's own tenant."""

    need: Role
    of: str = "own"
    body: Any = None


V, R, ED, AD = Role.VIEWER, Role.RUNNER, Role.EDITOR, Role.ADMIN
TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/workflows"): Row(ED, body=BODY),
    ("GET", "/workflows"): Row(V),
    ("POST", "/workflows/validate"): Row(V, body=chain()),
    ("POST", "/workflows/import"): Row(ED, body={"content": BODY}),
    ("GET", "/workflows/{workflow_id}/export"): Row(V, "workflow"),
    ("GET", "/workflows/{workflow_id}"): Row(V, "workflow"),
    ("GET", "/workflows/{workflow_id}/openapi.json"): Row(V, "workflow"),
    ("PUT", "/workflows/{workflow_id}"): Row(ED, "workflow", BODY),
    ("DELETE", "/workflows/{workflow_id}"): Row(AD, "workflow"),
    ("GET", "/workflows/{workflow_id}/versions"): Row(V, "workflow"),
    ("GET", "/workflows/{workflow_id}/versions/diff"): Row(V, "workflow"),
    ("GET", "/workflows/{workflow_id}/versions/{version}"): Row(V, "workflow"),
    ("POST", "/workflows/{workflow_id}/versions/{version}/restore"): Row(ED, "workflow"),
    ("POST", "/workflows/{workflow_id}/publish"): Row(ED, "workflow", {}),
    ("POST", "/workflows/{workflow_id}/unpublish"): Row(ED, "workflow", {}),
    ("GET", "/workflows/{workflow_id}/shares"): Row(AD, "workflow"),
    ("PUT", "/workflows/{workflow_id}/shares/{grantee}"): Row(AD, "workflow", {"role": "viewer"}),
    ("DELETE", "/workflows/{workflow_id}/shares/{grantee}"): Row(AD, "workflow"),
    ("POST", "/workflows/{workflow_id}/execute"): Row(R, "workflow", {}),
    ("POST", "/workflows/{workflow_id}/nodes/{node_id}/test"): Row(ED, "workflow", {}),
    ("POST", "/executions/{execution_id}/retry"): Row(R, "execution", {}),
    ("GET", "/executions"): Row(V),
    ("GET", "/executions/export"): Row(V),
    ("GET", "/executions/{execution_id}"): Row(V, "execution"),
    ("DELETE", "/executions/{execution_id}"): Row(AD, "execution"),
    ("GET", "/executions/{execution_id}/events"): Row(V, "execution"),
    ("GET", "/executions/{execution_id}/nodes/{node_id}/iterations"): Row(V, "execution"),
    ("GET", "/executions/{execution_id}/output"): Row(V, "execution"),
    ("GET", "/executions/{execution_id}/nodes/{node_id}/output"): Row(V, "execution"),
    ("GET", "/executions/{execution_id}/children"): Row(V, "execution"),
    ("GET", "/executions/{execution_id}/waits"): Row(V, "execution"),
    ("POST", "/executions/{execution_id}/cancel"): Row(R, "execution"),
    ("POST", "/executions/{execution_id}/pause"): Row(R, "execution"),
    ("POST", "/executions/{execution_id}/resume"): Row(R, "execution"),
    ("GET", "/templates"): Row(V),
    ("GET", "/templates/{template_id}"): Row(V),
    ("POST", "/templates/{template_id}/use"): Row(ED, body={}),
    ("POST", "/executions/{execution_id}/signals/{name}"): Row(R, "execution", {}),
    ("GET", "/workflows/{workflow_id}/retention"): Row(V, "workflow"),
    ("PUT", "/workflows/{workflow_id}/retention"): Row(AD, "workflow", {"retention_days": 1}),
    ("DELETE", "/me"): Row(AD),
    ("GET", "/me/deletion"): Row(AD),
    ("GET", "/approvals"): Row(V),
    ("GET", "/executions/{execution_id}/approvals"): Row(V, "execution"),
    ("POST", "/executions/{execution_id}/approvals/{node_id}"): Row(
        R, "execution", {"decision": "approved"}
    ),
    ("GET", "/node-types"): Row(V),
    ("GET", "/schema/graph.json"): Row(V),
    ("POST", "/secrets"): Row(AD, body={"name": "TOKEN", "value": "x"}),
    ("GET", "/secrets"): Row(ED),
    ("DELETE", "/secrets/{name}"): Row(AD),
    ("GET", "/usage"): Row(V),
    ("GET", "/usage/executions"): Row(V),
    ("GET", "/budgets"): Row(V),
    ("PUT", "/budgets"): Row(AD, body={"tokens_per_day": 10}),
    ("DELETE", "/budgets"): Row(AD),
    ("GET", "/workflows/{workflow_id}/budget"): Row(V, "workflow"),
    ("PUT", "/workflows/{workflow_id}/budget"): Row(AD, "workflow", {"tokens_per_day": 10}),
    ("DELETE", "/workflows/{workflow_id}/budget"): Row(AD, "workflow"),
    ("POST", "/api-keys"): Row(AD, body={"name": "ci"}),
    ("GET", "/api-keys"): Row(AD),
    ("DELETE", "/api-keys/{key_id}"): Row(AD),
    ("POST", "/triggers"): Row(
        ED, "workflow", {"name": "x", "workflow_id": "{workflow_id}", "webhook": {}}
    ),
    ("GET", "/triggers"): Row(V),
    ("GET", "/triggers/{trigger_id}"): Row(V, "trigger"),
    ("PUT", "/triggers/{trigger_id}"): Row(ED, "trigger", {"name": "x", "webhook": {}}),
    ("DELETE", "/triggers/{trigger_id}"): Row(ED, "trigger"),
    ("POST", "/triggers/{trigger_id}/pause"): Row(ED, "trigger", {}),
    ("POST", "/triggers/{trigger_id}/resume"): Row(ED, "trigger"),
    ("POST", "/triggers/{trigger_id}/run"): Row(R, "trigger"),
    ("POST", "/triggers/{trigger_id}/backfill"): Row(
        ED,
        "trigger",
        {"start_at": "2026-01-01T00:00:00Z", "end_at": "2026-01-02T00:00:00Z"},
    ),
    ("POST", "/triggers/{trigger_id}/rotate"): Row(ED, "trigger"),
    ("GET", "/triggers/{trigger_id}/executions"): Row(V, "trigger"),
    ("POST", "/tickets"): Row(V),
    ("POST", "/codec/decode"): Row(V, body={"payloads": []}),
    ("POST", "/codec/encode"): Row(V, body={"payloads": []}),
}

OPEN = {
    ("POST", "/hooks/{token}"),
    ("GET", "/webhooks/{token}"),
    ("POST", "/webhooks/{token}"),
}
"""Nobody signs in there: what lets in is in the address."""

CALLERS = [
    *(f"member {role.value}" for role in Role),
    *(f"guest {role.value}" for role in (V, R, ED)),
    *(f"guest org {role.value}" for role in (V, R, ED)),
    "stranger",
    "stranger admin",
    "personal",
]


def test_every_route_has_its_row(api: Api) -> None:
    paths = create_app(api.settings).openapi()["paths"]
    routes = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in paths.items()
        if path.startswith("/api/v1")
        for method in methods
    }
    assert routes - OPEN == set(TABLE)


@dataclass
class Things:
    """A workflow of the organisation's, with an execution that has ended."""

    workflow: str
    execution: str
    trigger: str = ""


async def made(api: Api) -> Things:
    store = api.parts.store
    workflow = await store.create_workflow(ORG, name="w", description="", graph=chain())
    execution, _ = await store.create_execution(
        Execution(
            id=str(uuid4()),
            owner=ORG,
            workflow_id=workflow.id,
            workflow_version=1,
            status=ExecutionStatus.SUCCEEDED,
            input=None,
            created_at=datetime.now(UTC),
        )
    )
    now = datetime.now(UTC)
    trigger = Trigger(
        str(uuid4()), ORG, workflow.id, TriggerKind.WEBHOOK, "eve", "hook", {}, now, now
    )
    await store.triggers.create(trigger)
    return Things(workflow.id, execution.id, trigger.id)


async def client_of(api: Api, who: str, things: Things) -> tuple[httpx.AsyncClient, Role | None]:
    """A client, and the role that it has with the things; None: it may not know of them."""
    kind, *rest = who.split()
    role = Role(rest[-1]) if rest else None
    user, org = f"user_{uuid4().hex[:8]}", None
    granted: Role | None = None
    if kind == "member":
        org, granted = ORG, role
    elif kind == "guest" and rest[0] == "org":
        org, granted = f"org_{uuid4().hex[:8]}", role
        await api.parts.store.shares.put(ORG, things.workflow, org, Role(rest[-1]))
    elif kind == "guest":
        granted = role
        await api.parts.store.shares.put(ORG, things.workflow, user, Role(rest[-1]))
    elif kind == "stranger" and role is not None:
        org = f"org_{uuid4().hex[:8]}"
    token = api.issuer.mint(
        user, org=org, role=rest[-1] if kind in ("member", "stranger") and rest else "viewer"
    )
    return api.client(None, Authorization=f"Bearer {token}"), granted


@pytest.mark.parametrize("who", CALLERS)
async def test_every_route_for_every_caller(api: Api, who: str) -> None:
    nobody = api.client(None)
    for (method, path), row in TABLE.items():
        things = await made(api)
        client, role = await client_of(api, who, things)
        url = "/api/v1" + path.format(
            workflow_id=things.workflow,
            execution_id=things.execution,
            grantee="user_x",
            version=1,
            name="TOKEN",
            node_id="s",
            key_id=uuid4(),
            template_id="simple_chatbot",
            trigger_id=things.trigger,
        )
        body = row.body
        if isinstance(body, dict) and "workflow_id" in body:
            body = {**body, "workflow_id": things.workflow}
        answer = await client.request(method, url, json=body)
        said = (who, method, path, answer.status_code, answer.text[:200])
        code = answer.json().get("code") if answer.status_code >= 400 else None
        if row.of == "own":
            own = Role.ADMIN if client_is_personal(who) else own_role(who)
            assert (code == "insufficient_role") is not own.includes(row.need), said
            assert answer.status_code != 401, said
        elif role is None:
            assert (answer.status_code, code) == (404, "not_found"), said
        elif role.includes(row.need):
            assert answer.status_code not in (401, 403), said
            assert code != "not_found" or "share" in path, said
        else:
            assert (answer.status_code, code) == (403, "insufficient_role"), said
        stranger = await nobody.request(method, url, json=row.body)
        assert stranger.status_code == 401, said
        await api.parts.store.triggers.delete(things.trigger)
        await client.aclose()  # hundreds of open connections are too many for one process


def client_is_personal(who: str) -> bool:
    kind, *rest = who.split()
    return (
        kind == "personal"
        or (kind == "stranger" and not rest)
        or (kind == "guest" and rest[0] != "org")
    )


def own_role(who: str) -> Role:
    """What the caller may do in the organisation that they act in."""
    kind, *rest = who.split()
    return Role(rest[-1]) if kind in ("member", "stranger") else Role.VIEWER


async def test_members_work_with_the_organisations_things(api: Api) -> None:
    org = f"org_{uuid4().hex[:8]}"
    editor = api.client(
        None, Authorization=f"Bearer {api.issuer.mint('eve', org=org, role='editor')}"
    )
    viewer = api.client(
        None, Authorization=f"Bearer {api.issuer.mint('vic', org=org, role='viewer')}"
    )
    workflow = (await editor.post("/api/v1/workflows", json=BODY)).json()["id"]
    assert [one["id"] for one in (await viewer.get("/api/v1/workflows")).json()["items"]] == [
        workflow
    ]
    assert (await viewer.put(f"/api/v1/workflows/{workflow}", json=BODY)).status_code == 403
    # the same user, for themselves: another tenant
    assert (await api.client("eve").get(f"/api/v1/workflows/{workflow}")).status_code == 404


async def test_what_is_shared_is_listed_with_whose_it_is(api: Api) -> None:
    ada, bob = api.client("ada"), api.client(user := f"bob_{uuid4().hex[:8]}")
    workflow = (await ada.post("/api/v1/workflows", json=BODY)).json()["id"]
    shares = f"/api/v1/workflows/{workflow}/shares"
    assert (await ada.put(f"{shares}/{user}", json={"role": "runner"})).json()["role"] == "runner"
    [item] = (await bob.get("/api/v1/workflows", params={"shared": True})).json()["items"]
    assert (item["id"], item["owner"], item["role"]) == (workflow, "ada", "runner")
    assert (await bob.get("/api/v1/workflows")).json()["items"] == []
    [share] = (await ada.get(shares)).json()["items"]
    assert share["grantee"] == user
    refused = await ada.put(f"{shares}/ada", json={"role": "viewer"})
    assert refused.json()["code"] == "shared_with_owner"
    assert (await ada.put(f"{shares}/{user}", json={"role": "admin"})).status_code == 422
    assert (await ada.delete(f"{shares}/{user}")).status_code == 204
    assert (await bob.get(f"/api/v1/workflows/{workflow}")).status_code == 404


# over WebSocket


def event_of(things: Things, seq: int) -> Event:
    return Event(
        EventType.EXECUTION_STARTED,
        things.execution,
        things.workflow,
        "2026-03-01T12:00:00.000Z",
        seq=seq,
    )


@pytest.mark.parametrize("who", CALLERS)
async def test_a_socket_shows_what_the_caller_may_see(api: Api, who: str) -> None:
    things = await made(api)
    client, role = await client_of(api, who, things)
    token = client.headers["authorization"]
    caller = await api.parts.verifier.verify(token.removeprefix("Bearer "))
    await api.parts.store.append_events(things.execution, [event_of(things, 1)])
    async with connect(
        f"{api.ws}/ws/{caller.owner}", additional_headers={"Authorization": token}
    ) as socket:
        wanted = {"type": "subscribe", "execution_id": things.execution, "last_seq": 0}
        await socket.send(json.dumps(wanted))
        first = json.loads(await asyncio.wait_for(socket.recv(), 10))
        if role is None:
            assert (first["type"], first["code"]) == ("error", "not_found")
            await api.parts.bus.publish([Envelope(ORG, event_of(things, 2))])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 0.3)
        else:
            assert first["seq"] == 1
            await api.parts.bus.publish([Envelope(ORG, event_of(things, 2))])
            assert json.loads(await asyncio.wait_for(socket.recv(), 10))["seq"] == 2


# API keys


async def test_a_key_acts_for_who_made_it_until_it_is_revoked(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.api_keys.service.FRESH_S", 0.0)
    ada = api.client(user := f"ada_{uuid4().hex[:8]}")
    answer = await ada.post("/api/v1/api-keys", json={"name": "ci", "role": "editor"})
    made_key = answer.json()
    secret = made_key.pop("key")
    assert secret.startswith("pilot_") and secret.endswith(made_key["hint"])
    program = api.client(None, Authorization=f"Bearer {secret}")
    workflow = (await program.post("/api/v1/workflows", json=BODY)).json()["id"]
    assert (await ada.get(f"/api/v1/workflows/{workflow}")).status_code == 200
    assert (await program.get("/api/v1/secrets")).status_code == 200
    refused = await program.put("/api/v1/budgets", json={"tokens_per_day": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_role")
    [listed] = (await ada.get("/api/v1/api-keys")).json()["items"]
    assert listed["last_used_at"] is not None
    assert secret not in json.dumps(listed)
    assert (listed["created_by"], listed["role"]) == (user, "editor")
    async with connect(
        f"{api.ws}/ws/{user}", additional_headers={"Authorization": f"Bearer {secret}"}
    ) as socket:
        await socket.send('{"type": "ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
    assert (await ada.delete(f"/api/v1/api-keys/{made_key['id']}")).status_code == 204
    gone = await program.get("/api/v1/workflows")
    assert (gone.status_code, gone.json()["code"]) == (401, "invalid_token")


async def test_a_key_makes_no_key_and_is_let_in_nowhere_else(api: Api) -> None:
    ada, bob = api.client("ada"), api.client(user := f"bob_{uuid4().hex[:8]}")
    secret = (await bob.post("/api/v1/api-keys", json={"name": "x", "role": "admin"})).json()["key"]
    program = api.client(None, Authorization=f"Bearer {secret}")
    answer = await program.post("/api/v1/api-keys", json={"name": "y"})
    assert (answer.status_code, answer.json()["code"]) == (403, "key_makes_key")
    workflow = (await ada.post("/api/v1/workflows", json=BODY)).json()["id"]
    await ada.put(f"/api/v1/workflows/{workflow}/shares/{user}", json={"role": "editor"})
    assert (await bob.get(f"/api/v1/workflows/{workflow}")).status_code == 200
    assert (await program.get(f"/api/v1/workflows/{workflow}")).status_code == 404


async def test_a_key_expires(api: Api) -> None:
    ada = api.client("ada")
    soon = datetime.now(UTC) + timedelta(seconds=1)
    body = {"name": "x", "expires_at": soon.isoformat()}
    secret = (await ada.post("/api/v1/api-keys", json=body)).json()["key"]
    program = api.client(None, Authorization=f"Bearer {secret}")
    assert (await program.get("/api/v1/workflows")).status_code == 200
    await asyncio.sleep(1.1)
    assert (await program.get("/api/v1/workflows")).json()["code"] == "token_expired"
    late = {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}
    assert (await ada.post("/api/v1/api-keys", json=late)).json()["code"] == "invalid_expiry"


@pytest.mark.parametrize("key", ["pilot_", "pilot_x", "pilot_" + "a" * 43, "pilot_\u00e9"])
async def test_a_key_that_was_never_made_is_refused(api: Api, key: str) -> None:
    client = api.client(None)
    answer = await client.get(
        "/api/v1/workflows", headers={b"Authorization": f"Bearer {key}".encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


# Clerk's claims


CLAIMS: dict[str, Any] = {"sub": "user_1", "exp": 2_000_000_000}


@pytest.mark.parametrize(
    ("claims", "org", "role"),
    [
        ({}, None, Role.ADMIN),
        ({"org_id": "org_1", "org_role": "org:admin"}, "org_1", Role.ADMIN),
        ({"org_id": "org_1", "org_role": "admin"}, "org_1", Role.ADMIN),
        ({"org_id": "org_1", "org_role": "org:member"}, "org_1", Role.EDITOR),
        ({"org_id": "org_1", "org_role": "basic_member"}, "org_1", Role.EDITOR),
        ({"org_id": "org_1", "org_role": "org:runner"}, "org_1", Role.RUNNER),
        ({"org_id": "org_1", "org_role": "org:billing"}, "org_1", Role.VIEWER),
        ({"org_id": "org_1"}, "org_1", Role.VIEWER),
        ({"v": 2, "o": {"id": "org_2", "rol": "admin"}}, "org_2", Role.ADMIN),
        ({"v": 2, "o": {"id": "org_2", "rol": "viewer"}}, "org_2", Role.VIEWER),
    ],
)
def test_the_organisation_is_read_from_either_version_of_the_claims(
    claims: dict[str, Any], org: str | None, role: Role
) -> None:
    caller = caller_of({**CLAIMS, **claims}, "token")
    assert (caller.org_id, caller.role) == (org, role)
    assert caller.owner == (org or "user_1")
    assert "token" not in repr(caller).replace("token=", "")


@pytest.mark.parametrize("claims", [{"sts": "pending"}, {"org_id": ""}, {"org_id": 5}, {"sub": ""}])
def test_claims_that_name_nobody_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        caller_of({**CLAIMS, **claims}, "token")
