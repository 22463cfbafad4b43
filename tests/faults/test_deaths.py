"""What dies comes back, or takes its children with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from pilot.dev import fetch_health, is_healthy
from tests.stack import Stack, execute, finished, save, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of the test's own, to be killed."""
    running = Stack(tmp_path)
    yield running
    running.stop()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


@asynccontextmanager
async def slow_server(delay_s: float) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An HTTP server on loopback that answers its first request never and later ones after
    `delay_s`; the event says that the first has come."""
    asked = asyncio.Event()
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        asked.set()
        await asyncio.sleep(delay_s if requests > 1 else 3600)
        body = b'{"attempt": %d}' % requests
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", asked
    finally:
        server.close()


def fetching(url: str) -> dict[str, object]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "fetch", "type": "http", "config": {"url": url}},
            {"id": "after", "type": "code", "config": {"source": "def main(x):\n    return [x]\n"}},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "fetch"},
            {"source": "fetch", "target": "after"},
            {"source": "after", "target": "output"},
        ],
    }


async def test_a_run_outlives_the_worker_that_it_was_on(own_stack: Stack) -> None:
    async with own_stack.client() as client, slow_server(0.1) as (url, asked):
        execution_id = await execute(client, await save(client, fetching(url)))
        await asyncio.wait_for(asked.wait(), 10)
        killed = own_stack.state()["worker"]["pid"]
        os.kill(killed, signal.SIGKILL)

        def restarted() -> bool:
            pid = own_stack.state()["worker"]["pid"]
            return pid != killed and psutil.pid_exists(pid)

        await until(restarted, within_s=10)
        execution = await finished(client, execution_id, within_s=45)
    # what the dead worker had not sent yet was fetched before the execution became final
    assert {node["status"] for node in execution["nodes"]} == {"succeeded"}
    assert execution["status"] == "succeeded", execution["error"]
    assert execution["output"] == [{"attempt": 2}]
    assert "worker ended (killed by SIGKILL): starting it again" in own_stack.errors()


async def test_api_and_temporal_are_restarted_on_their_ports(own_stack: Stack) -> None:
    before = own_stack.state()
    async with own_stack.client() as client:
        old = await execute(client, await save(client, fetching("http://127.0.0.1:9/")))
        for part in ("api", "temporal"):
            os.kill(before[part]["pid"], signal.SIGKILL)
        await until(
            lambda: all(
                own_stack.state()[part]["pid"] != before[part]["pid"]
                for part in ("api", "temporal")
            ),
            within_s=10,
        )
        assert own_stack.state()["temporal"]["address"] == before["temporal"]["address"]

        port = int(own_stack.url.rpartition(":")[2])
        async with asyncio.timeout(20):
            while not is_healthy(await fetch_health(port)):
                await asyncio.sleep(0.2)
        # the run that was under way is still known, and can be ended
        assert (await client.post(f"/api/v1/executions/{old}/cancel")).status_code == 202
        assert (await finished(client, old))["status"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_every_child_and_nothing_is_lost(
    tmp_path: Path, number: signal.Signals
) -> None:
    stack = Stack(tmp_path)
    graph = {
        "nodes": [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}],
        "edges": [{"source": "start", "target": "output"}],
    }
    async with stack.client() as client:
        execution_id = await execute(client, await save(client, graph), {"kept": True})
        await finished(client, execution_id)
    children = stack.descendants()
    assert len(children) >= 3
    assert stack.stop(number) == 0
    assert gone(children)
    assert not (stack.data_dir / "pilot.json").exists()

    again = Stack(tmp_path)
    try:
        async with again.client() as client:
            execution = await finished(client, execution_id)
            assert execution["output"] == {"kept": True}
            next_id = await execute(client, execution["workflow_id"], 7)
            assert (await finished(client, next_id))["output"] == 7
    finally:
        again.stop()


async def test_no_child_survives_a_supervisor_that_is_killed(own_stack: Stack) -> None:
    async with own_stack.client() as client:  # the sandbox's processes are children too
        code = {"id": "code", "type": "code", "config": {"source": "1 + 1"}}
        graph = {
            "nodes": [{"id": "start", "type": "start"}, code],
            "edges": [{"source": "start", "target": "code"}],
        }
        workflow = await client.post("/api/v1/workflows", json={"name": "code", **graph})
        await finished(client, await execute(client, workflow.json()["id"]))
    children = own_stack.descendants()
    assert len(children) >= 3
    own_stack.process.kill()
    await until(lambda: gone(children), within_s=5)
