"""One store, many users: in whose name each call is made, and what roles and shares allow."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import asyncpg
import httpx
import pytest

from api.caller import InvalidTokenError, caller_of
from pilot.errors import ConflictError, NotFoundError, StorageFullError, UnavailableError
from pilot.roles import Role
from pilot.store import Execution, Workflow
from pilot.store.acting import acting_as, acting_token
from pilot.store.secrets import SealedSecret
from pilot.store.supabase import SupabaseStore
from pilot.store.supabase.connection import Connection
from pilot.store.usage import Limits
from tests.postgrest import Issuer, Project

GRAPH = {"nodes": [], "edges": []}
SOON = time.time() + 3_000


def acting(project: Project, user: str, **claims: Any) -> Any:
    return acting_as(project.clerk.token(user, **claims), SOON)


async def made(store: SupabaseStore, owner: str) -> Workflow:
    return await store.create_workflow(owner, name=owner, description="", graph=GRAPH)


async def test_requests_at_the_same_time_act_each_for_themselves(
    supabase: SupabaseStore, project: Project
) -> None:
    flows = {user: await made(supabase, user) for user in ("ada", "bob", "eve")}

    async def request(user: str, turn: int) -> None:
        with acting(project, user):
            for other, workflow in flows.items():
                await asyncio.sleep(0.001 * (turn % 3))
                if other == user:
                    assert await supabase.get_workflow(other, workflow.id) == workflow
                else:  # the owner that the API passes on is not what decides
                    with pytest.raises(NotFoundError):
                        await supabase.get_workflow(other, workflow.id)
                    assert (await supabase.list_workflows(other)).items == []

    await asyncio.gather(*(request(user, turn) for turn in range(15) for user in flows))
    assert (await supabase.get_workflow("ada", flows["ada"].id)) == flows["ada"]


async def test_a_token_counts_in_its_request_and_as_long_as_it_holds() -> None:
    left = asyncio.Event()

    async def later() -> str | None:
        await left.wait()
        return acting_token()

    with acting_as("token", SOON):
        assert acting_token() == "token"
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
        with acting_as(None, SOON):
            assert acting_token() is None
        assert acting_token() == "token"
    assert acting_token() is None
    left.set()
    assert await task is None
    with acting_as("token", time.time() - 1):
        assert acting_token() is None


async def test_a_token_that_is_refused_is_named_and_not_told(
    supabase: SupabaseStore, project: Project
) -> None:
    forged = Issuer.new("clerk").token("ada")
    with acting_as(forged, SOON), pytest.raises(UnavailableError, match="credentials") as refused:
        await supabase.list_workflows("ada")
    assert forged not in f"{refused.value!r} {refused.value.__context__!r}"


ACTIONS: dict[str, Callable[[SupabaseStore, str, Workflow], Any]] = {
    "read": lambda store, owner, flow: store.get_workflow(owner, flow.id),
    "edit": lambda store, owner, flow: store.update_workflow(
        owner, flow.id, name="new", description="", graph=GRAPH, expected_version=None
    ),
    "list versions": lambda store, owner, flow: store.publications.versions(owner, flow.id),
    "publish": lambda store, owner, flow: store.publications.publish(owner, flow.id, 1),
    "share": lambda store, owner, flow: store.shares.put(owner, flow.id, "somebody", Role.VIEWER),
    "budget": lambda store, owner, flow: store.usage.put_budget(owner, flow.id, Limits(1)),
    "secret": lambda store, owner, flow: store.secrets.put(SealedSecret(owner, "S", b"s", "k")),
    "delete": lambda store, owner, flow: store.delete_workflow(owner, flow.id),
}
NEEDS = {
    **dict.fromkeys(("read", "list versions"), Role.VIEWER),
    **dict.fromkeys(("edit", "publish"), Role.EDITOR),
    **dict.fromkeys(("share", "budget", "secret", "delete"), Role.ADMIN),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", Role)
async def test_members_do_what_their_role_allows(
    supabase: SupabaseStore, project: Project, role: Role, action: str
) -> None:
    workflow = await made(supabase, "org")
    with acting(project, "ada", o={"id": "org", "rol": role.value}):
        doing = ACTIONS[action](supabase, "org", workflow)
        if role.includes(NEEDS[action]):
            await doing
        else:
            with pytest.raises(NotFoundError):
                await doing


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.RUNNER, Role.EDITOR])
async def test_who_is_let_in_does_what_the_share_allows(
    supabase: SupabaseStore, project: Project, role: Role, action: str
) -> None:
    workflow, other = await made(supabase, "ada"), await made(supabase, "ada")
    await supabase.shares.put("ada", workflow.id, "bob", role)
    with acting(project, "bob"):
        assert await supabase.shares.grant(workflow.id, ["bob"]) is not None
        assert await supabase.shares.grant(other.id, ["bob"]) is None
        doing = ACTIONS[action](supabase, "ada", workflow)
        if role.includes(NEEDS[action]):
            await doing
        else:
            with pytest.raises(NotFoundError):
                await doing
        # and nothing else of the owner's
        assert [one.id for one in (await supabase.list_workflows("ada")).items] == [workflow.id]
        assert await supabase.secrets.summaries("ada") == []
        day = date(2026, 3, 1)
        assert (await supabase.usage.report("ada", day, day, ["model"])).items == []


async def test_who_saves_and_publishes_is_who_the_token_names(
    supabase: SupabaseStore, project: Project
) -> None:
    with acting(project, "ada"):
        workflow = await supabase.create_workflow(
            "ada", name="n", description="", graph=GRAPH, by="mallory"
        )
    await supabase.shares.put("ada", workflow.id, "bob", Role.EDITOR)
    with acting(project, "bob"):
        change = {"name": "m", "description": "", "graph": GRAPH, "expected_version": 1}
        await supabase.update_workflow("ada", workflow.id, **change, by="ada")
        done = await supabase.publications.publish("ada", workflow.id, 2, by="ada", note="x")
    assert done.published_by == "bob"
    listed = (await supabase.publications.versions("ada", workflow.id)).items
    assert [one.created_by for one in listed] == ["bob", "ada"]
    with acting(project, "eve"):  # a stranger is not even told that there is one
        assert await supabase.publications.of_version("ada", workflow.id, 2) is None


async def test_a_shared_run_is_read_and_cancelled_by_who_may_run_it(
    supabase: SupabaseStore, project: Project, make_execution: Callable[..., Execution]
) -> None:
    workflow = await made(supabase, "ada")
    run, _ = await supabase.create_execution(make_execution(workflow))
    await supabase.shares.put("ada", workflow.id, "bob", Role.VIEWER)
    await supabase.shares.put("ada", workflow.id, "club", Role.RUNNER)
    with acting(project, "bob"):
        assert (await supabase.get_execution("ada", run.id)).id == run.id
        await supabase.request_cancel(run.id, workflow.created_at)
        assert (await supabase.get_execution("ada", run.id)).cancel_requested_at is None
    with acting(project, "bob", org_id="club", org_role="org:viewer"):
        await supabase.request_cancel(run.id, workflow.created_at)
        assert await supabase.node_runs("ada", run.id) == []
    with acting(project, "eve"), pytest.raises(NotFoundError):
        await supabase.get_execution("ada", run.id)
    cancelled = await supabase.get_execution("ada", run.id)
    assert cancelled.cancel_requested_at == workflow.created_at
    with acting(project, "ada"), pytest.raises(ConflictError, match="open executions"):
        await supabase.delete_workflow("ada", workflow.id)


CLAIMS = [
    {},
    {"org_id": None},
    *({"org_id": "o", "org_role": role} for role in ("org:admin", "admin", "org:member", None)),
    *({"org_id": "o", "org_role": role} for role in ("basic_member", "org:runner", "org:boss", 7)),
    *({"o": {"id": "o", "rol": role}} for role in ("admin", "viewer", "editor", None, "org:admin")),
    {"o": {"id": "second", "rol": "viewer"}, "org_id": "first", "org_role": "org:admin"},
    {"o": {}, "org_id": "first", "org_role": "org:admin"},
    {"o": "text", "org_id": "first", "org_role": "org:runner"},
    {"sts": "pending"},
    {"sts": "active"},
    {"sub": ""},
    {"sub": None},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=json.dumps)
async def test_the_database_reads_a_token_as_the_api_does(
    project: Project, claims: dict[str, Any]
) -> None:
    whole = {"sub": "ada", "exp": SOON, **claims}
    connection = await asyncpg.connect(project.database)
    try:
        setting = "SELECT set_config('request.jwt.claims', $1, false)"
        await connection.execute(setting, json.dumps(whole))
        query = "SELECT pilot.tenant(), pilot.grantees(), pilot.rank()"
        tenant, grantees, rank = await connection.fetchrow(query)
    finally:
        await connection.close()
    try:
        caller = caller_of(whole, "token")
    except InvalidTokenError:
        assert (tenant, grantees) == (None, None)
    else:
        assert (tenant, tuple(grantees)) == (caller.owner, caller.grantees)
        assert list(Role)[rank] == caller.role


@pytest.fixture
async def silent() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that hangs up, its address, and what it was asked."""
    asked: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    server.close()
    await server.wait_closed()


