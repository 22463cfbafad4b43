"""The API as a process: how it ends, several servers behind one port, and reloading."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

import api
from tests.api.conftest import Gate
from tests.fleet import Fleet

W, E = "/api/v1/workflows", "/api/v1/executions"
WITHIN_S = 60


def gated(gate: Gate, name: str) -> dict[str, Any]:
    nodes = [
        {"id": "start", "type": "start"},
        {"id": name, "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}},
        {"id": "end", "type": "output"},
    ]
    edges = [{"source": "start", "target": name}, {"source": name, "target": "end"}]
    return {"name": name, "nodes": nodes, "edges": edges}


async def started(client: httpx.AsyncClient, graph: dict[str, Any]) -> str:
    made = await client.post(W, json=graph)
    answer = await client.post(f"{W}/{made.json()['id']}/execute", json={})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def seqs(stream: httpx.Response) -> AsyncIterator[int]:
    """The `seq` of each event, to the stream's end."""
    async for line in stream.aiter_lines():
        if line.startswith("id: "):
            yield int(line.removeprefix("id: "))


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.05)


async def test_it_drains_then_sends_watchers_elsewhere_and_ends_with_0(
    tmp_path: Path, redis_url: str, gate: Gate
) -> None:
    """And the watchers go on by the other replica, where they were."""
    fleet = Fleet(tmp_path, apis=2, workers=1, REDIS_URL=redis_url, PILOT_API_DRAIN_S="2")
    async with fleet, fleet.client() as client, fleet.events() as socket:
        execution = await started(client, gated(gate, "held"))
        await gate.came("held")
        seen: list[int] = []
        while len(seen) < 3:
            event = json.loads(await asyncio.wait_for(socket.recv(), WITHIN_S))
            if event.get("execution_id") == execution and event.get("seq"):
                seen.append(event["seq"])
        ids: list[int] = []
        async with client.stream("GET", f"{E}/{execution}/events", timeout=WITHIN_S) as stream:
            os.kill(fleet.apis[0].pid, signal.SIGTERM)

            async def is_draining() -> bool:
                answer = await client.get("/readyz")
                return answer.status_code == 503 and answer.json()["status"] == "draining"

            await until(is_draining)
            # it goes on to serve meanwhile
            assert (await client.get(f"{E}/{execution}")).status_code == 200
            assert (await client.get("/livez")).status_code == 200
            slow = asyncio.create_task(client.get(f"{E}/{execution}"))
            async with asyncio.timeout(WITHIN_S):
                ids += [seq async for seq in seqs(stream)]
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                event = json.loads(await asyncio.wait_for(socket.recv(), WITHIN_S))
                if event.get("execution_id") == execution and event.get("seq"):
                    seen.append(event["seq"])
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert "again" in closed.value.rcvd.reason
        assert (await slow).status_code == 200
        assert await fleet.apis[0].exit_code() == 0
        assert "Traceback" not in fleet.apis[0].log()

        gate.open("held")
        headers = {**client.headers, "Last-Event-ID": str(ids[-1])}
        async with (
            httpx.AsyncClient(base_url=fleet.urls[1], headers=headers) as other,
            other.stream("GET", f"{E}/{execution}/events", timeout=WITHIN_S) as stream,
        ):
            ids += [seq async for seq in seqs(stream)]
        assert ids == list(range(1, len(ids) + 1))
        fleet.url = fleet.urls[1]
        async with fleet.events() as next_socket:
            say = {"type": "subscribe", "execution_id": execution, "last_seq": seen[-1]}
            await next_socket.send(json.dumps(say))
            while seen[-1] < ids[-1]:
                event = json.loads(await asyncio.wait_for(next_socket.recv(), WITHIN_S))
                if event.get("execution_id") == execution and event["type"] != "snapshot":
                    seen.append(event["seq"])
        assert seen == ids


