"""Two API processes, two workers and a Redis that dies, comes back empty, or is flushed: every
watcher still sees each `seq` once and in order, and requests are served all the time."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from tests.fleet import Fleet
from tests.redis_server import RedisServer
from tests.stack import FINAL, execute, finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(300),
]

LENGTH = 8
WITHIN_S = 60.0


class Steps:
    """An HTTP server whose answers are let out one by one."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(0)
        self.url = ""

    def let(self, count: int) -> None:
        for _ in range(count):
            self._turns.release()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._turns.acquire()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def steps() -> AsyncIterator[Steps]:
    made = Steps()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield made
    finally:
        server.close()


def chain(url: str) -> dict[str, Any]:
    names = [f"n{number}" for number in range(LENGTH)]
    ids = ["start", *names, "output"]
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            *({"id": name, "type": "http", "config": {"url": url}} for name in names),
            {"id": "output", "type": "output"},
        ],
        "edges": [{"source": a, "target": b} for a, b in pairwise(ids)],
    }


@dataclass
class Site:
    fleet: Fleet
    redis: RedisServer

    def on(self, replica: int, user: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.fleet.token(user)}"}
        return httpx.AsyncClient(base_url=self.fleet.urls[replica], headers=headers, timeout=30)


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    folder = tmp_path_factory.mktemp("fleet")
    try:
        async with Fleet(folder, workers=2, apis=2, REDIS_URL=server.url) as fleet:
            yield Site(fleet, server)
    finally:
        server.kill()


@pytest.fixture
def user() -> str:
    return f"user-{uuid4().hex}"


class Watcher:
    """All durable events of one connection after another, as they came."""

    def __init__(self) -> None:
        self.seqs: dict[str, list[int]] = {}
        self.ended: set[str] = set()
        self.tasks: list[asyncio.Task[None]] = []

    def note(self, event: dict[str, Any]) -> None:
        if "seq" in event and event["type"] != "snapshot":
            execution = event["execution_id"]
            self.seqs.setdefault(execution, []).append(event["seq"])
            if event["type"].startswith("execution.") and event["type"].endswith(FINAL):
                self.ended.add(execution)

    async def saw(self, execution: str, seq: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while (self.seqs.get(execution) or [0])[-1] < seq:
                await asyncio.sleep(0.02)

    async def saw_the_end(self, execution: str) -> list[int]:
        async with asyncio.timeout(WITHIN_S):
            while execution not in self.ended:
                await asyncio.sleep(0.02)
        return self.seqs[execution]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def over_websocket(self, site: Site, replica: int, user: str) -> None:
        """Everything that the user's runs do from now on."""
        url = site.fleet.urls[replica].replace("http", "ws", 1)
        token = {"Authorization": f"Bearer {site.fleet.token(user)}"}
        socket = await connect(f"{url}/ws/{user}", additional_headers=token)
        await socket.send(json.dumps({"type": "ping"}))
        while json.loads(await socket.recv())["type"] != "pong":
            pass

        async def listen() -> None:
            async with socket:
                async for message in socket:
                    self.note(json.loads(message))

        self.tasks.append(asyncio.create_task(listen()))

    def over_sse(self, site: Site, replica: int, user: str, execution: str) -> None:
        """One execution, from after what was seen of it, until the connection ends."""
        seen = (self.seqs.get(execution) or [0])[-1]

        async def listen() -> None:
            async with site.on(replica, user) as client:
                path = f"/api/v1/executions/{execution}/events"
                headers = {"Last-Event-ID": str(seen)}
                async with client.stream("GET", path, headers=headers, timeout=None) as lines:
                    async for line in lines.aiter_lines():
                        if line.startswith("data: "):
                            self.note(json.loads(line.removeprefix("data: ")))

        self.tasks.append(asyncio.create_task(listen()))


@asynccontextmanager
async def watching() -> AsyncIterator[list[Watcher]]:
    watchers = [Watcher() for _ in range(4)]
    try:
        yield watchers
    finally:
        await asyncio.gather(*(watcher.stop() for watcher in watchers))


def whole(seqs: list[int]) -> bool:
    # start, the chain and output begin and end; the run does too
    return seqs == list(range(1, 2 * (LENGTH + 2) + 3))


@pytest.mark.parametrize("fault", ["killed", "flushed"])
async def test_watchers_of_both_replicas_see_all_through_a_fault_of_redis(
    site: Site, user: str, fault: str
) -> None:
    async with steps() as turns, watching() as watchers, site.on(0, user) as client:
        for replica, watcher in enumerate(watchers[:2]):
            await watcher.over_websocket(site, replica, user)
        workflow = await save(client, chain(turns.url))
        execution = await execute(client, workflow)
        for replica, watcher in enumerate(watchers[2:]):
            watcher.over_sse(site, replica, user, execution)
        turns.let(2)
        for watcher in watchers:
            await watcher.saw(execution, 5)

        if fault == "flushed":
            redis = Redis.from_url(site.redis.url)
            for _ in range(4):
                turns.let(1)
                await redis.flushall()
                await asyncio.sleep(0.1)
            await redis.aclose()
            second = await execute(client, workflow)
        else:
            site.redis.kill()
            turns.let(2)
            # reading, writing and starting go on, and what is started now is seen too
            began = time.monotonic()
            other = await save(client, chain(turns.url))
            second = await execute(client, other)
            async with site.on(1, user) as elsewhere:
                assert (await elsewhere.get(f"/api/v1/executions/{second}")).status_code == 200
                health = (await elsewhere.get("/health")).json()
            assert health["parts"]["bus"]["status"] == "down"
            assert time.monotonic() - began < 15
            turns.let(4)
            for watcher in watchers:  # kept up to date without it
                await watcher.saw(execution, 8)
            site.redis.start()
        turns.let(2 * LENGTH)
        for watcher in watchers:
            assert whole(await watcher.saw_the_end(execution))
        for watcher in watchers[:2]:
            assert whole(await watcher.saw_the_end(second))
        assert (await finished(client, execution))["status"] == "succeeded"


async def test_a_watcher_whose_replica_is_killed_goes_on_at_the_other(
    site: Site, user: str
) -> None:
    async with steps() as turns, watching() as watchers, site.on(1, user) as client:
        execution = await execute(client, await save(client, chain(turns.url)))
        for watcher in watchers:
            watcher.over_sse(site, 0, user, execution)
        turns.let(3)
        for watcher in watchers:
            await watcher.saw(execution, 6)
        await site.fleet.apis[0].kill()
        turns.let(2)
        await asyncio.gather(*(watcher.stop() for watcher in watchers))
        for watcher in watchers[:3]:
            watcher.over_sse(site, 1, user, execution)
        turns.let(1)
        for watcher in watchers[:3]:
            await watcher.saw(execution, 8)
        await site.fleet.apis[0].start()
        watchers[3].over_sse(site, 0, user, execution)  # the one that lives anew knows as much
        turns.let(LENGTH)
        for watcher in watchers:
            assert whole(await watcher.saw_the_end(execution))


async def test_a_worker_that_is_killed_tears_no_gap(site: Site, user: str) -> None:
    async with steps() as turns, watching() as watchers, site.on(0, user) as client:
        for replica, watcher in enumerate(watchers[:2]):
            await watcher.over_websocket(site, replica, user)
        execution = await execute(client, await save(client, chain(turns.url)))
        for worker in site.fleet.workers:
            turns.let(2)
            await worker.kill()
            await worker.start()
        turns.let(2 * LENGTH)
        for watcher in watchers[:2]:
            assert whole(await watcher.saw_the_end(execution))
        assert (await finished(client, execution))["status"] == "succeeded"
