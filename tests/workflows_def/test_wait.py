"""wait: timers, signals and webhooks, as the workflow has them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from pilot.events.model import EventType
from tests.graph.graphs import node
from tests.workflows_def.conftest import Runner
from workflows_def.inbox import MAX_EARLY
from workflows_def.messages import UPDATE_DELIVER, Delivery, Receipt

START, OUTPUT = node("s", "start"), node("o", "output")


def graph(**config: Any) -> list[dict[str, Any]]:
    return [START, node("w", "wait", config=config), OUTPUT]


async def deliver(
    handle: WorkflowHandle[Any, Any], payload: Any, *nodes: str, id: str | None = None
) -> list[str]:
    receipts = await handle.execute_update(
        UPDATE_DELIVER,
        Delivery([(one, "") for one in nodes or ("w",)], payload),
        id=id,
        result_type=list[Receipt],
    )
    return [receipt.status for receipt in receipts]


async def refusal(handle: WorkflowHandle[Any, Any], payload: Any = None) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await deliver(handle, payload)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.type


async def test_a_duration_passes(runner: Runner) -> None:
    before = datetime.now(UTC)
    handle = await runner.start(graph(duration="{input.s}"), "s>w", "w>o", input={"s": "PT0.3S"})
    waited = await runner.until(handle, "w", "waiting")
    assert waited.status == "waiting"
    [state] = [one for one in waited.nodes if one.id == "w"]
    assert state.meta["waiting"]["for"] == "duration"
    ended = datetime.fromisoformat(await runner.result(handle))
    assert ended - before >= timedelta(seconds=0.3)
    types = [event.type for event in runner.events(handle)]
    assert types.index(EventType.NODE_WAITING) < types.index(EventType.EXECUTION_WAITING)
    assert EventType.EXECUTION_RESUMED in types or types[-1] is EventType.EXECUTION_SUCCEEDED


async def test_a_time_that_is_past_is_not_waited_for(runner: Runner) -> None:
    handle = await runner.start(
        graph(until="2020-01-01T09:00", timezone="Europe/Berlin"), "s>w", "w>o"
    )
    await runner.result(handle)
    assert EventType.NODE_WAITING not in [event.type for event in runner.events(handle)]


async def test_a_bad_time_fails_the_node(runner: Runner) -> None:
    handle = await runner.start(graph(until="{input}"), "s>w", "w>o", input="tomorrow")
    failure = await runner.failure(handle)
    assert failure.type == "invalid_time"
    assert "tomorrow" in failure.message


async def test_a_signal_that_matches_ends_the_wait(runner: Runner) -> None:
    nodes = graph(signal="paid", condition="payload.order == nodes.s.output.order")
    handle = await runner.start(nodes, "s>w", "w>o", input={"order": 7})
    await runner.until(handle, "w", "waiting")
    assert await deliver(handle, {"order": 8}) == ["no_match"]
    assert await deliver(handle, "no order at all") == ["no_match"]
    assert await deliver(handle, {"order": 7, "x": 1}) == ["accepted"]
    assert await runner.result(handle) == {"order": 7, "x": 1}


async def test_what_does_not_fit_the_schema_is_told(runner: Runner) -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    handle = await runner.start(graph(webhook=True, payload_schema=schema), "s>w", "w>o")
    await runner.until(handle, "w", "waiting")
    [receipt] = await handle.execute_update(
        UPDATE_DELIVER, Delivery([("w", "")], {"n": "x"}), result_type=list[Receipt]
    )
    assert receipt.status == "invalid"
    assert receipt.problems == [{"path": "$.n", "message": "'x' is not of type 'integer'"}]
    assert await deliver(handle, {"n": 1}) == ["accepted"]
    assert await runner.result(handle) == {"n": 1}


async def test_what_comes_early_is_kept_in_order(runner: Runner) -> None:
    spin = "def main():\n    while True:\n        pass"
    slow = node(
        "slow", "code", config={"source": spin, "limits": {"time_s": 1}}, on_error="continue"
    )
    handle = await runner.start(
        [START, slow, node("w", "wait", config={"signal": "go", "count": 3}), OUTPUT],
        "s>slow", "slow>w", "w>o",
    )  # fmt: skip
    await runner.until(handle, "slow", "running")
    assert await deliver(handle, 1) == ["buffered"]
    assert await deliver(handle, 2) == ["buffered"]
    await runner.until(handle, "w", "waiting")
    assert await deliver(handle, 3) == ["accepted"]
    assert await runner.result(handle) == [1, 2, 3]


async def test_early_deliveries_are_bounded(runner: Runner) -> None:
    nodes = [START, node("first", "wait", config={"signal": "first"}),
             node("w", "wait", config={"signal": "go"}), OUTPUT]  # fmt: skip
    handle = await runner.start(nodes, "s>first", "first>w", "w>o")
    await runner.until(handle, "first", "waiting")
    for _ in range(MAX_EARLY):
        assert await deliver(handle, 0) == ["buffered"]
    assert await refusal(handle) == "too_many_early"
    assert await deliver(handle, 0, "first") == ["accepted"]
    assert await runner.result(handle) == 0


async def test_one_use_takes_one_of_two_at_once(runner: Runner) -> None:
    nodes = [START, node("w", "wait", config={"webhook": True, "condition": "payload > 0"}),
             node("then", "wait", config={"signal": "end"}), OUTPUT]  # fmt: skip
    handle = await runner.start(nodes, "s>w", "w>then", "then>o")
    await runner.until(handle, "w", "waiting")
    found = await asyncio.gather(*(deliver(handle, n) for n in range(1, 6)), return_exceptions=True)
    statuses = [one[0] if isinstance(one, list) else "refused" for one in found]
    assert statuses.count("accepted") == 1
    assert set(statuses) <= {"accepted", "closed", "refused"}
    await runner.until(handle, "then", "waiting")
    assert await refusal(handle) == "not_waiting"
    await deliver(handle, None, "then")
    await runner.result(handle)


async def test_a_repetition_gets_the_same_answer_and_counts_once(runner: Runner) -> None:
    handle = await runner.start(graph(webhook=True, count=2), "s>w", "w>o")
    await runner.until(handle, "w", "waiting")
    for _ in range(3):
        assert await deliver(handle, "a", id="key-1") == ["accepted"]
    assert await deliver(handle, "b", id="key-2") == ["accepted"]
    assert await runner.result(handle) == ["a", "b"]
    assert await deliver(handle, "b", id="key-2") == ["accepted"]  # the run has ended since


async def test_many_until_one_says_that_it_is_the_last(runner: Runner) -> None:
    nodes = graph(webhook=True, count=100, done_when="payload.last")
    handle = await runner.start(nodes, "s>w", "w>o")
    await runner.until(handle, "w", "waiting")
    for n in range(3):
        assert await deliver(handle, {"n": n, "last": n == 2}) == ["accepted"]
    assert [one["n"] for one in await runner.result(handle)] == [0, 1, 2]


async def test_a_time_out_takes_its_branch(runner: Runner) -> None:
    nodes = [START, node("w", "wait", config={"signal": "x", "timeout": 0.2}),
             node("late", "output", config={"value": "late"}),
             node("o", "output", config={"value": "came"})]  # fmt: skip
    handle = await runner.start(nodes, "s>w", "w:timeout>late", "w>o")
    assert await runner.result(handle) == {"late": "late"}


async def test_a_time_out_may_fail_the_node(runner: Runner) -> None:
    nodes = graph(signal="x", timeout=0.2, on_timeout="fail")
    handle = await runner.start(nodes, "s>w", "w>o")
    assert (await runner.failure(handle)).type == "wait_timeout"


async def test_a_waiting_run_can_be_cancelled(runner: Runner) -> None:
    handle = await runner.start(graph(duration="P30D"), "s>w", "w>o")
    await runner.until(handle, "w", "waiting")
    await handle.cancel()
    await runner.failure(handle)
    snapshot = await runner.snapshot(handle)
    assert {one.id: one.status for one in snapshot.nodes}["w"] == "cancelled"
