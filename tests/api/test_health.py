"""`/livez`, `/readyz` and `/health`: what lives, what is ready, and which part does not answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import health
from pilot import __version__
from pilot.errors import UnavailableError
from tests.api.conftest import Api
from tests.redis_server import RedisServer


@pytest.fixture
def stranger(api: Api) -> httpx.AsyncClient:
    return api.client(None)


async def test_a_process_that_serves_is_alive_and_ready(stranger: httpx.AsyncClient) -> None:
    alive, ready = await stranger.get("/livez"), await stranger.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert {name: part["status"] for name, part in ready.json()["parts"].items()} == {
        "store": "ok",
        "issuer": "ok",
    }
    assert ready.headers["cache-control"] == "no-store"


async def test_without_the_store_it_lives_and_is_not_ready(
    api: Api, stranger: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_self: Any) -> None:
        raise UnavailableError("postgresql://hush")

    monkeypatch.setattr(type(api.parts.store), "ping", away)
    assert (await stranger.get("/livez")).status_code == 200
    for path in ("/readyz", "/health"):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        assert answer.json()["parts"]["store"]["detail"] == "store_unavailable"
        assert "hush" not in answer.text


async def test_without_the_issuers_keys_nobody_is_let_in(serve: Any, tmp_path: Path) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path, clerk_jwt_issuer="http://127.0.0.1:9")) as api:
        answer = await api.client(None).get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["parts"]["issuer"]["status"] == "down"
        told = (await api.client(None).get("/health")).json()
        assert told["parts"]["issuer"]["detail"] == "keys_unavailable"
        assert told["status"] == "degraded"


async def test_a_part_that_hangs_is_given_up_by_itself(
    api: Api, stranger: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_self: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(health, "PART_LIMIT_S", 0.2)
    monkeypatch.setattr(type(api.parts.store), "ping", hangs)
    parts = (await stranger.get("/health")).json()["parts"]
    assert parts["store"]["detail"] == "no answer in 0.2 s"
    assert parts["store"]["latency_ms"] >= 199
    assert parts["encryption"]["status"] == "ok"


async def test_a_process_that_drains_is_alive_and_not_ready(serve: Any, tmp_path: Path) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path)) as api:
        api.parts.draining.set()
        answer = await api.client(None).get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")
        assert (await api.client(None).get("/livez")).status_code == 200
        assert (await api.client().get("/api/v1/workflows")).status_code == 200


async def test_redis_and_the_release_are_told(
    serve: Any, tmp_path: Path, redis_server: RedisServer
) -> None:
    serving, settings_for = serve
    settings = settings_for(
        tmp_path, redis_url=redis_server.url, pilot_build_id="b7", pilot_deployment="d"
    )
    async with serving(settings) as api:
        told = (await api.client(None).get("/health")).json()
        assert (told["version"], told["build"]) == (__version__, "b7")
        assert told["parts"]["redis"]["status"] == "ok"
        redis_server.kill()
        told = (await api.client(None).get("/health")).json()
        assert told["parts"]["redis"]["status"] == "down"
        assert (await api.client(None).get("/readyz")).status_code == 200
