"""A run waits while all in its loops and maps does, and is seen to."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import WorkflowHandle

from tests.graph.graphs import node
from tests.workflows_def.bodies import OUT, SPIN, S, again, code, each
from tests.workflows_def.conftest import LIMIT_S, Runner
from workflows_def.messages import Snapshot

SHORT = node("hush", "wait", config={"duration": 2})
STEP = code("step", "def main(item, index):\n    return index")


async def until_status(runner: Runner, handle: WorkflowHandle[Any, Any], status: str) -> Snapshot:
    async with asyncio.timeout(LIMIT_S):
        while True:
            snapshot = await runner.snapshot(handle)
            if snapshot.status == status:
                return snapshot
            await asyncio.sleep(0.05)


async def test_a_loop_waits_and_goes_on(runner: Runner) -> None:
    inside = again([SHORT, STEP], "hush>step", condition="index < 2")
    handle = await runner.start([S, inside, OUT], "s>again", "again>o")
    snapshot = await until_status(runner, handle, "waiting")
    [state] = [one for one in snapshot.nodes if one.id == "again"]
    assert state.status == "waiting"
    assert state.meta["waiting"]["nodes"] in (["again[0].hush"], ["again[1].hush"])
    assert await runner.result(handle) == 1
    kinds = [event.type.value for event in runner.emitted if event.execution_id in handle.id]
    assert kinds.count("execution.waiting") >= 2
    assert kinds.count("execution.resumed") >= 2


async def test_a_map_waits_while_all_its_items_do(runner: Runner) -> None:
    inside = each([SHORT, STEP], "hush>step", window=1)
    handle = await runner.start([S, inside, OUT], "s>each", "each>o", input=[1, 2])
    snapshot = await until_status(runner, handle, "waiting")
    [state] = [one for one in snapshot.nodes if one.id == "each"]
    assert sorted(state.meta["waiting"]["nodes"]) == ["each[0].hush", "each[1].hush"]
    assert await runner.result(handle) == [0, 1]


async def test_a_map_waits_on_when_one_of_its_windows_has_ended(runner: Runner) -> None:
    hush = node("hush", "wait", config={"duration": "{item}"})
    inside = each([hush, STEP], "hush>step", window=1)
    handle = await runner.start([S, inside, OUT], "s>each", "each>o", input=[2, 60])
    async with asyncio.timeout(LIMIT_S):
        while True:
            snapshot = await until_status(runner, handle, "waiting")
            [state] = [one for one in snapshot.nodes if one.id == "each"]
            if state.meta["waiting"]["nodes"] == ["each[1].hush"]:
                break
            await asyncio.sleep(0.05)
    assert state.status == "waiting"
    await handle.cancel()
    await runner.failure(handle)


async def test_what_stands_beside_keeps_the_run_going(runner: Runner) -> None:
    long = node("hush", "wait", config={"duration": 60})
    inside = again([long, STEP], "hush>step", condition="index < 1")
    handle = await runner.start([S, inside, SPIN, OUT], "s>again", "s>spin", "again>o", "spin>o")
    await runner.until(handle, "again", "waiting")
    assert (await runner.snapshot(handle)).status == "running"
    await handle.cancel()
    await runner.failure(handle)
    assert (await runner.snapshot(handle)).status == "cancelled"
