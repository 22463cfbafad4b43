"""Row-level security, straight at PostgREST: what a token that is none of the owner's can do.

Everything that ada has bears a mark, and the rows of all tables are compared before and after. The
tables and functions are those of the catalog, so one that is new is attacked as well.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
from jwt.utils import base64url_encode

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.roles import Role
from pilot.store import Execution
from pilot.store.api_keys import ApiKey
from pilot.store.iterations import Iteration
from pilot.store.llm_calls import LlmCall
from pilot.store.places import Caller
from pilot.store.secrets import SealedSecret
from pilot.store.supabase import SupabaseStore
from pilot.store.triggers import Trigger, TriggerKind
from pilot.store.usage import WHOLE_ACCOUNT, Allowance, CallKey, Limits, ModelCall, Reservation
from pilot.store.waits import Wait
from pilot.throttle import ModelLimit
from tests.postgrest import Issuer, Project

MARK = "the-mark-of-ada"
ADA = f"ada {MARK}"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
GRAPH = {"nodes": [{"id": MARK, "type": "start"}], "edges": []}

OF_NOBODY = {"alembic_version"}  # the schema's revision


@dataclass(frozen=True)
class Things:
    """What ada has: a row in every table."""

    workflow_id: str
    execution_id: str


@pytest.fixture
async def things(supabase: SupabaseStore) -> Things:
    store = supabase
    workflow = await store.create_workflow(ADA, name=MARK, description=MARK, graph=GRAPH)
    run = Execution(
        id=str(uuid4()),
        owner=ADA,
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=MARK,
        created_at=NOW,
    )
    await store.create_execution(run)
    event = Event(
        type=EventType.NODE_STARTED,
        execution_id=run.id,
        workflow_id=workflow.id,
        at="2026-03-01T12:00:00Z",
        seq=1,
        node_id=MARK,
        data={"type": MARK},
    )
    await store.append_events(run.id, [event])
    await store.secrets.put(SealedSecret(ADA, MARK, MARK.encode(), MARK))
    await store.shares.put(ADA, workflow.id, f"friend {MARK}", Role.EDITOR)
    await store.publications.publish(ADA, workflow.id, 1, by=ADA, note=MARK)
    await store.waits.put(
        Wait(run.id, MARK, "", "approval", MARK, NOW, users=(ADA,), data={"title": MARK})
    )
    await store.api_keys.create(ApiKey(MARK, ADA, ADA, MARK, Role.ADMIN, MARK, MARK, NOW))
    trigger = Trigger(MARK, ADA, workflow.id, TriggerKind.WEBHOOK, ADA, MARK, {"x": MARK}, NOW, NOW)
    await store.triggers.create(trigger)
    key = CallKey(run.id, MARK, "", MARK, 1, 1)
    await store.usage.record(ModelCall(key, ADA, workflow.id, MARK, 1, 1, 1, NOW))
    held = Reservation(replace(key, call=2), ADA, workflow.id, NOW, FAR, 5, 5)
    assert await store.usage.reserve(held, Allowance()) is None
    await store.usage.put_budget(ADA, WHOLE_ACCOUNT, Limits(tokens=10**9))
    done = Iteration(0, NodeStatus.SUCCEEDED, MARK, MARK)
    await store.iterations.record(run.id, MARK, "", [done])
    await store.llm_calls.sent(LlmCall(MARK, MARK, run.id, 1, MARK))
    await store.llm_calls.keep_answer(ADA, MARK, MARK, timedelta(days=1))
    limits = [ModelLimit(MARK, 1, 1)]
    asked = await store.places.take(Caller(MARK, MARK, MARK), limits, lease_s=3600, present_s=1)
    assert asked is None
    return Things(workflow.id, run.id)


@pytest.fixture
async def database(project: Project) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(project.database)
    yield connection
    await connection.close()


@pytest.fixture
async def rest(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=project.url, timeout=60) as client:
        yield client


async def tables(database: asyncpg.Connection) -> list[str]:
    rows = await database.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY relname"
    )
    return [row["relname"] for row in rows]


async def functions(database: asyncpg.Connection) -> list[asyncpg.Record]:
    return await database.fetch(
        "SELECT oid, proname, prosecdef, proargnames, proargtypes::regtype[]::text[] AS types"
        " FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY proname"
    )


async def everything(database: asyncpg.Connection) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    return {
        table: sorted(
            row[0] for row in await database.fetch(f'SELECT t::text FROM public."{table}" AS t')
        )
        for table in await tables(database)
    }


def signed_symmetrically(body: dict[str, Any], secret: bytes, kid: str) -> str:
    """By hand, since PyJWT does not take a public key for a secret."""
    parts = [{"alg": "HS256", "typ": "JWT", "kid": kid}, body]
    signed = b".".join(base64url_encode(json.dumps(part).encode()) for part in parts)
    signature = base64url_encode(hmac.digest(secret, signed, "sha256"))
    return f"{signed.decode()}.{signature.decode()}"


def intruders(project: Project, now: float) -> dict[str, str | None]:
    """Tokens that are none of ada's, by what is wrong with them."""
    clerk, forger = project.clerk, Issuer.new(project.clerk.kid)
    unsigned = jwt.encode({"sub": ADA, "role": "authenticated", "exp": now + 99}, None, "none")
    body = {"sub": ADA, "role": "authenticated", "exp": int(now) + 99}
    confused = signed_symmetrically(body, json.dumps(clerk.jwk).encode(), clerk.kid)
    return {
        "nobody": None,
        "the publishable key": project.key,
        "another user": clerk.token("mallory"),
        "another user, of an organisation": clerk.token(
            "mallory", org_id="o", org_role="org:admin"
        ),
        "the user, in an organisation": clerk.token(ADA, org_id="o", org_role="org:admin"),
        "the user, in an organisation without a role": clerk.token(ADA, o={"id": "o"}),
        "an organisation of the user's name, but nobody in it": clerk.token(None, org_id=ADA),
        "a user of no name": clerk.token(""),
        "the user, not signed in wholly": clerk.token(ADA, sts="pending"),
        "the user in what users may write": clerk.token("m", user_metadata={"sub": ADA}),
        "forged": forger.token(ADA),
        "forged, of the service": forger.token(ADA, role="service_role"),
        "forged, with the public key": confused,
        "unsigned": unsigned,
        "expired": clerk.token(ADA, exp=int(now) - 3600),
        "not yet valid": clerk.token(ADA, nbf=int(now) + 3600),
        "no token at all": "nonsense",
    }


