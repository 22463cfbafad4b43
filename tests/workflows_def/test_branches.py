"""switch, merge, races that losers are cancelled of, and limits, on the real server."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from pilot.events.model import EventType
from tests.graph.graphs import node
from tests.openai_server import Failure, OpenAIServer, calls
from tests.workflows_def.bodies import children, each
from tests.workflows_def.conftest import Runner

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

S, OUT = node("s", "start"), node("o", "output")
SPIN = "def main():\n    while True:\n        pass"


def output(value: Any, id: str = "o") -> dict[str, Any]:
    return node(id, "output", config={"value": value})


def code(id: str, source: str, **fields: Any) -> dict[str, Any]:
    return node(id, "code", config={"source": source}, **fields)


def slow(id: str, **fields: Any) -> dict[str, Any]:
    return node(id, "code", config={"source": SPIN, "limits": {"time_s": 60}}, **fields)


def merge(id: str = "m", **config: Any) -> dict[str, Any]:
    return node(id, "merge", config=config)


RACE = {"mode": "any", "output": "first", "cancel_losers": True}


async def states(runner: Runner, handle: Any) -> dict[str, tuple[str, str | None]]:
    snapshot = await runner.snapshot(handle)
    return {one.id: (one.status, one.reason) for one in snapshot.nodes}


CASES = [
    {"handle": "big", "expression": "input >= 10"},
    {"handle": "odd", "expression": "input % 2 == 1"},
]


@pytest.mark.parametrize(
    ("mode", "input", "taken"),
    [
        ("first", 11, ["big"]),
        ("first", 3, ["odd"]),
        ("first", 2, ["else"]),
        ("all", 11, ["big", "odd"]),
        ("all", 10, ["big"]),
        ("all", 2, ["else"]),
    ],
)
async def test_a_switch_takes_the_first_or_all(
    runner: Runner, mode: str, input: int, taken: list[str]
) -> None:
    ends = [output("{input}", id) for id in ("big", "odd", "else")]
    nodes = [S, node("w", "switch", config={"cases": CASES, "mode": mode}), *ends]
    handle = await runner.start(nodes, "s>w", "w:big>big", "w:odd>odd", "w:else>else", input=input)
    assert await runner.result(handle) == dict.fromkeys(taken, input)
    snapshot = await runner.snapshot(handle)
    assert snapshot.nodes[1].meta["branches"] == taken


FORK = ("s>a", "s>b", "s>c", "a>m", "b>m", "c>m", "m>o")
BRANCHES = [
    code("a", "{'x': 1, 'y': 1}"),
    code("b", "1 / 0", on_error={"default": {"y": 2}}),
    node("c", "condition", config={"expression": "false"}),
]


@pytest.mark.parametrize(
    ("how", "gives"),
    [
        ("map", {"a": {"x": 1, "y": 1}, "b": {"y": 2}}),
        ("list", [{"x": 1, "y": 1}, {"y": 2}]),
        ("object", {"x": 1, "y": 2}),
    ],
)
async def test_a_merge_of_all_that_came(runner: Runner, how: str, gives: Any) -> None:
    edges = [one if one != "c>m" else "c:true>m" for one in FORK]
    assert await runner.run([S, *BRANCHES, merge(output=how), OUT], *edges) == gives


@pytest.mark.parametrize("how", ["map", "list"])
async def test_a_merge_of_one_is_shaped_like_one_of_many(runner: Runner, how: str) -> None:
    nodes = [S, code("a", "1"), slow("b"), merge(mode="any", cancel_losers=True, output=how), OUT]
    found = await runner.run(nodes, "s>a", "s>b", "a>m", "b>m", "m>o")
    assert found == ({"a": 1} if how == "map" else [1])


async def test_what_is_no_object_does_not_merge_into_one(runner: Runner) -> None:
    nodes = [S, code("a", "1"), code("b", "{}"), merge(output="object"), OUT]
    handle = await runner.start(nodes, "s>a", "s>b", "a>m", "b>m", "m>o")
    assert (await runner.failure(handle)).type == "not_an_object"


async def test_the_losers_of_a_race_are_cancelled(runner: Runner) -> None:
    """By activity: the spinning sandbox is stopped; what follows a loser is skipped, and what
    also leads elsewhere goes on."""
    nodes = [S, code("win", "import time\nfor i in range(10**6): pass\n'won'"), slow("lose"),
             node("after"), code("elsewhere", "'kept'"), output("{input}", "side"),
             merge(**RACE), output("{input}")]  # fmt: skip
    edges = ("s>win", "s>lose", "s>elsewhere", "lose>after", "win>m", "after>m", "elsewhere>side",
             "m>o")  # fmt: skip
    begin = time.monotonic()
    handle = await runner.start(nodes, *edges)
    assert await runner.result(handle) == {"o": "won", "side": "kept"}
    assert time.monotonic() - begin < 30, "the loser would have gone on for 60 s"
    found = await states(runner, handle)
    assert found["lose"] == ("cancelled", "lost_race")
    assert found["after"] == ("skipped", "lost_race")
    told = [(event.type, event.data.get("reason")) for event in runner.events(handle)
            if event.node_id in ("lose", "after")]  # fmt: skip
    assert (EventType.NODE_CANCELLED, "lost_race") in told
    assert (EventType.NODE_SKIPPED, "lost_race") in told


async def test_a_loser_that_waits_for_its_next_attempt_waits_no_longer(
    runner: Runner, model: OpenAIServer
) -> None:
    model.script(*[Failure(503)] * 50)
    again = {"max_attempts": 50, "initial_s": 60, "max_s": 60}
    nodes = [S, code("ok", "for i in range(10**6): pass\n1"),
             node("retrying", "llm", retry=again),
             merge(**RACE), OUT]  # fmt: skip
    begin = time.monotonic()
    handle = await runner.start(nodes, "s>ok", "s>retrying", "ok>m", "retrying>m", "m>o")
    assert await runner.result(handle) == 1
    assert time.monotonic() - begin < 25
    assert (await states(runner, handle))["retrying"] == ("cancelled", "lost_race")


async def test_a_race_in_one_workflow_task_is_decided_before_what_it_began(runner: Runner) -> None:
    """Local activities: the loser's next node is started in the task in which the race ends."""
    rows = 6
    nodes = [S, *[node(f"v{i}{k}") for i in range(rows) for k in range(3)], merge(**RACE), OUT]
    edges = [f"s>v{i}0" for i in range(rows)]
    edges += [f"v{i}{k}>v{i}{k + 1}" for i in range(rows) for k in range(2)]
    edges += [f"v{i}2>m" for i in range(rows)]
    handle = await runner.start(nodes, *edges, "m>o", input=7)
    assert await runner.result(handle) == 7
    found = await states(runner, handle)
    assert {status for status, _ in found.values()} <= {"succeeded", "cancelled", "skipped"}
    assert {reason for _, reason in found.values()} <= {None, "lost_race"}


