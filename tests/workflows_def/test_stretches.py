"""Pure nodes that run together: seen, failed, paused and cancelled as if each ran by itself."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType as HistoryEvent
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from activities import stretch
from pilot.events.model import Event
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.nodes import specs
from tests.graph.graphs import graph, node, with_activities
from tests.workflows_def.conftest import Runner
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME, WORKFLOW_TYPE, RunInput

S, OUT = node("s", "start"), node("o", "output")
SLOW = "[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, a * b)).size()"


def sets(id: str, value: str, **fields: Any) -> dict[str, Any]:
    return node(id, config={"assignments": {"v": value}}, **fields)


def check(id: str, expression: str) -> dict[str, Any]:
    return node(id, "condition", config={"expression": expression})


async def start(runner: Runner, plan: Plan, input: Any = None) -> WorkflowHandle[Any, Any]:
    run = RunInput(str(uuid.uuid4()), "w", "test", 1, "u", plan, input)
    return await runner.client.start_workflow(
        WORKFLOW_TYPE, run, id=f"execution-{run.execution_id}", task_queue=runner.task_queue
    )


def by_itself(drawn: Graph) -> Plan:
    """The plan as a release before had it: each node has its own activity."""
    plan = with_activities(drawn)
    return replace(plan, nodes=[replace(one, pure=False) for one in plan.nodes])


async def markers(handle: WorkflowHandle[Any, Any]) -> int:
    """How many local activities the run has had."""
    history = await handle.fetch_history()
    return sum(
        event.event_type == HistoryEvent.EVENT_TYPE_MARKER_RECORDED for event in history.events
    )


def told(events: list[Event]) -> list[Any]:
    """What events say, by node, without times."""
    found = [
        (event.node_id or "", event.type, event.status, event.attempt, _timeless(event.data))
        for event in events
    ]
    return sorted(found, key=lambda one: one[0])


def _timeless(data: dict[str, Any]) -> dict[str, Any]:
    meta = dict(data.get("meta", {}))
    for name in ("started_at", "duration_ms"):
        meta.pop(name, None)
    return data | {"meta": meta}


GRAPHS: dict[str, Any] = {
    "chain": (
        [S, *(sets(f"n{i}", "{input.n}") for i in range(9)), node("o", "output",
         config={"value": "{vars.v} {nodes.n3.meta.attempt} {execution.id.size()}"})],
        [f"{a}>{b}" for a, b in itertools.pairwise(["s", *(f"n{i}" for i in range(9)), "o"])],
    ),
    "branches": (
        [S, check("c", "input.n > 1"), sets("yes", "y"), sets("no", "n"),
         sets("after", "{vars.v}!"), node("o", "output", config={"value": "{vars.v}"})],
        ["s>c", "c:true>yes", "c:false>no", "yes>after", "no>after", "after>o"],
    ),
    "joins": (
        [S, *(sets(f"n{i}", f"{i}") for i in range(5)),
         node("m", "merge", config={"output": "list"}), OUT],
        [*(f"s>n{i}" for i in range(5)), *(f"n{i}>m" for i in range(5)), "m>o"],
    ),
    "mixed": (
        [S, sets("a", "1"), node("k", "code", config={"source": "def main(vars): return vars"}),
         sets("b", "{input.v}2"), sets("side", "s"), node("e", "output"), OUT],
        ["s>a", "a>k", "k>b", "b>o", "a>side", "side>e"],
    ),
    "error": (
        [S, sets("bad", "{input.missing}", on_error="branch"), sets("after", "x"),
         node("e", "output", config={"value": "{input.code}"}), sets("other", "y"), OUT],
        ["s>bad", "bad>after", "after>o", "bad:error>e", "s>other", "other>o"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
async def test_it_is_told_as_if_each_ran_by_itself(runner: Runner, name: str) -> None:
    nodes, edges = GRAPHS[name]
    drawn = graph(nodes, *edges)
    together, apart = (
        await start(runner, compile_plan(drawn, specs()), {"n": 2}),
        await start(runner, by_itself(drawn), {"n": 2}),
    )
    assert await runner.result(together) == await runner.result(apart)
    assert told(runner.events(together)) == told(runner.events(apart))
    assert await markers(together) < await markers(apart)
    states = [(await runner.snapshot(handle)).nodes for handle in (together, apart)]
    for one, other in zip(*states, strict=True):
        assert (one.id, one.status, one.output, one.error, one.attempt) == (
            other.id, other.status, other.output, other.error, other.attempt
        )  # fmt: skip
        if one.started_at is not None:
            assert one.finished_at is not None
            assert one.started_at <= one.finished_at
    times = [event.at for event in runner.events(together)]
    assert times == sorted(times)


async def test_a_hundred_nodes_are_one_step(runner: Runner) -> None:
    ids = [f"n{i}" for i in range(98)]
    plan = compile_plan(
        graph(
            [S, *(sets(id, "{input}") for id in ids), OUT],
            *[f"{a}>{b}" for a, b in itertools.pairwise(["s", *ids, "o"])],
        ),
        specs(),
    )
    handle = await start(runner, plan, "x")
    assert await runner.result(handle) == "x"
    assert await markers(handle) == 1


async def test_a_failing_node_fails_by_itself(runner: Runner) -> None:
    """Those before it have run, those below it have not, and its error is its own."""
    nodes = [S, sets("a", "1"), sets("bad", "{input.missing}"), sets("never", "2"), OUT]
    handle = await runner.start(nodes, "s>a", "a>bad", "bad>never", "never>o", input={})
    error = await runner.failure(handle)
    assert error.type == "expression_failed"
    states = {one.id: one for one in (await runner.snapshot(handle)).nodes}
    assert [states[id].status for id in ("a", "bad", "never")] == ["succeeded", "failed", "skipped"]
    assert states["bad"].error is not None
    assert states["bad"].error["code"] == error.type
    told_of = [event.type for event in runner.events(handle) if event.node_id == "bad"]
    assert told_of == ["node.started", "node.failed"]


async def test_a_stretch_that_is_full_goes_on_in_another(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "MAX_RESULT_BYTES", 1)
    nodes = [S, *(sets(f"n{i}", "{input}") for i in range(3)), OUT]
    handle = await runner.start(nodes, "s>n0", "n0>n1", "n1>n2", "n2>o", input="x")
    assert await runner.result(handle) == "x"
    assert await markers(handle) == 3


async def test_a_node_that_takes_long_runs_by_itself(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A costly expression goes to a process of its own, and is not waited for."""
    monkeypatch.setattr(stretch, "BUDGET_S", 0.000_001)
    nodes = [S, sets("slow", f"{{{SLOW}}}"), node("o", "output", config={"value": "{vars.v}"})]
    handle = await runner.start(nodes, "s>slow", "slow>o")
    assert await runner.result(handle) == 10
    assert [one.status for one in (await runner.snapshot(handle)).nodes] == ["succeeded"] * 3