def headers(project: Project, token: str | None) -> dict[str, str]:
    own = {"apikey": project.key, "Prefer": "return=representation"}
    return own if token is None else {**own, "Authorization": f"Bearer {token}"}


def arguments(function: asyncpg.Record, things: Things, id: str) -> dict[str, Any]:
    """Arguments by which the function would do something to what ada has."""
    known = {
        "p_owner": ADA,
        "p_id": id,
        "p_workflow_id": things.workflow_id,
        "p_execution_id": things.execution_id,
        "p_ids": [things.execution_id],
        "p_owners": [ADA],
        "p_grantees": [ADA, f"friend {MARK}", "mallory"],
        "p_grantee": "mallory",
        "p_role": "editor",
        "p_names": [MARK],
        "p_hash": MARK,
        "p_key": MARK,
        "p_question": MARK,
        "p_name": MARK,
        "p_graph": "{}",
        "p_version": 1,
        "p_expected": 1,
        "p_groups": ["model"],
        "p_workflow_ids": ["", things.workflow_id],
        "p_limits": [None] * 4,
    }
    rows = {"owner": ADA, "id": id, "workflow_id": things.workflow_id, "role": "admin"}
    by_type = {
        "text": "x",
        "integer": 100,
        "bigint": 1,
        "boolean": True,
        "double precision": 1.5,
        "date": "2026-03-01",
        "timestamp with time zone": FAR.isoformat(),
        "bytea": "\\x00",
        "json": rows,
        "text[]": None,
    }
    names = function["proargnames"] or []
    given = {
        name: known.get(name, by_type.get(kind))
        for name, kind in zip(names, function["types"], strict=False)
    }
    if function["proname"] == "pilot_create_execution":
        given["p_execution"] = {
            **rows,
            "id": str(uuid4()),
            "workflow_version": 1,
            "status": "queued",
            "last_seq": 0,
            "created_at": NOW.isoformat(),
            "edition": "",
            "usage": "{}",
        }
    if function["proname"] == "pilot_events":
        given["p_after"] = 0
    if function["proname"] == "pilot_append_events":
        given |= {"p_events": [], "p_nodes": [], "p_change": {"last_seq": 9, "status": "failed"}}
    return given


