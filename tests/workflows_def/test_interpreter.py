"""The interpreter on the real server: joins, scope, failure, pause, cancel, events, queries."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from pilot.events.model import EventType
from tests.graph.graphs import node
from tests.workflows_def.conftest import Runner
from workflows_def.messages import (
    QUERY_EVENTS,
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    EventsPage,
    RunInput,
)

S, OUT = node("s", "start"), node("o", "output")


def output(value: Any, id: str = "o", **fields: Any) -> dict[str, Any]:
    return node(id, "output", config={"value": value}, **fields)


def code(id: str, source: str, **fields: Any) -> dict[str, Any]:
    return node(id, "code", config={"source": source}, **fields)


def sets(id: str, **assignments: Any) -> dict[str, Any]:
    return node(id, config={"assignments": assignments})


FOREVER = "def main():\n    while True:\n        pass"
SLOW = {"language": "python", "source": FOREVER, "limits": {"time_s": 120}}

DIAMOND = [
    S,
    node("c", "condition", config={"expression": "input.x > 1"}),
    sets("a", v="{input.x}"),
    sets("b", v="low"),
    output({"v": "{vars.v}", "a": "{has(nodes.a.output)}", "in": "{input}"}),
]
DIAMOND_EDGES = ["s>c", "c:true>a", "c:false>b", "a>o", "b>o"]


async def test_a_diamond_takes_one_branch_and_joins(runner: Runner) -> None:
    handle = await runner.start(DIAMOND, *DIAMOND_EDGES, input={"x": 5})
    assert await runner.result(handle) == {"v": 5, "a": True, "in": {"x": 5}}
    snapshot = await runner.snapshot(handle)
    states = {one.id: (one.status, one.reason) for one in snapshot.nodes}
    assert states == {
        "s": ("succeeded", None),
        "c": ("succeeded", None),
        "a": ("succeeded", None),
        "b": ("skipped", "branch_not_taken"),
        "o": ("succeeded", None),
    }
    assert snapshot.status == "succeeded"


async def test_events_come_in_order_once_each(runner: Runner) -> None:
    handle = await runner.start(DIAMOND, *DIAMOND_EDGES, input={"x": 0})
    await runner.result(handle)
    events = runner.events(handle)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [(event.type.value, event.node_id) for event in events] == [
        ("execution.started", None),
        ("node.started", "s"),
        ("node.succeeded", "s"),
        ("node.started", "c"),
        ("node.succeeded", "c"),
        ("node.skipped", "a"),
        ("node.started", "b"),
        ("node.succeeded", "b"),
        ("node.started", "o"),
        ("node.succeeded", "o"),
        ("execution.succeeded", None),
    ]
    page: EventsPage = await handle.query(QUERY_EVENTS, 0, result_type=EventsPage)
    assert page.events == [event.to_json() for event in events]
    rest: EventsPage = await handle.query(QUERY_EVENTS, 9, result_type=EventsPage)
    assert [event["seq"] for event in rest.events] == [10, 11]


async def test_large_event_lists_come_in_pages(runner: Runner) -> None:
    nodes = [S, *[code(f"k{i}", "'x' * 400_000") for i in range(6)], OUT]
    edges = ["s>k0", *[f"k{i}>k{i + 1}" for i in range(5)], "k5>o"]
    handle = await runner.start(nodes, *edges)
    await runner.result(handle)
    seen: list[int] = []
    pages = 0
    while True:
        page: EventsPage = await handle.query(
            QUERY_EVENTS, seen[-1] if seen else 0, result_type=EventsPage
        )
        seen += [event["seq"] for event in page.events]
        pages += 1
        if not page.more:
            break
    assert seen == list(range(1, 19))
    assert pages > 1


async def test_several_taken_sources_give_a_map(runner: Runner) -> None:
    nodes = [S, code("a", "1"), code("b", "2"), output("{input}")]
    assert await runner.run(nodes, "s>a", "s>b", "a>o", "b>o") == {"a": 1, "b": 2}


async def test_several_outputs_are_merged_by_key(runner: Runner) -> None:
    nodes = [
        S,
        node("c", "condition", config={"expression": "input"}),
        node("x", "output", config={"value": 1, "key": "first"}),
        output(2, "y"),
        output(3, "z"),
    ]
    edges = ["s>c", "c:true>x", "c:false>z", "s>y"]
    assert await runner.run(nodes, *edges, input=True) == {"first": 1, "y": 2}


async def test_variables_follow_the_edges(runner: Runner) -> None:
    nodes = [
        S,
        sets("one", n=1, list=["a"], map={"k": 1}),
        node(
            "two",
            config={
                "assignments": {"n": 2, "list": "b", "map": {"j": "{vars.n}"}, "fresh": 5},
                "operations": {
                    "n": "increment",
                    "list": "append",
                    "map": "merge",
                    "fresh": "increment",
                },
            },
        ),
        output({"n": "{vars.n}", "list": "{vars.list}", "map": "{vars.map}", "f": "{vars.fresh}"}),
    ]
    result = await runner.run(nodes, "s>one", "one>two", "two>o")
    assert result == {"n": 3, "list": ["a", "b"], "map": {"k": 1, "j": 1}, "f": 5}


async def test_a_node_is_given_only_what_it_refers_to(runner: Runner) -> None:
    nodes = [
        S,
        code("big", "'x' * 300_000"),
        code("small", "def main(nodes):\n    return sorted(nodes)"),
        sets("v", a="{nodes.small.output}"),
        output("{vars.a}"),
    ]
    handle = await runner.start(nodes, "s>big", "big>small", "small>v", "v>o", input="i")
    assert await runner.result(handle) == ["big", "s"]
    history = await handle.fetch_history()
    size = sum(event.ByteSize() for event in history.events)
    assert size < 700_000, "the 300 KB value stands twice: as a result, and where it is asked for"


async def test_a_failing_node_fails_the_run_and_names_itself(runner: Runner) -> None:
    nodes = [S, code("bad", "1 / 0"), node("slow", "code", config=SLOW), OUT]
    handle = await runner.start(nodes, "s>bad", "s>slow", "bad>o", "slow>o")
    cause = await runner.failure(handle)
    assert isinstance(cause, ApplicationError)
    assert cause.type == "code_error"
    snapshot = await runner.snapshot(handle)
    assert snapshot.status == "failed"
    assert snapshot.error is not None
    assert snapshot.error["node_id"] == "bad"
    states = {one.id: (one.status, one.reason) for one in snapshot.nodes}
    assert states["bad"] == ("failed", None)
    assert states["slow"] == ("cancelled", "execution_failed")
    assert states["o"] == ("skipped", "execution_failed")
    assert runner.events(handle)[-1].type is EventType.EXECUTION_FAILED


async def test_a_failing_pure_node_fails_the_run(runner: Runner) -> None:
    handle = await runner.start([S, sets("a", v="{input.nope}"), OUT], "s>a", "a>o", input={})
    cause = await runner.failure(handle)
    assert isinstance(cause, ApplicationError)
    assert "nope" in cause.message


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("continue", {"in": None, "status": "failed"}),
        ({"default": {"d": 1}}, {"in": {"d": 1}, "status": "failed"}),
    ],
)
async def test_on_error_goes_on(runner: Runner, on_error: Any, expected: Any) -> None:
    nodes = [S, code("bad", "1 / 0", on_error=on_error), output("{input}")]
    handle = await runner.start(nodes, "s>bad", "bad>o")
    assert await runner.result(handle) == expected["in"]
    snapshot = await runner.snapshot(handle)
    assert {one.id: one.status for one in snapshot.nodes}["bad"] == expected["status"]


async def test_on_error_branch_takes_the_error_handle(runner: Runner) -> None:
    nodes = [S, code("bad", "1 / 0", on_error="branch"), output("ok"), output("{input}", "e")]
    result = await runner.run(nodes, "s>bad", "bad>o", "bad:error>e")
    assert result["e"]["code"] == "code_error"
    assert "division" in result["e"]["message"]
    assert "o" not in result


async def test_a_paused_run_waits(runner: Runner) -> None:
    nodes = [S, node("slow", "code", config=SLOW | {"limits": {"time_s": 1}}, on_error="continue"),
             code("b", "2"), OUT]  # fmt: skip
    handle = await runner.start(nodes, "s>slow", "slow>b", "b>o")
    await runner.until(handle, "slow", "running")
    await handle.signal(SIGNAL_PAUSE)
    snapshot = await runner.until(handle, "slow", "failed")
    assert snapshot.status == "paused"
    assert {one.id: one.status for one in snapshot.nodes}["b"] == "pending"
    await asyncio.sleep(0.3)
    assert (await runner.snapshot(handle)).status == "paused"
    await handle.signal(SIGNAL_RESUME)
    assert await runner.result(handle) == 2


async def test_a_cancel_stops_what_runs_and_skips_the_rest(runner: Runner) -> None:
    handle = await runner.start([S, node("slow", "code", config=SLOW), OUT], "s>slow", "slow>o")
    await runner.until(handle, "slow", "running")
    begin = asyncio.get_running_loop().time()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await runner.result(handle)
    assert isinstance(caught.value.cause, CancelledError)
    assert asyncio.get_running_loop().time() - begin < 5
    snapshot = await runner.snapshot(handle)
    states = {one.id: (one.status, one.reason) for one in snapshot.nodes}
    assert snapshot.status == "cancelled"
    assert states["slow"] == ("cancelled", "execution_cancelled")
    assert states["o"] == ("skipped", "execution_cancelled")
    assert runner.events(handle)[-1].type is EventType.EXECUTION_CANCELLED


async def test_a_cancel_while_paused_ends_the_run(runner: Runner) -> None:
    handle = await runner.start([S, node("slow", "code", config=SLOW), OUT], "s>slow", "slow>o")
    await runner.until(handle, "slow", "running")
    await handle.signal(SIGNAL_PAUSE)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await runner.result(handle)
    assert (await runner.snapshot(handle)).status == "cancelled"


async def test_wide_graphs_run_in_parallel_within_bounds(runner: Runner) -> None:
    ids = [f"k{i}" for i in range(120)]
    nodes = [S, *[code(id, str(i)) for i, id in enumerate(ids)], output("{input}")]
    result = await runner.run(nodes, *[f"s>{id}" for id in ids], *[f"{id}>o" for id in ids])
    assert result == {id: i for i, id in enumerate(ids)}


async def test_a_thousand_nodes(runner: Runner) -> None:
    ids = [f"n{i}" for i in range(998)]
    nodes = [S, *[sets(id, v=f"{i}") for i, id in enumerate(ids)], output("{vars.v}")]
    edges = [f"{a}>{b}" for a, b in zip(["s", *ids], [*ids, "o"], strict=True)]
    handle = await runner.start(nodes, *edges)
    assert await runner.result(handle) == "997"
    assert [event.seq for event in runner.events(handle)] == list(range(1, 2003))


async def test_the_web_ui_is_told_what_runs(runner: Runner) -> None:
    handle = await runner.start([S, code("k", "1"), OUT], "s>k", "k>o")
    await runner.result(handle)
    history = await handle.fetch_history()
    summaries = [
        event.user_metadata.summary.data.decode()
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert '"k"' in summaries
    metadata = await handle.query("__temporal_workflow_metadata")
    assert "| k | code | succeeded |" in str(metadata)


async def test_a_run_begins_with_as_little_as_a_later_release_may_write(runner: Runner) -> None:
    execution_id = str(uuid.uuid4())
    nodes = [
        {"id": "s", "type": "start", "name": "s", "hands_on": True},
        {"id": "c", "type": "code", "name": "c", "config": {"source": "input + 1"},
         "references": {"input": True}},
        {"id": "o", "type": "output", "name": "o", "output_key": "o", "hands_on": True},
    ]  # fmt: skip
    run = {
        "workflow_id": "w", "workflow_name": "n", "workflow_version": 1, "user_id": "u", "input": 1,
        "plan": {"nodes": nodes, "links": [[0, 1], [1, 2, "default"]], "policies": [{}]},
    }  # fmt: skip
    handle = await runner.client.start_workflow(
        "InterpretGraph", run, id=f"execution-{execution_id}", task_queue=runner.task_queue
    )
    assert await runner.result(handle) == 2
    assert (await runner.snapshot(handle)).execution_id == execution_id
    page = await handle.query(QUERY_EVENTS, result_type=EventsPage)
    assert {event["execution_id"] for event in page.events} == {execution_id}


def test_the_wire_types_survive_a_round_trip() -> None:
    from pilot.graph.compile import compile_plan
    from pilot.nodes import specs
    from pilot.temporal import data_converter
    from tests.graph.graphs import graph

    run = RunInput("e", "w", "n", 1, "u", compile_plan(graph(DIAMOND, *DIAMOND_EDGES), specs()))
    converter = data_converter.payload_converter
    assert converter.from_payloads(converter.to_payloads([run]), [RunInput]) == [run]


async def test_times_follow_one_another(runner: Runner) -> None:
    """Local activities of one workflow task share the workflow's time; their own clocks tell
    them apart."""
    nodes = [S, *[sets(f"n{i}", v="x") for i in range(20)], OUT]
    edges = ["s>n0", *[f"n{i}>n{i + 1}" for i in range(19)], "n19>o"]
    handle = await runner.start(nodes, *edges)
    await runner.result(handle)
    times = [event.at for event in runner.events(handle)]
    assert times == sorted(times)
    assert times[-1] > times[0]
    for state in (await runner.snapshot(handle)).nodes:
        assert state.started_at is not None
        assert state.finished_at is not None
        assert state.started_at <= state.finished_at
