"""Runs that end early: time limits, clean-up nodes, bugs of the interpreter, Temporal's limits."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer, Worker

from pilot import logs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from tests.graph.graphs import node
from tests.workflows_def.conftest import Runner
from tests.workflows_def.test_interpreter import OUT, SLOW, S, code, output, sets
from workflows_def import interpreter, pace
from workflows_def.messages import SIGNAL_PAUSE, WORKFLOW_TYPE

STUCK = node("slow", "code", config=SLOW)
TEXT_MB = 'def main(input):\n    return "x" * 1000 * 1000\n'


def states(snapshot: Any) -> dict[str, tuple[str, str | None]]:
    return {one.id: (one.status, one.reason) for one in snapshot.nodes}


# -- time limits ------------------------------------------------------------------------------


async def test_a_run_over_its_time_limit_is_timed_out(runner: Runner) -> None:
    handle = await runner.start([S, STUCK, OUT], "s>slow", "slow>o", timeout_s=0.5)
    error = await runner.failure(handle)
    assert isinstance(error, ApplicationError)
    assert error.type == "timed_out"
    snapshot = await runner.snapshot(handle)
    assert snapshot.status == "timed_out"
    assert snapshot.error == {
        "code": "timed_out",
        "message": "the execution took longer than its 0.5 s",
    }
    assert states(snapshot) == {
        "s": ("succeeded", None),
        "slow": ("cancelled", "execution_timed_out"),
        "o": ("skipped", "execution_timed_out"),
    }
    assert runner.events(handle)[-1].type.value == "execution.timed_out"


async def test_a_run_within_its_time_limit_is_not_touched_by_it(runner: Runner) -> None:
    handle = await runner.start([S, sets("a", v=1), OUT], "s>a", "a>o", input=3, timeout_s=3600)
    assert await runner.result(handle) == 3
    assert (await runner.snapshot(handle)).status == "succeeded"


async def test_a_pause_counts_towards_the_time_limit(runner: Runner) -> None:
    handle = await runner.start([S, STUCK, OUT], "s>slow", "slow>o", timeout_s=2)
    await handle.signal(SIGNAL_PAUSE)
    assert (await runner.failure(handle)).type == "timed_out"


# -- clean-up ---------------------------------------------------------------------------------


def undo(id: str = "undo", **fields: Any) -> dict[str, Any]:
    source = "def main(nodes, input):\n    return {'ran': sorted(nodes), 'input': input}\n"
    return code(id, source, on_cancel=True, **fields)


CLEAN_GRAPH = [S, sets("a", v=1), STUCK, OUT, undo(), code("then", "def main(x):\n    return x")]
CLEAN_EDGES = ["s>a", "a>slow", "slow>o", "undo>then"]


@pytest.mark.parametrize("paused", [False, True])
async def test_a_cancelled_run_cleans_up(runner: Runner, paused: bool) -> None:
    handle = await runner.start(CLEAN_GRAPH, *CLEAN_EDGES, input="given")
    await runner.until(handle, "slow", "running")
    if paused:
        await handle.signal(SIGNAL_PAUSE)
    await handle.cancel()
    assert isinstance(await runner.failure(handle), CancelledError)
    snapshot = await runner.snapshot(handle)
    assert snapshot.status == "cancelled"
    assert states(snapshot) == {
        "s": ("succeeded", None),
        "a": ("succeeded", None),
        "slow": ("cancelled", "execution_cancelled"),
        "o": ("skipped", "execution_cancelled"),
        "undo": ("succeeded", None),
        "then": ("succeeded", None),
    }
    outputs = {one.id: one.output for one in snapshot.nodes}
    assert outputs["undo"] == outputs["then"] == {"ran": ["a", "s"], "input": "given"}
    seqs = [event.seq for event in runner.events(handle)]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_a_timed_out_run_cleans_up(runner: Runner) -> None:
    handle = await runner.start(CLEAN_GRAPH, *CLEAN_EDGES, timeout_s=1)
    assert (await runner.failure(handle)).type == "timed_out"
    assert states(await runner.snapshot(handle))["then"] == ("succeeded", None)


async def test_a_run_that_ends_well_or_fails_does_not_clean_up(runner: Runner) -> None:
    handle = await runner.start([S, OUT, undo()], "s>o")
    await runner.result(handle)
    assert states(await runner.snapshot(handle))["undo"] == ("skipped", "not_cancelled")
    handle = await runner.start([S, code("bad", "1 / 0"), OUT, undo()], "s>bad", "bad>o")
    await runner.failure(handle)
    assert states(await runner.snapshot(handle))["undo"] == ("skipped", "not_cancelled")


async def test_a_cleanup_that_fails_ends_only_what_is_below_it(runner: Runner) -> None:
    nodes = [S, STUCK, OUT, code("bad", "1 / 0", on_cancel=True), code("below", "1"), undo()]
    handle = await runner.start(nodes, "s>slow", "slow>o", "bad>below")
    await runner.until(handle, "slow", "running")
    await handle.cancel()
    assert isinstance(await runner.failure(handle), CancelledError)
    seen = states(await runner.snapshot(handle))
    assert seen["bad"] == ("failed", None)
    assert seen["below"] == ("skipped", "branch_not_taken")
    assert seen["undo"] == ("succeeded", None)


async def test_a_cleanup_has_a_time_limit(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "CLEANUP_LIMIT_S", 0.5)
    stuck = node("undo", "code", config=SLOW, on_cancel=True)
    nodes = [S, STUCK, OUT, stuck, code("then", "1")]
    handle = await runner.start(nodes, "s>slow", "slow>o", "undo>then")
    await runner.until(handle, "slow", "running")
    await handle.cancel()
    assert isinstance(await runner.failure(handle), CancelledError)
    seen = states(await runner.snapshot(handle))
    assert seen["undo"] == ("cancelled", "cleanup_timed_out")
    assert seen["then"] == ("skipped", "cleanup_timed_out")


# -- poison -----------------------------------------------------------------------------------


async def healthy(runner: Runner) -> bool:
    return bool(await runner.run([S, OUT], "s>o", input=1) == 1)


async def replayed(runner: Runner, history: WorkflowHistory) -> None:
    """By a worker that finds large values where the runner's puts them."""
    converter = runner.client.data_converter
    replayer = Replayer(workflows=[], plugins=[PilotPlugin()], data_converter=converter)
    await replayer.replay_workflow(history)


