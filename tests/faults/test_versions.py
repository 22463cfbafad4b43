"""Processes are killed while versions are saved and published: runs keep theirs, and what was
answered holds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pilot.dev import fetch_health, is_healthy
from tests.faults.test_deaths import fetching, slow_server
from tests.stack import Stack, execute, finished, save, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")

W = "/api/v1/workflows"
RESTART_LIMIT_S = 60


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the test's own, to be killed."""
    running = Stack(tmp_path)
    yield running
    running.stop()


async def kill(stack: Stack, *parts: str) -> None:
    """Kills them at once, and waits until all is well again."""
    before = stack.state()
    for part in parts:
        os.kill(before[part]["pid"], signal.SIGKILL)
    await until(
        lambda: all(stack.state()[part]["pid"] != before[part]["pid"] for part in parts),
        within_s=RESTART_LIMIT_S,
    )
    port = int(stack.url.rpartition(":")[2])
    async with asyncio.timeout(RESTART_LIMIT_S):
        while not is_healthy(await fetch_health(port)):
            await asyncio.sleep(0.2)


def replying(text: str) -> dict[str, Any]:
    return {
        "name": text,
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "output", "type": "output", "config": {"value": text}},
        ],
        "edges": [{"source": "start", "target": "output"}],
    }


async def publish(client: httpx.AsyncClient, workflow: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{W}/{workflow}/publish", json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def test_a_run_keeps_its_version_when_all_that_drives_it_dies(own_stack: Stack) -> None:
    async with own_stack.client() as client, slow_server(0.1) as (url, asked):
        workflow = await save(client, fetching(url))
        await publish(client, workflow)
        old = await execute(client, workflow)
        await asyncio.wait_for(asked.wait(), 30)
        assert (await client.put(f"{W}/{workflow}", json=replying("new"))).status_code == 200
        await publish(client, workflow)
        await kill(own_stack, "worker", "api", "temporal")
        new = await finished(client, await execute(client, workflow), within_s=90)
        assert (new["workflow_version"], new["output"]) == (2, "new")
        execution = await finished(client, old, within_s=90)
    assert execution["status"] == "succeeded", execution["error"]
    assert (execution["workflow_version"], execution["output"]) == (1, [{"attempt": 2}])
    assert [node["id"] for node in execution["nodes"]] == ["start", "fetch", "after", "output"]


async def settled(client: httpx.AsyncClient, workflow: str) -> dict[str, Any]:
    """The workflow, once what was asked for and not waited for has been done."""
    async with asyncio.timeout(RESTART_LIMIT_S):
        while True:
            before = (await client.get(f"{W}/{workflow}")).json()
            await asyncio.sleep(1)
            now: dict[str, Any] = (await client.get(f"{W}/{workflow}")).json()
            if now == before:
                return now


async def test_what_was_published_before_the_api_died_is_published(own_stack: Stack) -> None:
    """The API is killed in the midst of saves and publications, three times over."""
    told: list[dict[str, Any]] = []

    async def edit(client: httpx.AsyncClient, workflow: str, editor: int) -> None:
        number = 0
        while True:
            number += 1
            try:
                saved = await client.put(f"{W}/{workflow}", json=replying(f"{editor}.{number}"))
                version = saved.json()["version"]
                note = f"{editor}.{number}"
                told.append(await publish(client, workflow, version=version, note=note))
            except httpx.TransportError:
                await asyncio.sleep(0.05)

    async with own_stack.client() as client:
        workflow = await save(client, replying("first"))
        for death in range(1, 4):
            editors = [asyncio.create_task(edit(client, workflow, n)) for n in range(4)]
            before = len(told)
            async with asyncio.timeout(RESTART_LIMIT_S):
                while len(told) < before + 10 * death:
                    await asyncio.sleep(0.01)
            await kill(own_stack, "api")
            for editor in editors:
                editor.cancel()
            results = await asyncio.gather(*editors, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in results), results
        now = await settled(client, workflow)
        listed: dict[int, dict[str, Any]] = {}
        cursor = None
        while True:
            params = {"limit": 200, **({"cursor": cursor} if cursor else {})}
            page = (await client.get(f"{W}/{workflow}/versions", params=params)).json()
            listed |= {one["version"]: one for one in page["items"]}
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert sorted(listed) == list(range(1, now["version"] + 1))
    assert [n for n, one in listed.items() if one["is_published"]] == [now["published_version"]]
    # each publication that was answered is there, as it was said, and has a number of its own
    assert len({one["number"] for one in told}) == len(told)
    assert max(one["number"] for one in told) <= now["publication"]
    for one in told:
        assert (listed[one["version"]]["name"], listed[one["version"]]["note"]) == (
            one["note"],
            one["note"],
        )
    # all publications are of different versions here, so none is missing between the numbers
    assert sum(one["published_at"] is not None for one in listed.values()) == now["publication"]
