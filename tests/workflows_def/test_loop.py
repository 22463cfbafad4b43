"""Loops on the real server: the state handed on, limits, new histories, and ends of all kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from tests.graph.graphs import node
from tests.openai_server import OpenAIServer, Reply
from tests.workflows_def.bodies import MORE, OUT, SPIN, S, again, children, code, each, histories
from tests.workflows_def.conftest import LIMIT_S, Runner
from tests.workflows_def.test_map import meta_of, under_way
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

EDGES = ("s>again", "again>o")
LONG = 200


async def test_the_state_is_handed_on(runner: Runner) -> None:
    handle = await runner.start([S, again([MORE], condition="item < 5"), OUT], *EDGES, input=2)
    assert await runner.result(handle) == 5
    assert meta_of(await runner.snapshot(handle), "again") == {"iterations": 3}
    assert await children(handle) == [f"{handle.id}/again"]


async def test_a_condition_that_does_not_hold_runs_nothing(runner: Runner) -> None:
    handle = await runner.start([S, again([MORE], condition="item < 0"), OUT], *EDGES, input=2)
    assert await runner.result(handle) == 2
    assert meta_of(await runner.snapshot(handle), "again") == {"iterations": 0}
    assert await children(handle) == []


async def test_the_index_counts_iterations(runner: Runner) -> None:
    add = code("add", "def main(item, index):\n    return item + [index]")
    nodes = [S, again([add], initial=[], condition="index < 4"), OUT]
    assert await runner.run(nodes, *EDGES) == [0, 1, 2, 3]


async def test_a_loop_that_reaches_its_limit_fails(runner: Runner) -> None:
    nodes = [S, again([MORE], condition="true", max_iterations=3), OUT]
    cause = await runner.failure(await runner.start(nodes, *EDGES, input=0))
    assert cause.type == "loop_limit"
    assert "after 3 iterations" in cause.message


async def test_a_loop_may_stop_at_its_limit(runner: Runner) -> None:
    nodes = [S, again([MORE], condition="true", max_iterations=3, on_limit="stop"), OUT]
    handle = await runner.start(nodes, *EDGES, input=0)
    assert await runner.result(handle) == 3
    assert meta_of(await runner.snapshot(handle), "again") == {"iterations": 3, "limited": True}


async def test_an_iteration_that_fails_fails_the_loop(runner: Runner) -> None:
    bad = code("bad", "def main(item):\n    assert item < 2, 'no'\n    return item + 1")
    nodes = [S, again([bad], condition="item < 5"), OUT]
    cause = await runner.failure(await runner.start(nodes, *EDGES, input=0))
    assert cause.type == "code_error"
    assert cause.message.startswith("again: iteration 2, node 'bad': ")


async def test_a_condition_that_cannot_be_asked_fails_the_loop(runner: Runner) -> None:
    wrap = code("wrap", "def main(item):\n    return 'text'")
    nodes = [S, again([wrap], initial={"n": 1}, condition="item.n < 5"), OUT]
    cause = await runner.failure(await runner.start(nodes, *EDGES))
    assert cause.type == "expression_failed"


async def test_a_full_history_goes_on_in_another(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent and its watchers see one loop."""
    monkeypatch.setattr("workflows_def.containers.MAX_EVENTS", 80)
    nodes = [S, again([MORE], condition=f"item < {LONG}", max_iterations=1_000), OUT]
    handle = await runner.start(nodes, *EDGES, input=0)
    assert await asyncio.wait_for(handle.result(), 120) == LONG
    lengths = [len(one.events) for one in await histories(runner.client, f"{handle.id}/again")]
    assert len(lengths) > 5
    assert max(lengths) < 110
    whole = await handle.fetch_history()
    assert len(whole.events) < 400

    durable = runner.events(handle)
    told = [e.data["meta"]["progress"]["done"] for e in durable if e.type == "node.progress"]
    assert told == sorted(set(told))
    assert 5 <= len(told) <= 60
    inside = [e for e in runner.events(handle, durable=False) if e.type == "node.succeeded"]
    assert [e.path for e in inside] == [f"again[{index}]" for index in range(100)]


async def test_the_usage_of_the_iterations_is_the_runs(
    runner: Runner, model: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows_def.containers.MAX_EVENTS", 10)
    model.script(*[Reply("yes")] * 4)
    ask = node("ask", "llm", config={"prompt_template": "{index}", "stream": False})
    nodes = [S, again([ask], condition="index < 4"), OUT]
    handle = await runner.start(nodes, *EDGES)
    assert await runner.result(handle) == "yes"
    assert (await runner.snapshot(handle)).usage["completion_tokens"] == 4
    assert len(await histories(runner.client, f"{handle.id}/again")) > 1


async def test_a_map_in_a_loop(runner: Runner) -> None:
    inner = each([code("add", "def main(item):\n    return item + 1")], id="inner", items="{item}")
    nodes = [S, again([inner], condition="item[0] < 3"), OUT]
    handle = await runner.start(nodes, *EDGES, input=[0, 10])
    assert await runner.result(handle) == [3, 13]
    paths = {e.path for e in runner.events(handle, durable=False) if e.node_id == "add"}
    assert paths == {f"again[{i}].inner[{j}]" for i in range(3) for j in range(2)}


async def test_a_cancel_reaches_the_iteration(runner: Runner) -> None:
    handle = await runner.start([S, again([SPIN], condition="true"), OUT], *EDGES, input=1)
    await under_way(runner, handle, "spin", 1)
    await handle.cancel()
    assert type(await runner.failure(handle)).__name__ == "CancelledError"
    child = runner.client.get_workflow_handle(f"{handle.id}/again")
    assert (await child.describe()).status is not WorkflowExecutionStatus.RUNNING
    assert {one.id: one.status for one in (await runner.snapshot(handle)).nodes} == {
        "s": "succeeded",
        "again": "cancelled",
        "o": "skipped",
    }


async def test_no_child_outlives_a_run_that_is_terminated(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it has gone on in other histories."""
    monkeypatch.setattr("workflows_def.containers.MAX_EVENTS", 30)
    nodes = [S, again([MORE], condition="true", max_iterations=100_000), OUT]
    handle = await runner.start(nodes, *EDGES, input=0)
    child = runner.client.get_workflow_handle(f"{handle.id}/again")
    await under_way(runner, handle, "more", 20)
    await handle.terminate("by an operator")
    async with asyncio.timeout(LIMIT_S):
        while (await child.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)


async def test_a_pause_outlives_the_history(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows_def.containers.MAX_EVENTS", 10)
    nodes = [S, again([MORE], condition="item < 60", max_iterations=100), OUT]
    handle = await runner.start(nodes, *EDGES, input=0)
    await under_way(runner, handle, "more", 3)
    await handle.signal(SIGNAL_PAUSE)

    def begun() -> int:
        events: list[Any] = runner.events(handle, durable=False)
        return sum(e.node_id == "more" and e.type == "node.started" for e in events)

    async with asyncio.timeout(LIMIT_S):
        before = -1
        while begun() != before:
            before = begun()
            await asyncio.sleep(1)
    assert before < 60
    await handle.signal(SIGNAL_RESUME)
    assert await runner.result(handle) == 60