async def test_a_paused_run_begins_no_stretch_and_a_cancelled_one_skips_it(runner: Runner) -> None:
    wait = node("w", "wait", config={"signal": "go"})
    nodes = [S, wait, node("k", "code", config={"source": "import time\n1"}),
             sets("a", "1"), sets("b", "2"), OUT]  # fmt: skip
    handle = await runner.start(nodes, "s>k", "k>a", "a>b", "b>o", "s>w", "w>o")
    await handle.signal(SIGNAL_PAUSE)
    await asyncio.sleep(0.5)
    states = {one.id: one.status for one in (await runner.snapshot(handle)).nodes}
    assert (states["a"], states["b"]) == ("pending", "pending")
    await handle.signal(SIGNAL_RESUME)
    await runner.until(handle, "b", "succeeded")
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await runner.result(handle)
    assert isinstance(caught.value.cause, CancelledError)
    states = {one.id: one.status for one in (await runner.snapshot(handle)).nodes}
    assert (states["b"], states["w"], states["o"]) == ("succeeded", "cancelled", "skipped")


async def test_large_values_stay_out_of_stretches(runner: Runner) -> None:
    """What a local activity is given travels through the worker, or a payload store, each time."""
    nodes = [S, sets("a", "{size(input)}"), sets("b", "{size(input)}"),
             node("o", "output", config={"value": "{vars.v}"})]  # fmt: skip
    small = await runner.start(nodes, "s>a", "a>b", "b>o", input="x" * 1_000)
    large = await runner.start(nodes, "s>a", "a>b", "b>o", input="x" * 200_000)
    assert (await runner.result(small), await runner.result(large)) == (1_000, 200_000)
    assert await markers(small) == 1
    assert await markers(large) > 1
