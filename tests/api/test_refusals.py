"""An execute that is refused has left nothing: no row, no workflow in Temporal, no usage."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.test_executions import saved

W, E, USAGE = "/api/v1/workflows", "/api/v1/executions", "/api/v1/usage"


@pytest.fixture
def someone() -> str:
    return f"user_{uuid4().hex[:12]}"


@pytest.fixture
async def limited(
    serve: Any, tmp_path: Any, temporal_address: str, redis_server: Any
) -> AsyncIterator[Api]:
    """An API with every limit, a Temporal, and a Redis of its own."""
    serving, settings_for = serve
    settings = settings_for(
        tmp_path,
        temporal_address=temporal_address,
        temporal_task_queue=f"nobody-polls-{uuid4().hex}",
        pilot_rate_executes="2/hour",
        pilot_max_runs_per_user=1,
        redis_url=redis_server.url,
    )
    async with serving(settings) as api:
        yield api


async def left(api: Api, client: httpx.AsyncClient, user: str) -> tuple[int, int, int]:
    """Rows, workflows that Temporal has, and calls counted, of a user."""
    rows = (await client.get(E)).json()["items"]
    usage = (await client.get(USAGE)).json()
    query = f"PilotUser = '{user}'"
    runs = [one async for one in api.parts.runs.client.list_workflows(query)]
    return len(rows), len(runs), usage["total"]["calls"]


async def settled(api: Api, client: httpx.AsyncClient, user: str, most: int) -> tuple[int, ...]:
    """The same, once Temporal's list has that many; its list comes a little later."""
    async with asyncio.timeout(20):
        while (await left(api, client, user))[1] < most:
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # and for one more, that should not be
    return await left(api, client, user)


async def test_over_the_rate_nothing_is_written(
    limited: Api, redis_server: Any, make_chain: Any, someone: str
) -> None:
    client = limited.client(someone)
    execute = f"{W}/{await saved(client, make_chain())}/execute"
    first, queued, refused = [await client.post(execute, json={}) for _ in range(3)]
    assert [one.status_code for one in (first, queued, refused)] == [202, 202, 429]
    # one over the runs of a user is no refusal: it is a row that waits, and has no workflow
    assert queued.json()["queue"]["reason"] == "concurrency"
    assert refused.json()["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) > 0
    assert await settled(limited, client, someone, 1) == (2, 1, 0)

    # without Redis this process counts by itself, and refuses all the same
    redis_server.kill()
    other = f"{someone}-2"
    client = limited.client(other)
    execute = f"{W}/{await saved(client, make_chain())}/execute"
    answers = [await client.post(execute, json={}) for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 429]
    assert await settled(limited, client, other, 1) == (2, 1, 0)


async def test_without_a_store_nothing_is_started(
    serve: Any, tmp_path: Any, temporal_address: str, make_chain: Any, someone: str
) -> None:
    serving, settings_for = serve
    settings = settings_for(
        tmp_path, temporal_address=temporal_address, temporal_task_queue=f"none-{uuid4().hex}"
    )
    async with serving(settings) as api:
        client = api.client(someone)
        execute = f"{W}/{await saved(client, make_chain())}/execute"
        locked = sqlite3.connect(tmp_path / "pilot.db", isolation_level=None)
        locked.execute("BEGIN EXCLUSIVE")
        try:
            refused = await client.post(execute, json={}, timeout=60)
        finally:
            locked.execute("ROLLBACK")
            locked.close()
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert await left(api, client, someone) == (0, 0, 0)
        # and once it is there, runs are
        assert (await client.post(execute, json={})).status_code == 202
        assert await settled(api, client, someone, 1) == (1, 1, 0)


async def test_without_temporal_nothing_is_written(api: Api, make_chain: Any, someone: str) -> None:
    client = api.client(someone)  # the API is every test's, and others have used it
    workflow = await saved(client, make_chain())
    for headers in ({}, {"Idempotency-Key": uuid4().hex}):
        refused = await client.post(f"{W}/{workflow}/execute", json={}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "temporal_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        assert "Location" not in refused.headers
    rows = await client.get(E, params={"workflow_id": workflow})
    assert rows.json()["items"] == []
    assert (await client.get(USAGE)).json()["total"]["calls"] == 0
