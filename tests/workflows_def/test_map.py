"""Maps on the real server: windows of children, errors of items, and ends of all kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from tests.graph.graphs import node
from tests.openai_server import OpenAIServer, Reply
from tests.workflows_def.bodies import (
    DOUBLE,
    ODD_FAILS,
    OUT,
    SPIN,
    S,
    again,
    children,
    code,
    each,
    histories,
)
from tests.workflows_def.conftest import LIMIT_S, Runner
from workflows_def.messages import QUERY_CHILD, SIGNAL_PAUSE, SIGNAL_RESUME

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

EDGES = ("s>each", "each>o")


def meta_of(snapshot: Any, id: str = "each") -> dict[str, Any]:
    [found] = [one.meta for one in snapshot.nodes if one.id == id and not one.path]
    return {name: value for name, value in found.items() if name not in TIMES}


TIMES = {"started_at", "duration_ms", "attempt"}


async def test_outputs_are_in_the_order_of_the_items(runner: Runner) -> None:
    items = list(range(30))
    handle = await runner.start([S, each([DOUBLE], parallelism=7), OUT], *EDGES, input=items)
    assert await runner.result(handle) == [2 * item for item in items]
    assert meta_of(await runner.snapshot(handle)) == {"total": 30, "succeeded": 30, "failed": 0}
    assert await children(handle) == [f"{handle.id}/each/0"]


async def test_no_items_take_no_child(runner: Runner) -> None:
    handle = await runner.start([S, each([DOUBLE]), OUT], *EDGES, input=[])
    assert await runner.result(handle) == []
    assert await children(handle) == []


@pytest.mark.parametrize("parallelism", [1, 3, 100])
async def test_windows_share_the_parallelism(runner: Runner, parallelism: int) -> None:
    node_ = each([DOUBLE], parallelism=parallelism, window=4)
    handle = await runner.start([S, node_, OUT], *EDGES, input=list(range(22)))
    assert await runner.result(handle) == [2 * item for item in range(22)]
    assert await children(handle) == [f"{handle.id}/each/{first}" for first in range(0, 22, 4)]


async def test_a_body_refers_to_what_is_outside(runner: Runner) -> None:
    inner = node("v", "variable", config={"assignments": {"both": "{vars.v}{item}{index}"}})
    out = node("out", "output", config={"value": "{vars.both} {nodes.s.output[0]} {input}"})
    outer = node("set", "variable", config={"assignments": {"v": "V"}})
    nodes = [S, outer, each([inner, out], "v>out"), OUT]
    assert await runner.run(nodes, "s>set", "set>each", "each>o", input=["a", "b"]) == [
        "Va0 a a",
        "Vb1 a b",
    ]


async def test_an_item_that_fails_fails_the_map(runner: Runner) -> None:
    handle = await runner.start(
        [S, each([ODD_FAILS, SPIN], "odd>spin", parallelism=3), OUT], *EDGES, input=[0, 2, 3, 4]
    )
    cause = await runner.failure(handle)
    assert cause.type == "code_error"
    assert cause.message.startswith("each: item 2, node 'odd': ")
    snapshot = await runner.snapshot(handle)
    assert {one.id: one.status for one in snapshot.nodes} == {
        "s": "succeeded",
        "each": "failed",
        "o": "skipped",
    }
    assert snapshot.error is not None
    assert snapshot.error["node_id"] == "each"


async def test_one_window_that_fails_stops_the_others(runner: Runner) -> None:
    nodes = [S, each([ODD_FAILS, SPIN], "odd>spin", parallelism=4, window=2), OUT]
    handle = await runner.start(nodes, *EDGES, input=[0, 2, 4, 5, 6, 8])
    assert (await runner.failure(handle)).message.startswith("each: item 3, ")
    assert await children(handle) == [f"{handle.id}/each/0", f"{handle.id}/each/2"]
    for id in await children(handle):
        description = await runner.client.get_workflow_handle(id).describe()
        assert description.status is not WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize(
    ("policy", "output"), [("skip", [0, 2, 4]), ("collect", [0, None, 2, None, 4])]
)
async def test_errors_of_items_may_be_passed_over(
    runner: Runner, policy: str, output: list[Any]
) -> None:
    nodes = [S, each([ODD_FAILS], on_item_error=policy, window=2), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(5)))
    assert await runner.result(handle) == output
    meta = meta_of(await runner.snapshot(handle))
    errors = meta.pop("errors", None)
    assert meta == {"total": 5, "succeeded": 3, "failed": 2}
    if policy == "skip":
        assert errors is None
    else:
        assert [(one["index"], one["code"], one["node_id"]) for one in errors] == [
            (1, "code_error", "odd"),
            (3, "code_error", "odd"),
        ]


async def test_a_map_stops_early(runner: Runner) -> None:
    nodes = [S, each([DOUBLE], parallelism=1, stop_when="item >= 6", window=3), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(100)))
    assert await runner.result(handle) == [0, 2, 4, 6]
    assert meta_of(await runner.snapshot(handle)) == {
        "total": 100,
        "succeeded": 4,
        "failed": 0,
        "stopped_early": True,
    }


async def test_windows_side_by_side_stop_early_together(runner: Runner) -> None:
    nodes = [S, each([DOUBLE], parallelism=4, stop_when="item == 2", window=50), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(5_000)))
    output = await runner.result(handle)
    assert 2 in output
    assert output == sorted(output)
    assert len(output) < 200


async def test_a_condition_that_cannot_be_asked_fails_the_map(runner: Runner) -> None:
    nodes = [S, each([DOUBLE], stop_when="item.x"), OUT]
    handle = await runner.start(nodes, *EDGES, input=[1])
    assert (await runner.failure(handle)).type == "expression_failed"


async def test_a_map_in_a_map(runner: Runner) -> None:
    inner = each([DOUBLE], id="inner", items="{item}")
    nodes = [S, each([inner]), OUT]
    handle = await runner.start(nodes, *EDGES, input=[[1, 2], [], [3]])
    assert await runner.result(handle) == [[2, 4], [], [6]]
    [window] = await children(handle)
    assert sorted(await children(runner.client.get_workflow_handle(window))) == [
        f"{handle.id}/each[0].inner/0",
        f"{handle.id}/each[2].inner/0",
    ]
    paths = {
        event.path for event in runner.events(handle, durable=False) if event.node_id == "double"
    }
    assert paths == {"each[0].inner[0]", "each[0].inner[1]", "each[2].inner[0]"}


async def test_a_loop_in_a_map(runner: Runner) -> None:
    inner = again([DOUBLE], id="inner", initial="{item}", condition="item < 100")
    nodes = [S, each([inner]), OUT]
    assert await runner.run(nodes, *EDGES, input=[1, 60, 200]) == [128, 120, 200]


async def test_watchers_see_the_first_items_and_then_only_counts(runner: Runner) -> None:
    handle = await runner.start(
        [S, each([DOUBLE], parallelism=50), OUT], *EDGES, input=list(range(300))
    )
    assert len(await runner.result(handle)) == 300
    inside = [event for event in runner.events(handle, durable=False) if event.path]
    assert {event.path for event in inside} == {f"each[{index}]" for index in range(100)}
    types = [event.type.value for event in inside if event.path == "each[7]"]
    assert types == ["node.started", "node.succeeded"]
    durable = runner.events(handle)
    assert [event.seq for event in durable] == list(range(1, len(durable) + 1))
    assert not any(event.path for event in durable)
    assert len(durable) < 110


async def test_progress_is_told_as_counts(runner: Runner) -> None:
    nodes = [S, each([ODD_FAILS], parallelism=2, on_item_error="skip", window=5), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(20)))
    await runner.result(handle)
    told = [
        event.data["meta"]["progress"]
        for event in runner.events(handle)
        if event.type == "node.progress"
    ]
    assert told[-1] == {"done": 20, "failed": 10, "total": 20}
    assert [one["done"] for one in told] == [5, 10, 15, 20]


async def test_the_usage_of_the_items_is_the_runs(runner: Runner, model: OpenAIServer) -> None:
    model.script(*[Reply("yes")] * 3)
    ask = node("ask", "llm", config={"prompt_template": "{item}", "stream": False})
    handle = await runner.start([S, each([ask], parallelism=1), OUT], *EDGES, input=["a", "b", "c"])
    assert await runner.result(handle) == ["yes"] * 3
    snapshot = await runner.snapshot(handle)
    assert snapshot.usage["completion_tokens"] == 3
    assert snapshot.usage["prompt_tokens"] >= 3


async def test_a_cancel_reaches_the_items(runner: Runner) -> None:
    inner = each([SPIN], id="inner", items="{[item, item]}")
    handle = await runner.start([S, each([inner]), OUT], *EDGES, input=[1, 2])
    window = runner.client.get_workflow_handle(f"{handle.id}/each/0")
    await under_way(runner, handle, "spin", 4)
    innermost = await children(window)
    assert len(innermost) == 2
    await handle.cancel()
    cause = await runner.failure(handle)
    assert type(cause).__name__ == "CancelledError"
    snapshot = await runner.snapshot(handle)
    assert {one.id: one.status for one in snapshot.nodes}["each"] == "cancelled"
    for id in [window.id, *innermost]:
        description = await runner.client.get_workflow_handle(id).describe()
        assert description.status is not WorkflowExecutionStatus.RUNNING
        assert not description.raw_description.pending_activities
    inside = [e.type.value for e in runner.events(handle, durable=False) if e.node_id == "spin"]
    assert inside.count("node.cancelled") == 4


async def test_no_child_outlives_a_run_that_is_terminated(runner: Runner) -> None:
    handle = await runner.start([S, each([SPIN]), OUT], *EDGES, input=[1])
    await under_way(runner, handle, "spin", 1)
    await handle.terminate("by an operator")
    child = runner.client.get_workflow_handle(f"{handle.id}/each/0")
    async with asyncio.timeout(LIMIT_S):
        while (await child.describe()).status is WorkflowExecutionStatus.RUNNING:
            await asyncio.sleep(0.05)
    assert (await child.describe()).status is WorkflowExecutionStatus.TERMINATED


async def test_a_time_limit_ends_the_items(runner: Runner) -> None:
    handle = await runner.start([S, each([SPIN]), OUT], *EDGES, input=[1], timeout_s=2)
    assert (await runner.failure(handle)).type == "timed_out"
    child = runner.client.get_workflow_handle(f"{handle.id}/each/0")
    assert (await child.describe()).status is not WorkflowExecutionStatus.RUNNING


async def test_a_pause_holds_the_items(runner: Runner) -> None:
    slow = code(
        "slow",
        "def main(item):\n    x = 0\n    while True:\n        x = x + 1",
        on_error="continue",
    )
    slow["config"]["limits"] = {"time_s": 1}
    nodes = [S, each([slow], parallelism=1, window=2), OUT]
    handle = await runner.start(nodes, *EDGES, input=[1, 2, 3])
    await under_way(runner, handle, "slow", 1)
    await handle.signal(SIGNAL_PAUSE)

    def begun() -> int:
        events = runner.events(handle, durable=False)
        return sum(e.node_id == "slow" and e.type == "node.started" for e in events)

    await asyncio.sleep(2.5)
    held = begun()
    assert held <= 2
    await handle.signal(SIGNAL_RESUME)
    assert await runner.result(handle) == [None, None, None]
    assert begun() == 3


async def test_a_full_history_goes_on_in_another(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows_def.containers.MAX_EVENTS", 60)
    nodes = [S, each([DOUBLE], parallelism=4, window=40), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(40)))
    assert await runner.result(handle) == [2 * item for item in range(40)]
    assert len(await children(handle)) == 1
    lengths = [len(one.events) for one in await histories(runner.client, f"{handle.id}/each/0")]
    assert len(lengths) > 2
    assert max(lengths) < 120


async def test_outputs_that_no_payload_holds_are_an_error(runner: Runner) -> None:
    big = code("big", "def main(item):\n    return 'x' * 300000")
    handle = await runner.start([S, each([big], window=3), OUT], *EDGES, input=list(range(9)))
    assert (await runner.failure(handle)).type == "output_too_large"


async def test_outputs_of_a_window_may_be_as_large_as_those_of_the_map(runner: Runner) -> None:
    """The history's bytes make the child go on in new ones, whose arguments have to fit, too."""
    big = code("big", "def main(item):\n    return 'x' * 170000")
    handle = await runner.start([S, each([big], window=10), OUT], *EDGES, input=list(range(10)))
    assert [len(one) for one in await runner.result(handle)] == [170_000] * 10