async def test_a_model_that_loses_is_cancelled_with_its_tools(
    runner: Runner, model: OpenAIServer
) -> None:
    model.script(calls(("tool", {})))
    tools = [{"node": "tool"}]
    ask = node("ask", "llm", config={"prompt_template": "x", "tools": tools})
    wins = code("wins", SPIN, on_error={"default": 1}, retry={"max_attempts": 1})
    wins["config"]["limits"] = {"time_s": 5}
    nodes = [S, ask, slow("tool"), wins, merge(**RACE), OUT]
    handle = await runner.start(nodes, "s>ask", "s>wins", "ask>m", "wins>m", "m>o")
    # the first model that a process asks takes its time: LiteLLM is imported
    assert await asyncio.wait_for(handle.result(), 120) == 1
    found = await states(runner, handle)
    assert found["ask"] == ("cancelled", "lost_race")
    assert found["tool"][0] in ("cancelled", "skipped"), "whether it was called by then"


async def test_two_of_three(runner: Runner) -> None:
    nodes = [S, code("a", "'a'"), slow("b"), code("c", "'c'"),
             merge(mode="n_of", n=2, cancel_losers=True, output="list"), OUT]  # fmt: skip
    handle = await runner.start(nodes, *FORK)
    assert await runner.result(handle) == ["a", "c"]
    assert (await states(runner, handle))["b"] == ("cancelled", "lost_race")


