"""What processes hold of large values, by the kernel's own high-water mark of each: a part of them,
however large they are."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.payloads import Bytes, Memory, each, fetch, run
from tests.stack import Stack

MEGABYTES = 50
SMALL = 2_500_000
"""Bytes, that are kept apart as well."""
BEFORE = 6
"""So many runs of those start the threads that there will be."""
ITEMS_BEFORE = 150
OF_A_MAP = 3
"""So many times its output: held whole it was nine and twenty times."""
READERS = 4
SHARE = 0.5
"""Of the value: one copy would be all of it. What is held is some pieces, some 10 MB."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bytes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def stack(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    port = origin.rpartition(":")[2]
    folder: Path = tmp_path_factory.mktemp("memory")
    made = Stack(folder, PILOT_PAYLOADS_MAX_MB="100", PILOT_ALLOWED_PORTS=f"80,443,{port}")
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("path", "response"),
    [("{}", "text"), ("json/{}", "json"), ("{}", "file")],
    ids=["text", "json", "file"],
)
async def test_a_large_response_is_never_held(
    stack: Stack, origin: str, path: str, response: str
) -> None:
    memory = {name: Memory(stack.state()[name]["pid"]) for name in ("worker", "api")}
    async with stack.client() as client:
        small = fetch(f"{origin}/{path.format(SMALL)}", response)
        await asyncio.gather(*(run(client, small) for _ in range(BEFORE)))
        await memory["worker"].settled()
        before = {name: one.now for name, one in memory.items()}
        for one in memory.values():
            one.forget_highest()
        size = MEGABYTES * 1_000_000
        found = await run(client, fetch(f"{origin}/{path.format(size)}", response))
    assert found["status"] == "succeeded", found["error"]
    assert found["large_output"]["bytes"] > 0.8 * size
    more = {name: one.highest - before[name] for name, one in memory.items()}
    assert max(more.values()) < SHARE * MEGABYTES, more


@pytest.mark.parametrize(("items", "size"), [(1_000, 30_000), (400, 100_000)])
async def test_a_map_holds_few_of_its_outputs(stack: Stack, items: int, size: int) -> None:
    memory = Memory(stack.state()["worker"]["pid"])
    async with stack.client() as client:
        for _ in range(2):
            await run(client, each(size), list(range(ITEMS_BEFORE)))
        await memory.settled()
        before = memory.now
        memory.forget_highest()
        found = await run(client, each(size), list(range(items)))
    assert found["status"] == "succeeded", found["error"]
    assert found["large_output"]["bytes"] > items * size
    more = memory.highest - before
    assert more < OF_A_MAP * items * size / 1e6, more


async def test_for_readers_that_are_slow_the_api_holds_little(stack: Stack, origin: str) -> None:
    memory = Memory(stack.state()["api"]["pid"])
    async with stack.client() as client:
        found = await run(client, fetch(f"{origin}/{MEGABYTES * 1_000_000}"))
        output = f"/api/v1/executions/{found['id']}/output"
        await client.get(output, headers={"Range": f"bytes=0-{SMALL}"})
        before = memory.now
        memory.forget_highest()
        read = await asyncio.gather(*(slowly(client, output) for _ in range(READERS)))
    assert read == [MEGABYTES * 1_000_000 + 2] * READERS
    assert memory.highest - before < SHARE * MEGABYTES


async def slowly(client: httpx.AsyncClient, path: str) -> int:
    """How many bytes it has, read with a pause."""
    read, pause = 0, 2.0
    async with client.stream("GET", path) as answer:
        async for piece in answer.aiter_raw():
            read += len(piece)
            if pause and read > SMALL:
                await asyncio.sleep(pause)
                pause = 0
    return read
