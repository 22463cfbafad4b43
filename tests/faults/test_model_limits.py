"""Two workers share a limit on a model's calls, and processes die: a server that counts never sees
more at once, and every run is answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fleet import Fleet
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.postgres import Postgres, postgres
from tests.redis_server import RedisServer
from tests.stack import execute, finished, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# a dead worker is noticed by its heartbeats, and its place is free when its lease ends
WITHIN_S = 200
WORDS = " ".join("abcdefgh")


def asking(**config: Any) -> dict[str, Any]:
    config = {"prompt_template": "x", "model": "m", "on_unknown": "retry", **config}
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "ask", "type": "llm", "config": config},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "target": "output"},
        ],
    }


@contextmanager
def database(kind: str) -> Iterator[Postgres | None]:
    if kind == "sqlite":
        yield None
        return
    with postgres() as server:
        yield server


@asynccontextmanager
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:

        async def answer(_: dict[str, Any]) -> Reply:
            return Reply(WORDS, pause_s=0.1)

        server.answer = answer
        yield server


async def asked(server: OpenAIServer, number: int) -> None:
    async with asyncio.timeout(60):
        while len(server.requests) < number or not server.streaming:
            await asyncio.sleep(0.02)


async def all_succeeded(client: httpx.AsyncClient, ids: list[str]) -> list[dict[str, Any]]:
    """The `ask` node of each."""
    ended = await asyncio.gather(
        *(finished(client, execution_id, within_s=WITHIN_S) for execution_id in ids)
    )
    assert {one["status"] for one in ended} == {"succeeded"}, [one["error"] for one in ended]
    assert {one["output"] for one in ended} == {WORDS}
    return [node for one in ended for node in one["nodes"] if node["id"] == "ask"]


@asynccontextmanager
async def two_workers(
    folder: Path, database_url: str | None, limits: str, **environment: str
) -> AsyncIterator[tuple[OpenAIServer, Fleet, httpx.AsyncClient]]:
    async with (
        model() as server,
        Fleet(
            folder,
            workers=2,
            database_url=database_url,
            PILOT_LLM_API_BASE=server.base_url,
            PILOT_MODEL_LIMITS=limits,
            **environment,
        ) as fleet,
        fleet.client() as client,
    ):
        yield server, fleet, client


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_worker_that_is_killed(tmp_path: Path, kind: str) -> None:
    with database(kind) as held:
        async with two_workers(tmp_path, held and held.url, "m=3") as (server, fleet, client):
            workflow = await save(client, asking())
            ids = [await execute(client, workflow) for _ in range(30)]
            await asked(server, 5)
            await fleet.workers[0].kill()
            await asked(server, 10)
            await fleet.workers[0].start()
            await fleet.workers[1].kill()
            await all_succeeded(client, ids)
            assert server.most_streaming == 3


async def test_a_database_and_a_redis_that_are_killed(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    with postgres() as held:
        async with two_workers(tmp_path, held.url, "m=3", REDIS_URL=redis.url) as both:
            server, _, client = both
            workflow = await save(client, asking())
            ids = [await execute(client, workflow) for _ in range(20)]
            await asked(server, 4)
            redis.kill()
            await asked(server, 8)
            held.kill()
            await asyncio.sleep(2)
            held.start()
            await all_succeeded(client, ids)
            assert server.most_streaming == 3


async def test_a_hundred_runs_at_once(tmp_path: Path) -> None:
    """No attempt is counted for the wait, and the step says what it waits for."""
    with postgres() as held:
        async with two_workers(tmp_path, held.url, "m=10, *=20", PILOT_MAX_ACTIVITIES="20") as both:
            server, _, client = both
            workflow = await save(client, asking(on_unknown="fail"))
            ids = [await execute(client, workflow) for _ in range(100)]
            nodes = await all_succeeded(client, ids)
            assert {node["attempt"] for node in nodes} == {1}
            assert server.most_streaming == 10
            assert len(server.requests) == 100