async def test_a_child_can_be_found_by_the_path_of_its_nodes(runner: Runner) -> None:
    inner = each([SPIN], id="inner", items="{[item]}")
    handle = await runner.start([S, each([inner], window=1), OUT], *EDGES, input=[1, 2])
    await under_way(runner, handle, "spin", 2)
    path = "each[1].inner[0]"
    window = await handle.query(QUERY_CHILD, path)
    assert window == f"{handle.id}/each/1"
    child = runner.client.get_workflow_handle(window)
    innermost = await child.query(QUERY_CHILD, path)
    assert innermost == f"{handle.id}/each[1].inner/0"
    assert await runner.client.get_workflow_handle(innermost).query(QUERY_CHILD, path) is None
    assert await handle.query(QUERY_CHILD, "each[7].inner[0]") is None
    await handle.cancel()


async def test_two_thousand_items_in_short_histories(runner: Runner) -> None:
    nodes = [S, each([DOUBLE], parallelism=100), OUT]
    handle = await runner.start(nodes, *EDGES, input=list(range(2_000)))
    result = await asyncio.wait_for(handle.result(), 240)
    assert result == [2 * item for item in range(2_000)]
    lengths = [len(one.events) for one in await histories(runner.client, handle.id)]
    assert len(lengths) >= 3
    assert max(lengths) < 5_000
    assert lengths[0] < 500


async def under_way(runner: Runner, handle: Any, node_id: str, count: int) -> None:
    """Waits until so many runs of a node in a body have begun."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            begun = [
                event
                for event in runner.events(handle, durable=False)
                if event.node_id == node_id and event.type == "node.started"
            ]
            if len(begun) >= count:
                return
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_the_longest_body_stays_below_five_thousand_events(runner: Runner) -> None:
    size = 775
    body = [code(f"c{i}", "def main(): return 1") for i in range(size)] + [
        node("sum", "variable", config={"assignments": {"v": "{index}"}})
    ]
    edges = [f"c{i}>sum" for i in range(size)]
    node_ = each(body, *edges, parallelism=2)
    handle = await runner.start([S, node_, OUT], *EDGES, input=[1, 2])
    async with asyncio.timeout(150):
        assert len(await handle.result()) == 2
    lengths = [len(history.events) for history in await histories(runner.client, handle.id)]
    assert max(lengths) < 5_000
    assert sum(lengths) > 2 * 2 * size
