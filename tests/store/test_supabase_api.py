"""The API on a Supabase project: a request goes on with the token that it came with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.runs import Runs
from pilot.processes import free_ports
from pilot.settings import Settings
from pilot.store.supabase import SupabaseStore
from tests.postgrest import Project

W = "/api/v1/workflows"
GRAPH = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "end", "type": "output"}],
    "edges": [{"source": "start", "target": "end"}],
}


@dataclass
class Gateway:
    """Supabase's gateway before PostgREST, and Clerk's keys. `calls` are (function, whose)."""

    url: str
    calls: list[tuple[str, str]] = field(default_factory=list)

    def whose(self, *functions: str) -> set[str]:
        return {whose for name, whose in self.calls if name in functions}


@pytest.fixture
async def gateway(project: Project) -> AsyncIterator[Gateway]:
    [port] = free_ports(1)
    found = Gateway(f"http://127.0.0.1:{port}")

    async def keys(_: Request) -> Response:
        return JSONResponse({"keys": [project.clerk.jwk]})

    async def forward(request: Request) -> Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        expected = project.service_key if claims["role"] == "service_role" else project.key
        assert request.headers["apikey"] == expected
        name = request.path_params["path"].removeprefix("rpc/pilot_")
        found.calls.append((name, claims.get("sub", claims["role"])))
        answer = await postgrest.post(
            f"/{request.path_params['path']}",
            content=await request.body(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        return Response(answer.content, answer.status_code, media_type="application/json")

    app = Starlette(
        routes=[
            Route("/.well-known/jwks.json", keys),
            Route("/rest/v1/{path:path}", forward, methods=["POST"]),
        ]
    )
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    async with httpx.AsyncClient(base_url=project.url, timeout=30) as postgrest:
        task = asyncio.create_task(running.serve())
        while not running.started:
            assert not task.done(), "the gateway did not start"
            await asyncio.sleep(0.01)
        yield found
        running.should_exit = True
        await task


@asynccontextmanager
async def serving(project: Project, gateway: Gateway, folder: Path) -> AsyncIterator[Any]:
    """`client(user, **claims)` of an API whose Temporal is not there."""
    [bus] = free_ports(1)
    settings = Settings(
        _env_file=None,
        pilot_env="development",
        pilot_data_dir=folder,
        pilot_bus_url=f"tcp://127.0.0.1:{bus}",
        pilot_bus_token=SecretStr("x" * 32),
        temporal_address="127.0.0.1:1",
        clerk_jwt_issuer=gateway.url,
        supabase_url=gateway.url,
        supabase_key=SecretStr(project.key),
        supabase_service_key=SecretStr(project.service_key),
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):

        def client(user: str, **claims: Any) -> httpx.AsyncClient:
            token = project.clerk.token(user, iss=gateway.url, **claims)
            return httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://pilot",
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
            )

        yield client


async def test_each_request_goes_on_with_its_own_token(
    supabase: SupabaseStore,
    project: Project,
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        serving(project, gateway, tmp_path) as client,
        client("ada") as ada,
        client("eve") as eve,
    ):
        made = await ada.post(W, json={"name": "mine", **GRAPH})
        assert made.status_code == 201, made.text
        url = f"{W}/{made.json()['id']}"
        gateway.calls.clear()

        async def ask(one: httpx.AsyncClient, status: int) -> None:
            assert (await one.get(url)).status_code == status

        await asyncio.gather(*(ask(*pair) for pair in [(ada, 200), (eve, 404)] * 8))
        assert gateway.whose("get_workflow") == {"ada"}
        assert gateway.whose("grant_of_workflow") == {"ada", "eve"}
        shared = await ada.put(f"{url}/shares/eve", json={"role": "viewer"})
        assert shared.status_code in (200, 201), shared.text
        assert (await eve.get(url)).json()["name"] == "mine"
        assert (await eve.put(url, json={"name": "hers", **GRAPH})).status_code == 403
        assert gateway.whose("put_share") == {"ada"}
        assert gateway.whose("get_workflow") == {"ada", "eve"}
        # to start is πlot's own; Temporal is away, and a run that it cannot be asked for has no row
        refused = await ada.post(f"{url}/execute", json={"input": 1})
        assert refused.status_code == 503, refused.text
        assert gateway.whose("create_execution") == set()

        async def answers(_: Runs) -> None:
            """As if it had gone between its sign of life and the start."""

        monkeypatch.setattr(Runs, "require_answer", answers)
        started = await ada.post(f"{url}/execute", json={"input": 1})
        assert started.status_code == 503, started.text
        assert gateway.whose("create_execution") == {"service_role"}
        [run] = (await ada.get("/api/v1/executions")).json()["items"]
        assert run["status"] == "queued"
        assert gateway.whose("list_executions") == {"ada"}
        assert (await ada.get("/health")).json()


async def test_the_databases_no_stands_whatever_the_api_thinks(
    supabase: SupabaseStore,
    project: Project,
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An API that has forgotten to ask who somebody is."""
    workflow = await supabase.create_workflow("ada", name="secret", description="", graph=GRAPH)

    async def everybody(*_: Any) -> str:
        return "ada"

    monkeypatch.setattr("api.access.to_workflow", everybody)
    async with serving(project, gateway, tmp_path) as client, client("eve") as eve:
        assert (await eve.get(f"{W}/{workflow.id}")).status_code == 404
        changed = await eve.put(f"{W}/{workflow.id}", json={"name": "hers", **GRAPH})
        assert changed.status_code == 404, changed.text
        assert (await eve.delete(f"{W}/{workflow.id}")).status_code == 404
    connection = await asyncpg.connect(project.database)
    assert await connection.fetchval("SELECT name FROM workflows WHERE deleted_at IS NULL") == (
        "secret"
    )
    await connection.close()