async def test_every_table_has_something_of_adas(
    things: Things, database: asyncpg.Connection
) -> None:
    found = await everything(database)
    assert {table for table, rows in found.items() if not rows} == set()
    silent = {table for table, rows in found.items() if MARK not in "".join(rows)}
    assert silent == OF_NOBODY


async def test_no_intruder_reads_or_writes_a_table(
    things: Things, project: Project, database: asyncpg.Connection, rest: httpx.AsyncClient
) -> None:
    before = await everything(database)
    for what, token in intruders(project, time.time()).items():
        own = headers(project, token)
        for table in await tables(database):
            columns = await database.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass"
                " AND attnum > 0 AND NOT attisdropped",
                f"public.{table}",
            )
            [stolen] = await database.fetch(
                f'SELECT to_json(t)::text AS row FROM public."{table}" AS t LIMIT 1'
            )
            row = json.loads(stolen["row"])
            for column in ["*", *(c["attname"] for c in columns)]:
                answer = await rest.get(f"/{table}", params={"select": column}, headers=own)
                refused = answer.status_code in (401, 403)
                assert refused or answer.json() == [], (what, table, column, answer.text)
            first = columns[0]["attname"]
            everywhere = {first: "not.is.null"}
            for answer in (
                await rest.post(f"/{table}", json=row, headers=own),
                await rest.post(
                    f"/{table}",
                    json=row,
                    headers={**own, "Prefer": "resolution=merge-duplicates,return=representation"},
                ),
                await rest.patch(f"/{table}", params=everywhere, json=row, headers=own),
                await rest.delete(f"/{table}", params=everywhere, headers=own),
            ):
                assert answer.status_code in (401, 403) or answer.json() == [], (what, answer.text)
    assert await everything(database) == before


async def test_no_intruder_gets_anything_out_of_a_function(
    things: Things, project: Project, database: asyncpg.Connection, rest: httpx.AsyncClient
) -> None:
    before = await everything(database)
    for what, token in intruders(project, time.time()).items():
        for function in await functions(database):
            for id in (things.workflow_id, things.execution_id, MARK):
                body = arguments(function, things, id)
                answer = await rest.post(
                    f"/rpc/{function['proname']}", json=body, headers=headers(project, token)
                )
                told = (what, function["proname"], answer.status_code, answer.text)
                assert answer.status_code < 500, told
                # an error may repeat what was sent, and says nothing else
                if answer.status_code < 300:
                    assert MARK not in answer.text, told
                    assert things.workflow_id not in answer.text, told
    assert await everything(database) == before


async def test_the_attack_would_work_with_the_service_key(
    things: Things, project: Project, database: asyncpg.Connection, rest: httpx.AsyncClient
) -> None:
    """So that the tests above cannot pass because their calls are malformed."""
    own = headers(project, project.service_key)
    malformed, silent = [], []
    for function in await functions(database):
        answers = [
            await rest.post(
                f"/rpc/{function['proname']}", json=arguments(function, things, id), headers=own
            )
            for id in (things.workflow_id, things.execution_id, MARK)
        ]
        codes = {answer.json().get("code") for answer in answers if answer.status_code >= 400}
        if not any(a.status_code < 300 for a in answers) and not codes <= {"PT404", "PT409"}:
            malformed.append((function["proname"], codes))
        if not any(a.status_code < 300 and MARK in a.text for a in answers):
            silent.append(function["proname"])
    # what only the service may call is refused before anything is looked at
    may = "SELECT has_function_privilege('authenticated', $1::oid, 'EXECUTE')"
    open_to_users = {
        function["proname"]
        for function in await functions(database)
        if await database.fetchval(may, function["oid"])
    }
    assert {name for name, _ in malformed} & open_to_users == set(), malformed
    assert {"pilot_get_workflow", "pilot_get_execution", "pilot_events"} & set(silent) == set()