async def test_a_second_signal_skips_the_drain(tmp_path: Path) -> None:
    async with Fleet(tmp_path, workers=0, PILOT_API_DRAIN_S="3000") as fleet:
        [process] = fleet.apis
        os.kill(process.pid, signal.SIGTERM)

        async def is_draining() -> bool:
            async with httpx.AsyncClient(base_url=fleet.url) as client:
                return (await client.get("/readyz")).status_code == 503

        await until(is_draining)
        os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            assert await process.exit_code() == 0


def servers_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


async def test_several_servers_answer_on_one_port(
    tmp_path: Path, redis_url: str, gate: Gate
) -> None:
    many = {"PILOT_API_WORKERS": "2"}
    fleet = Fleet(tmp_path, workers=1, REDIS_URL=redis_url, api_environment=many)
    async with fleet, fleet.client() as client:
        [supervisor] = fleet.apis
        pids = {one.pid for one in servers_of(supervisor.pid)}
        assert len(pids) == 2

        async def accepting() -> bool:
            """Every server has a connection of ours: they share the port."""
            async with httpx.AsyncClient(base_url=fleet.url) as fresh:
                assert (await fresh.get("/livez")).status_code == 200
            return supervisor.log().count("Application startup complete") >= 2

        await until(accepting)
        sockets = [fleet.events() for _ in range(12)]
        opened = [await socket for socket in sockets]
        execution = await started(client, gated(gate, "many"))
        await gate.came("many")
        gate.open("many")
        for socket in opened:  # whichever server it is on, it has the whole run
            seen = []
            async with asyncio.timeout(WITHIN_S):
                while not seen or seen[-1]["type"] != "execution.succeeded":
                    event = json.loads(await socket.recv())
                    if event.get("execution_id") == execution and event.get("seq"):
                        seen.append(event)
            assert [one["seq"] for one in seen] == list(range(1, len(seen) + 1))
            await socket.close()

        victim = min(pids)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len({one.pid for one in servers_of(supervisor.pid)} - {victim}) == 2)
        for _ in range(20):
            async with httpx.AsyncClient(base_url=fleet.url, timeout=WITHIN_S) as fresh:
                assert (await fresh.get("/livez")).status_code == 200

        left = [one.pid for one in servers_of(supervisor.pid)]
        os.kill(supervisor.pid, signal.SIGTERM)
        assert await supervisor.exit_code() == 0
        assert not any(psutil.pid_exists(pid) for pid in left)


async def test_several_servers_without_redis_do_not_start(tmp_path: Path) -> None:
    [process] = Fleet(tmp_path, workers=0, api_environment={"PILOT_API_WORKERS": "2"}).apis
    process.spawn()
    async with asyncio.timeout(WITHIN_S):
        assert await process.exit_code() == 2
    assert "PILOT_API_WORKERS is 2, and REDIS_URL is not set" in process.log()
    assert process.log().count("\n") == 1


async def test_debug_serves_documentation_and_starts_anew_when_code_changes(
    tmp_path: Path,
) -> None:
    debug = {"DEBUG": "true"}
    async with (
        Fleet(tmp_path, workers=0, api_environment=debug) as fleet,
        httpx.AsyncClient(base_url=fleet.url, timeout=WITHIN_S) as client,
    ):
        assert (await client.get("/docs")).status_code == 200
        [supervisor] = fleet.apis
        [server] = servers_of(supervisor.pid)
        changed = Path(api.__file__)
        stamp = changed.stat()

        touched = 0.0

        def started_anew() -> bool:
            # again and again, as the first may come before it is looked at first; not so often that
            # what starts anew never gets to it
            nonlocal touched
            if time.monotonic() - touched > 5:
                touched = time.monotonic()
                os.utime(changed)
            return bool({one.pid for one in servers_of(supervisor.pid)} - {server.pid})

        try:
            await until(started_anew)
        finally:
            os.utime(changed, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        # the port was never closed
        async with httpx.AsyncClient(base_url=fleet.url, timeout=WITHIN_S) as fresh:
            assert (await fresh.get("/livez")).status_code == 200