async def test_a_cancel_while_losers_end_is_a_cancel(runner: Runner) -> None:
    nodes = [S, code("a", "1"), slow("b"), merge(**RACE), slow("c"), OUT]
    handle = await runner.start(nodes, "s>a", "s>b", "a>m", "b>m", "m>c", "c>o")
    await runner.until(handle, "c", "running")
    await handle.cancel()
    await runner.failure(handle)
    found = await states(runner, handle)
    assert found["c"] == ("cancelled", "execution_cancelled")
    assert found["b"][0] == "cancelled"


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_nodes_run_at_once_than_the_graph_says(runner: Runner, limit: int) -> None:
    nodes = [S, *[code(f"k{i}", "for i in range(10**5): pass\n1") for i in range(9)], OUT]
    edges = [edge for i in range(9) for edge in (f"s>k{i}", f"k{i}>o")]
    handle = await runner.start(nodes, *edges, max_parallel=limit)
    await runner.result(handle)
    running = most = 0
    for event in runner.events(handle):
        running += (event.type is EventType.NODE_STARTED) - (event.type is EventType.NODE_SUCCEEDED)
        most = max(most, running)
    assert most == limit


def waiting(id: str, seconds: float) -> dict[str, Any]:
    return node(id, "wait", config={"duration": seconds})


async def test_a_node_that_waits_takes_no_place(runner: Runner) -> None:
    """One place: what waits gives it to the next, so all four wait at the same time."""
    nodes = [S, *[waiting(f"w{i}", 3) for i in range(4)], code("k", "1"), OUT]
    edges = [edge for one in nodes[1:-1] for edge in (f"s>{one['id']}", f"{one['id']}>o")]
    handle = await runner.start(nodes, *edges, max_parallel=1)
    await runner.result(handle)
    events = [(event.type, event.node_id) for event in runner.events(handle)]
    ends = [index for index, (type, node_id) in enumerate(events)
            if type is EventType.NODE_SUCCEEDED and node_id != "s"]  # fmt: skip
    begun = [node_id for type, node_id in events[: ends[0]] if type is EventType.NODE_STARTED]
    assert begun == ["s", "w0", "w1", "w2", "w3", "k"]


async def test_what_waits_loses_as_well(runner: Runner) -> None:
    nodes = [S, waiting("late", 3600), waiting("soon", 0.5), merge(**RACE), output("{input}")]
    handle = await runner.start(nodes, "s>late", "s>soon", "late>m", "soon>m", "m>o")
    await runner.result(handle)
    assert (await states(runner, handle))["late"] == ("cancelled", "lost_race")


async def test_every_item_has_its_race(runner: Runner) -> None:
    body = [code("quick", "def main(item):\n    return item * 2"), slow("late"), merge(**RACE)]
    one = each(body, "quick>m", "late>m")
    handle = await runner.start([S, one, OUT], "s>each", "each>o", input=[1, 2, 3])
    assert await runner.result(handle) == [2, 4, 6]


async def test_a_map_that_loses_ends_with_its_items(runner: Runner) -> None:
    nodes = [S, each([slow("spin")], items=[1, 2]), waiting("soon", 2), merge(**RACE),
             output("done")]  # fmt: skip
    handle = await runner.start(nodes, "s>each", "s>soon", "each>m", "soon>m", "m>o")
    assert await runner.result(handle) == "done"
    assert (await states(runner, handle))["each"] == ("cancelled", "lost_race")
    [child] = await children(handle)
    described = await runner.client.get_workflow_handle(child).describe()
    assert described.status is not WorkflowExecutionStatus.RUNNING
