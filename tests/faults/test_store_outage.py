"""The database is away while runs are under way, and comes back."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection

from tests.faults.counting_server import CountingServer, counting_server
from tests.faults.truth import assert_whole
from tests.fleet import Fleet
from tests.postgres import postgres
from tests.stack import FINAL, execute, finished, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

RUNS = 10
ANSWER_LIMIT_S = 20.0


async def refused(
    client: httpx.AsyncClient, method: str, path: str, **request: Any
) -> httpx.Response:
    began = time.monotonic()
    answer = await client.request(method, path, **request)
    assert time.monotonic() - began < ANSWER_LIMIT_S
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "store_unavailable", answer.text
    return answer


class Watcher:
    """One WebSocket that stays open, and the `seq`s that it carried."""

    def __init__(self) -> None:
        self.seqs: defaultdict[str, list[int]] = defaultdict(list)
        self.ended: set[str] = set()

    async def read(self, socket: ClientConnection) -> None:
        async for message in socket:
            event = json.loads(message)
            if "seq" in event:
                self.seqs[event["execution_id"]].append(event["seq"])
            if event["type"].startswith("execution.") and event["type"].endswith(FINAL):
                self.ended.add(event["execution_id"])


@asynccontextmanager
async def watching(fleet: Fleet) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    async with fleet.events() as socket:
        reading = asyncio.create_task(watcher.read(socket))
        await asyncio.sleep(0.3)  # until the socket holds nothing back any more
        try:
            yield watcher
            assert not reading.done(), "the socket was closed"
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def two_requests(out: CountingServer, first: str, second: str) -> dict[str, Any]:
    graph = out.graph(first)
    graph["nodes"].append({"id": "more", "type": "http", "config": {"url": out.url + second}})
    graph["edges"][-1:] = [
        {"source": "after", "target": "more"},
        {"source": "more", "target": "output"},
    ]
    return graph


async def insist(client: httpx.AsyncClient, workflow_id: str, key: str) -> str:
    """Executes by a client that repeats what is answered by 503."""
    while True:
        answer = await client.post(
            f"/api/v1/workflows/{workflow_id}/execute",
            json={"input": None},
            headers={"Idempotency-Key": key},
        )
        if answer.status_code in (200, 202):
            return str(answer.json()["id"])
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.3)


async def survive(
    fleet: Fleet,
    client: httpx.AsyncClient,
    out: CountingServer,
    name: str,
    *,
    begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
    can_read: bool,
) -> float:
    """The seconds from the database's return until all is recorded."""
    gate = out.hold(f"/{name}")
    workflow = await save(client, two_requests(out, f"/{name}", f"/{name}-more"))
    simple = await save(client, out.graph(f"/{name}-simple"))
    async with watching(fleet) as watcher:
        runs = [await execute(client, workflow) for _ in range(RUNS)]
        async with asyncio.timeout(30):
            while out.counts[f"/{name}"] < RUNS:
                await asyncio.sleep(0.05)
        await begin()
        insisting = [
            asyncio.create_task(insist(client, simple, f"{name}-{number}")) for number in range(5)
        ]
        gate.set()
        await asyncio.gather(
            refused(client, "POST", "/api/v1/workflows", json={"name": "x", **out.graph("/x")}),
            refused(client, "POST", f"/api/v1/workflows/{simple}/execute"),
        )
        read = f"/api/v1/executions/{runs[0]}"
        if can_read:
            assert (await client.get(read)).status_code == 200
        else:
            await refused(client, "GET", read)
            await refused(client, "GET", f"{read}/events")
            health = await client.get("/health")
            assert health.status_code == 503
            assert health.json()["parts"]["store"]["detail"] == "store_unavailable"
            assert health.json()["parts"]["temporal"]["status"] == "ok"
        async with asyncio.timeout(30):  # the runs go on meanwhile, and are watched
            while out.counts[f"/{name}-more"] < RUNS or not watcher.ended.issuperset(runs):
                await asyncio.sleep(0.05)
        await end()
        back = time.monotonic()
        async with asyncio.timeout(60):
            late = await asyncio.gather(*insisting)
        assert len(set(late)) == 5
        for one in (*runs, *late):
            assert (await finished(client, one, within_s=60))["status"] == "succeeded"
        recorded = time.monotonic() - back
    assert out.counts[f"/{name}"] == out.counts[f"/{name}-more"] == RUNS
    assert out.counts[f"/{name}-simple"] == 5
    temporal = await fleet.temporal_client()
    for one in (*runs, *late):
        await assert_whole(client, temporal, one)
        seqs = watcher.seqs[one]
        assert seqs == list(range(1, len(seqs) + 1))
    return recorded


async def test_a_sqlite_file_that_another_process_locks(tmp_path: Path) -> None:
    async with counting_server() as out, Fleet(tmp_path) as fleet, fleet.client() as client:
        blocker = sqlite3.connect(fleet.data_dir / "pilot.db", isolation_level=None)

        async def lock() -> None:
            async with asyncio.timeout(10):
                while True:
                    try:
                        blocker.execute("BEGIN EXCLUSIVE")
                        return
                    except sqlite3.OperationalError:
                        await asyncio.sleep(0.01)

        async def unlock() -> None:
            blocker.execute("ROLLBACK")

        await lock()  # a short one is waited out
        saving = asyncio.create_task(save(client, out.graph("/short")))
        await asyncio.sleep(1)
        assert not saving.done()
        await unlock()
        await saving

        took = await survive(fleet, client, out, "locked", begin=lock, end=unlock, can_read=True)
        print(f"all recorded {took:.1f} s after the lock was gone")


async def test_a_postgresql_that_is_killed_or_stopped(tmp_path: Path) -> None:
    with postgres() as server:
        async with (
            counting_server() as out,
            Fleet(tmp_path, database_url=server.url) as fleet,
            fleet.client() as client,
        ):
            pids = [part.pid for part in (*fleet.apis, *fleet.workers)]
            for name, off in (("killed", server.kill), ("stopped", server.stop)):

                async def begin(off: Callable[[], None] = off) -> None:
                    await asyncio.to_thread(off)

                async def end() -> None:
                    await asyncio.to_thread(server.start)

                took = await survive(fleet, client, out, name, begin=begin, end=end, can_read=False)
                print(f"{name}: all recorded {took:.1f} s after PostgreSQL was back")
            assert pids == [part.pid for part in (*fleet.apis, *fleet.workers)]
            assert "Traceback" not in fleet.apis[0].log(), fleet.apis[0].log()
