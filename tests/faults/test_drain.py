"""SIGTERM: a worker takes nothing more, its running activities get their time, and what is not
done by then goes on elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection

from tests.fleet import Fleet, Part
from tests.openai_server import Reply, openai_server
from tests.outside import Outside, outside
from tests.stack import execute, finished, save, until
from worker import ENDING_S

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(400),
]

# How much longer than its grace a process may take on a machine that is busy.
SLACK_S = 10.0
# A model client is imported in seconds, or a minute where everybody does it at once.
WITHIN_S = 120.0


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    """Temporal and an API. Each test has workers of its own."""
    async with Fleet(tmp_path_factory.mktemp("drain"), workers=0) as fleet:
        yield fleet


_numbers = itertools.count()


@asynccontextmanager
async def worker(fleet: Fleet, **environment: str) -> AsyncIterator[Part]:
    part = fleet.worker(next(_numbers), **environment)
    await part.start()
    try:
        yield part
    finally:
        await part.stop()


@pytest.fixture
async def world() -> AsyncIterator[Outside]:
    async with outside() as world:
        yield world


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """All nodes side by side, whatever becomes of them, and their outputs and errors."""
    ids = [node["id"] for node in nodes]
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            *({"on_error": "continue", **node} for node in nodes),
            {"id": "output", "type": "output"},
        ],
        "edges": [
            *({"source": "start", "target": one} for one in ids),
            *({"source": one, "target": "output"} for one in ids),
        ],
    }


def http(id: str, url: str, **config: Any) -> dict[str, Any]:
    return {"id": id, "type": "http", "config": {"url": url, **config}}


def llm(id: str, **config: Any) -> dict[str, Any]:
    return {"id": id, "type": "llm", "config": {"prompt_template": id, **config}}


def code(id: str, source: str, time_s: float) -> dict[str, Any]:
    return {"id": id, "type": "code", "config": {"source": source, "limits": {"time_s": time_s}}}


STOPPING = "stopping: no new tasks are taken"
SPIN = "def main():\n    while True:\n        pass"


def terminate(part: Part) -> float:
    os.kill(part.pid, signal.SIGTERM)
    return time.monotonic()


async def exit_code(part: Part, *, within_s: float) -> int:
    """Of a process that ends by itself. It is not reaped, as the fleet kills what it leaves
    behind when it does that."""

    def ended() -> Any:
        return os.waitid(os.P_PID, part.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)

    result = await until(ended, within_s=within_s, every_s=0.05)
    assert result.si_code == os.CLD_EXITED, (result, part.log()[-3000:])
    return int(result.si_status)


def subprocesses(part: Part) -> list[psutil.Process]:
    return psutil.Process(part.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != "zombie"]


def nodes_of(execution: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in execution["nodes"]}


async def test_what_ends_in_time_counts_and_nothing_new_is_taken(
    fleet: Fleet, world: Outside
) -> None:
    async with fleet.client() as client, worker(fleet, PILOT_DRAIN_S="60") as old:
        slow = await save(client, graph(http("get", world.url("hold", "slow"))))
        quick = await save(client, graph(http("get", world.url("ok", "quick"))))
        first = await execute(client, slow)
        await world.called("slow", within_s=WITHIN_S)

        terminated = terminate(old)
        await until(lambda: STOPPING in old.log(), within_s=SLACK_S)
        later = [await execute(client, quick) for _ in range(5)]
        await asyncio.sleep(1)
        assert world.calls["quick"] == []

        world.release("slow")
        assert await exit_code(old, within_s=SLACK_S) == 0
        assert time.monotonic() - terminated < 30  # it waits no longer than it must

        async with worker(fleet):
            execution = await finished(client, first, within_s=WITHIN_S)
            assert execution["output"] == {"name": "slow", "call": 1}
            assert nodes_of(execution)["get"]["attempt"] == 1
            for id in later:
                execution = await finished(client, id, within_s=WITHIN_S)
                assert execution["status"] == "succeeded"
                assert nodes_of(execution)["get"]["attempt"] == 1
        assert len(world.calls["quick"]) == len(later)


async def test_what_does_not_end_in_time_goes_on_at_another_worker(
    fleet: Fleet, world: Outside
) -> None:
    drain_s = 1.5
    async with openai_server() as models, fleet.client() as client, fleet.events() as socket:
        models.script(*[Reply("a b c", stall_after=1)] * 2, Reply("again"))
        environment = {"PILOT_DRAIN_S": str(drain_s), "PILOT_LLM_API_BASE": models.base_url}
        async with worker(fleet, **environment) as old:
            names = ("get", "once", "post", "unsafe")
            get, once, post, unsafe = (world.url("hold", name) for name in names)
            workflow = await save(
                client,
                graph(
                    http("get", get),
                    http("once", once) | {"retry": {"max_attempts": 1}},
                    http("post", post, method="POST"),
                    http("unsafe", unsafe, method="POST", retry_unsafe=True),
                    llm("strict"),
                    llm("lenient", on_unknown="retry"),
                ),
            )
            execution_id = await execute(client, workflow)
            spinning = await execute(client, await save(client, graph(code("spin", SPIN, 120))))
            for name in names:
                await world.called(name, within_s=WITHIN_S)
            await until(lambda: len(models.requests) == 2, within_s=WITHIN_S)
            left = subprocesses(old)
            assert left

            async with worker(fleet, **environment):
                terminated = terminate(old)
                for name in ("get", "once", "unsafe"):
                    await world.called(name, 2, within_s=WITHIN_S)
                over_s = world.calls["get"][1] - terminated - drain_s
                assert 0 < over_s < SLACK_S
                for name in names:
                    world.release(name)
                assert await exit_code(old, within_s=SLACK_S) == 0
                assert alive(left) == []
                # what it said in its last moment went out all the same
                said = await retrying(socket, "get", "unsafe", "lenient", "spin")
                assert set(said.values()) == {"worker_shutdown"}
                execution = await finished(client, execution_id, within_s=WITHIN_S)
                await client.post(f"/api/v1/executions/{spinning}/cancel")
                await finished(client, spinning, within_s=WITHIN_S)

    nodes = nodes_of(execution)
    assert execution["status"] == "succeeded"
    assert {id: node["error"]["code"] for id, node in nodes.items() if node["error"]} == {
        "post": "http_outcome_unknown",
        "strict": "llm_outcome_unknown",
    }
    assert {id for id, node in nodes.items() if node["attempt"] == 2} == {
        "get",
        "once",
        "unsafe",
        "lenient",
    }
    assert nodes["get"]["output"] == {"name": "get", "call": 2}
    assert nodes["lenient"]["output"] == "again"
    assert len(world.calls["post"]) == 1
    assert len(models.requests) == 3


async def retrying(socket: ClientConnection, *nodes: str) -> dict[str, str]:
    """The error of each node's attempt that another one will follow."""
    said: dict[str, str] = {}
    async with asyncio.timeout(SLACK_S):
        while not said.keys() >= set(nodes):
            event = json.loads(await socket.recv())
            if event["type"] == "node.retrying":
                said[event["node_id"]] = event["data"]["error"]["code"]
    return said


