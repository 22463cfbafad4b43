"""A worker is killed in the middle of a map, and of a loop: what has ended is not run again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tests.graph.graphs import graph, node
from tests.stack import Stack, execute, finished, save, until
from tests.workflows_def.bodies import OUT, S, again, code, each
from workflows_def.iterations import GATHER_ITEMS_ACTIVITY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

WITHIN_S = 120
AT_ONCE = 2
LARGE_ITEMS, CHARS = 400, 60_000


@asynccontextmanager
async def server(chars: int = 0) -> AsyncIterator[tuple[str, Counter[str]]]:
    """Answers each request after a while with the last part of its path, and counts them. With
    `chars` it is a text that goes on for so long."""
    asked: Counter[str] = Counter()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        item = request.split()[1].decode().rpartition("/")[2]
        asked[item] += 1
        await asyncio.sleep(0.2)
        body = f'"{item}{"x" * chars}"'.encode() if chars else item.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    serving = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}", asked
    finally:
        serving.close()


async def killed_on_the_way(
    folder: Path, nodes: list[dict[str, Any]], edges: list[str], value: Any, asked: Counter[str]
) -> tuple[dict[str, Any], list[dict[str, Any]], set[str]]:
    """The execution, its recorded iterations, and what had been asked for when the worker was
    killed but for the last ones, which may have been under way."""
    stack = Stack(folder)
    try:
        async with stack.client() as client:
            workflow = await save(client, graph(nodes, *edges).to_json())
            execution_id = await execute(client, workflow, value)
            await until(lambda: len(asked) >= 12, within_s=60)
            before = list(asked)
            os.kill(stack.state()["worker"]["pid"], signal.SIGKILL)
            execution = await finished(client, execution_id, within_s=WITHIN_S)
            url = f"/api/v1/executions/{execution_id}/nodes/{nodes[1]['id']}/iterations"
            rows = (await client.get(url, params={"limit": 200})).json()["items"]
            return execution, rows, set(before[: -2 * AT_ONCE])
    finally:
        stack.stop()


async def test_items_that_have_ended_are_not_run_again(tmp_path: Path) -> None:
    async with server() as (url, asked):
        get = node("get", "http", config={"url": url + "/{item}"})
        nodes = [S, each([get], parallelism=AT_ONCE, window=10), OUT]
        items = list(range(40))
        execution, rows, ended = await killed_on_the_way(
            tmp_path, nodes, ["s>each", "each>o"], items, asked
        )
    assert execution["status"] == "succeeded", execution["error"]
    assert execution["output"] == items
    assert len(ended) >= 8
    assert {item: asked[item] for item in ended} == dict.fromkeys(ended, 1)
    assert sum(asked.values()) <= len(items) + AT_ONCE
    assert [(row["index"], row["status"], row["output"]) for row in rows] == [
        (item, "succeeded", item) for item in items
    ]


async def gathering(temporal: Client, execution_id: str) -> int:
    """The attempt that gathers a map's outputs; 0: none does."""
    run = await temporal.get_workflow_handle(f"execution-{execution_id}").describe()
    pending = run.raw_description.pending_activities
    return max(
        (one.attempt for one in pending if one.activity_type.name == GATHER_ITEMS_ACTIVITY),
        default=0,
    )


async def test_many_outputs_outlive_the_worker(tmp_path: Path) -> None:
    """It is killed while windows run, and while what they came to is gathered."""
    stack = Stack(tmp_path, PILOT_PAYLOADS_MAX_MB="100")
    kept = stack.data_dir / "payloads"
    try:
        async with server(CHARS) as (url, asked), stack.client() as client:
            temporal = await Client.connect(stack.state()["temporal"]["address"])
            get = node("get", "http", config={"url": url + "/{item}"})
            nodes = [S, each([get], parallelism=20, window=50), OUT]
            workflow = await save(client, graph(nodes, "s>each", "each>o").to_json())
            execution_id = await execute(client, workflow, list(range(LARGE_ITEMS)))
            await until(lambda: len(asked) >= LARGE_ITEMS // 2, within_s=90)
            ended = set(list(asked)[: LARGE_ITEMS // 2 - 40])
            os.kill(stack.state()["worker"]["pid"], signal.SIGKILL)
            async with asyncio.timeout(WITHIN_S):
                while not (attempt := await gathering(temporal, execution_id)):
                    await asyncio.sleep(0.01)
            os.kill(stack.state()["worker"]["pid"], signal.SIGKILL)
            async with asyncio.timeout(WITHIN_S):  # it was in the middle
                while await gathering(temporal, execution_id) == attempt:
                    await asyncio.sleep(0.05)
            execution = await finished(client, execution_id, within_s=WITHIN_S)
            assert execution["status"] == "succeeded", execution["error"]
            output = (await client.get(execution["large_output"]["href"])).json()
            assert output == [f"{item}{'x' * CHARS}" for item in range(LARGE_ITEMS)]
            assert {asked[item] for item in ended} == {1}
            assert sum(asked.values()) <= LARGE_ITEMS + 40
            assert [path for path in kept.rglob("*") if path.is_file()]
            await client.delete(f"/api/v1/executions/{execution_id}")
            assert [path for path in kept.rglob("*") if path.is_file()] == []
    finally:
        stack.stop()


async def test_iterations_that_have_ended_are_not_run_again(tmp_path: Path) -> None:
    async with server() as (url, asked):
        get = node("get", "http", config={"url": url + "/{item}"})
        more = code("more", "def main(x):\n    return x + 1")
        nodes = [S, again([get, more], "get>more", condition="item < 30"), OUT]
        execution, rows, ended = await killed_on_the_way(
            tmp_path, nodes, ["s>again", "again>o"], 0, asked
        )
    assert execution["status"] == "succeeded", execution["error"]
    assert execution["output"] == 30
    assert len(ended) >= 8
    assert {item: asked[item] for item in ended} == dict.fromkeys(ended, 1)
    assert sum(asked.values()) <= 31
    assert [(row["index"], row["output"]) for row in rows] == [(n, n + 1) for n in range(30)]