async def test_a_read_is_tried_again_and_a_write_is_not(silent: tuple[str, list[bytes]]) -> None:
    url, asked = silent
    store = SupabaseStore(Connection(url, "key", "service"))
    with pytest.raises(UnavailableError, match="does not answer"):
        await store.ping()
    assert len(asked) == 3
    with pytest.raises(UnavailableError, match="does not answer"):
        await store.set_temporal_run("id", "run")
    assert len(asked) == 4
    await store.close()


async def test_a_full_disk_is_told_until_a_write_finds_room(
    supabase: SupabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = supabase._connection
    full = httpx.Response(500, json={"code": "53100", "message": "could not extend file"})
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: full))
    with monkeypatch.context() as patched:
        patched.setattr(connection._client, "session", http)
        with pytest.raises(StorageFullError):
            await made(supabase, "ada")
    await http.aclose()
    assert (await supabase.list_workflows("ada")).items == []
    with pytest.raises(StorageFullError):
        await supabase.ping()
    await made(supabase, "ada")
    await supabase.ping()


async def test_a_gateways_error_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SupabaseStore(connection := Connection("http://127.0.0.1:1", "key", "service"))
    answers = [
        httpx.Response(401, json={"message": "Invalid API key"}),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(503, json={"code": "PGRST000", "message": "no connection"}),
    ]
    for answer in answers:
        transport = httpx.MockTransport(lambda _, answer=answer: answer)
        http = httpx.AsyncClient(transport=transport)
        monkeypatch.setattr(connection._client, "session", http)
        with pytest.raises(UnavailableError):
            await store.set_temporal_run("id", "run")
        await http.aclose()
    await store.close()