async def test_nothing_is_left_open(database: asyncpg.Connection) -> None:
    """The catalog's own word on every table and function, whatever attacks were thought of."""
    for table in await tables(database):
        row = await database.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity, relkind::text FROM pg_class"
            " WHERE oid = $1::text::regclass",
            f"public.{table}",
        )
        assert tuple(row) == (True, True, "r"), table
        policies = await database.fetch(
            "SELECT polname, polroles::regrole[]::text[] AS roles FROM pg_policy"
            " WHERE polrelid = $1::text::regclass",
            f"public.{table}",
        )
        assert all(policy["roles"] == ["authenticated"] for policy in policies), table
        for role in ("anon", "authenticated"):
            granted = await database.fetchval(
                "SELECT bool_or(has_any_column_privilege($1, $2, p)) OR"
                " has_table_privilege($1, $2, 'DELETE,TRUNCATE,TRIGGER')"
                " FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p",
                role,
                f"public.{table}",
            )
            assert granted == (role == "authenticated" and bool(policies)), (table, role)
        truncates = "SELECT has_table_privilege('authenticated', $1, 'TRUNCATE,TRIGGER,REFERENCES')"
        assert not await database.fetchval(truncates, f"public.{table}")
    for function in await functions(database):
        name = function["proname"]
        assert name.startswith("pilot_"), name
        assert not function["prosecdef"], name
        may = "SELECT has_function_privilege($1, $2::oid, 'EXECUTE')"
        assert not await database.fetchval(may, "anon", function["oid"]), name
        assert await database.fetchval(may, "service_role", function["oid"]), name
    assert not await database.fetchval("SELECT has_schema_privilege('anon', 'pilot', 'USAGE')")


async def test_a_stolen_row_cannot_be_made_the_thiefs(
    things: Things, supabase: SupabaseStore, project: Project, rest: httpx.AsyncClient
) -> None:
    """Rows of one's own that point at somebody else's."""
    own = headers(project, project.clerk.token("mallory"))
    mine = {"id": str(uuid4()), "owner": "mallory", "name": "m", "description": "", "version": 1}
    times = {"created_at": NOW.isoformat(), "updated_at": NOW.isoformat()}
    made = await rest.post("/workflows", json={**mine, **times, "content_hash": ""}, headers=own)
    assert made.status_code == 201, made.text
    run = {
        "id": str(uuid4()),
        "owner": "mallory",
        "workflow_id": things.workflow_id,
        "workflow_version": 1,
        "status": "queued",
        "status_seq": 0,
        "last_seq": 0,
        "created_at": NOW.isoformat(),
        "usage": {},
    }
    version = {"workflow_id": things.workflow_id, "version": 2, "name": "m", "graph": {}}
    version |= {"content_hash": "", "created_at": NOW.isoformat()}
    publication = {"workflow_id": things.workflow_id, "number": 2, "version": 1}
    publication |= {"published_at": NOW.isoformat(), "published_by": "mallory"}
    share = {"workflow_id": things.workflow_id, "grantee": "mallory", "role": "editor"}
    share |= {"created_at": NOW.isoformat()}
    for path, row in (
        ("/executions", run),
        ("/executions", {**run, "owner": ADA}),
        ("/workflow_versions", version),
        ("/publications", publication),
        ("/shares", share),
    ):
        answer = await rest.post(path, json=row, headers=own)
        assert answer.status_code == 403, (path, answer.text)
    given = await rest.patch(
        "/workflows", params={"id": f"eq.{mine['id']}"}, json={"owner": ADA}, headers=own
    )
    assert given.status_code == 403, given.text