async def failed_tasks(handle: Any) -> int:
    history = await handle.fetch_history()
    return sum(event.HasField("workflow_task_failed_event_attributes") for event in history.events)


@pytest.mark.parametrize("where", ["enter", "leave", "add_usage", "output"])
async def test_a_bug_of_the_interpreter_fails_the_run_and_nothing_else(
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    whole: Callable[..., Any] = getattr(interpreter.Records, where)

    def broken(self: Any, *given: Any) -> Any:
        if self._run.input == "poison":
            raise KeyError("a bug")
        return whole(self, *given)

    monkeypatch.setattr(interpreter.Records, where, broken)
    handle = await runner.start([S, sets("a", v=1), OUT], "s>a", "a>o", input="poison")
    error = await runner.failure(handle)
    assert error.type == "interpreter_error"
    assert "KeyError: 'a bug'" in error.message
    bug = "the interpreter failed on a graph"
    [logged] = [one for one in caplog.records if one.message.startswith(bug)]
    assert (logged.levelname, logs.ids_of(logged)["execution_id"]) == (
        "ERROR",
        handle.id.removeprefix("execution-"),
    )
    assert await failed_tasks(handle) == 0
    assert runner.events(handle)[-1].data["error"]["code"] == "interpreter_error"
    assert await healthy(runner)


async def test_a_bug_in_a_handler_ends_the_run(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = await runner.start([S, STUCK, OUT], "s>slow", "slow>o")
    await runner.until(handle, "slow", "running")

    def broken(*_given: Any, **_fields: Any) -> None:
        raise TypeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(interpreter.Journal, "append", broken)
        await handle.signal(SIGNAL_PAUSE)
        assert "a bug" in str(await runner.failure(handle))
    assert await healthy(runner)


async def test_an_argument_that_is_no_run_fails(runner: Runner) -> None:
    handle = await runner.client.start_workflow(
        WORKFLOW_TYPE,
        {"nonsense": True},
        id=f"execution-{uuid.uuid4()}",
        task_queue=runner.task_queue,
    )
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 20)
    assert await healthy(runner)


async def test_values_over_a_payload_are_an_error_of_the_node_that_wants_them(
    runner: Runner,
) -> None:
    both = code("both", "def main(nodes):\n    return len(nodes)\n")
    nodes = [S, code("a", TEXT_MB), code("b", TEXT_MB), both, OUT]
    handle = await runner.start(nodes, "s>a", "s>b", "a>both", "b>both", "both>o")
    error = await runner.failure(handle)
    assert error.type == "node_input_too_large"
    assert "2.0 MB" in error.message
    assert await failed_tasks(handle) == 0


async def test_outputs_over_a_payload_together_fail_the_run(runner: Runner) -> None:
    nodes = [S, code("a", TEXT_MB), code("b", TEXT_MB), output("{input}", "p"), OUT]
    handle = await runner.start(nodes, "s>a", "s>b", "a>p", "b>o")
    assert (await runner.failure(handle)).type == "output_too_large"
    assert await failed_tasks(handle) == 0


WIDE = [code(f"k{i}", "def main(x):\n    return len(x)\n") for i in range(8)]


async def test_large_values_go_out_in_several_workflow_tasks(runner: Runner) -> None:
    """Eight activities of 1 MB each would be a message over gRPC's 4 MB."""
    nodes = [S, code("big", TEXT_MB), *WIDE, OUT]
    edges = [*(f"big>{one['id']}" for one in WIDE), *(f"{one['id']}>o" for one in WIDE)]
    handle = await runner.start(nodes, "s>big", *edges)
    assert await runner.result(handle) == {f"k{i}": 1_000_000 for i in range(8)}
    assert await failed_tasks(handle) == 0
    history = await handle.fetch_history()
    await replayed(runner, history)


async def test_large_results_of_local_activities_do_too(runner: Runner) -> None:
    copies = [node(f"v{i}", config={"assignments": {f"v{i}": "{input}"}}) for i in range(8)]
    ids = ["big", *(one["id"] for one in copies)]
    chain = [f"{a}>{b}" for a, b in itertools.pairwise(ids)]
    nodes = [S, code("big", TEXT_MB), *copies, output("{size(vars.v7)}")]
    handle = await runner.start(nodes, "s>big", *chain, "v7>o")
    assert await runner.result(handle) == 1_000_000
    assert await failed_tasks(handle) == 0
    history = await handle.fetch_history()
    await replayed(runner, history)


async def test_a_run_ends_before_its_history_is_too_long(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MAX_HISTORY_EVENTS", 40)
    nodes = [S, *(code(f"c{i}", "1") for i in range(20)), OUT]
    ids = [one["id"] for one in nodes]
    chain = [f"{a}>{b}" for a, b in itertools.pairwise(ids)]
    handle = await runner.start(nodes, *chain)
    error = await runner.failure(handle)
    assert error.type == "history_limit"
    seen = states(await runner.snapshot(handle))
    assert seen["c2"] == ("succeeded", None)
    assert seen["o"] == ("skipped", "execution_failed")


# -- without a cache --------------------------------------------------------------------------


@pytest.fixture
async def forgetful(temporal_address: str, worker_settings: Settings) -> AsyncIterator[Runner]:
    """A worker that replays a run at each of its workflow tasks."""
    async with PilotPlugin.open(worker_settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        made = Runner(client, task_queue=f"test-{uuid.uuid4()}")
        async with Worker(client, task_queue=made.task_queue, max_cached_workflows=0):
            yield made


async def test_all_of_it_replays(forgetful: Runner) -> None:
    large = [S, code("big", TEXT_MB), *WIDE, OUT]
    edges = [*(f"big>{one['id']}" for one in WIDE), *(f"{one['id']}>o" for one in WIDE)]
    runs = [
        await forgetful.start(large, "s>big", *edges),
        await forgetful.start(CLEAN_GRAPH, *CLEAN_EDGES, timeout_s=60),
        await forgetful.start(CLEAN_GRAPH, *CLEAN_EDGES, timeout_s=3),
    ]
    await forgetful.until(runs[1], "slow", "running")
    await runs[1].cancel()
    assert len(await forgetful.result(runs[0])) == 8
    assert isinstance(await forgetful.failure(runs[1]), CancelledError)
    assert (await forgetful.failure(runs[2])).type == "timed_out"
    for handle in runs:
        assert await failed_tasks(handle) == 0
    described = await runs[1].describe()
    assert described.status is WorkflowExecutionStatus.CANCELED