async def test_a_second_signal_ends_it_at_once(fleet: Fleet) -> None:
    async with fleet.client() as client, worker(fleet, PILOT_DRAIN_S="120") as busy:
        await execute(client, await save(client, graph(code("spin", SPIN, time_s=120))))

        def spinning() -> bool:
            return any(one.cpu_percent(0.1) > 20 for one in alive(subprocesses(busy)))

        await until(spinning, within_s=WITHIN_S)
        left = subprocesses(busy)
        terminate(busy)
        await until(lambda: STOPPING in busy.log(), within_s=SLACK_S)
        terminate(busy)
        assert await exit_code(busy, within_s=SLACK_S) == 128 + signal.SIGTERM
        await until(lambda: alive(left) == [], within_s=SLACK_S)


async def test_a_temporal_that_does_not_answer_holds_nothing_up(
    fleet: Fleet, world: Outside
) -> None:
    async with fleet.client() as client, worker(fleet, PILOT_DRAIN_S="1") as busy:
        await execute(client, await save(client, graph(http("get", world.url("hold", "get")))))
        await world.called("get", within_s=WITHIN_S)
        left = subprocesses(busy)
        os.kill(fleet.temporal.pid, signal.SIGSTOP)
        try:
            terminate(busy)
            assert await exit_code(busy, within_s=1 + ENDING_S + SLACK_S) == 1
            await until(lambda: alive(left) == [], within_s=SLACK_S)
            assert "not ended in time" in busy.log()
        finally:
            os.kill(fleet.temporal.pid, signal.SIGCONT)
