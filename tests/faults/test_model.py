"""Anything at any time: hypothesis starts, pauses, resumes, cancels and repeats runs of graphs
that it draws, kills the worker, drops watchers, in any order; what must hold holds.

The stack is real and a run goes on between two steps, so a failing order is not shrunk: it is
printed with its times, and the same order is tried by hand from there. `PILOT_CHAOS_EXAMPLES`
makes it longer (5 examples by default, always the same; with the variable, other ones each time).
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from temporalio.client import WorkflowExecutionStatus

from tests.faults.drawn import Drawn, drawn
from tests.faults.reconnecting import ENDS, Watcher
from tests.faults.view import Event
from tests.faults.world import World
from tests.stack import finished
from workflows_def.messages import QUERY_EVENTS, QUERY_SNAPSHOT, EventsPage, Snapshot

EXAMPLES = int(os.environ.get("PILOT_CHAOS_EXAMPLES") or 0)
MAX_RUNS, MAX_KILLS = 5, 1 if not EXAMPLES else 3
END_LIMIT_S = 180
SIGNALS = ("pause", "resume", "cancel")
STEPS = ("wait", *SIGNALS, "drop", "sse", "ws", "start again", "read", "kill")
WAIT_S = 0.4
WORKFLOW_STATUS = {
    "succeeded": WorkflowExecutionStatus.COMPLETED,
    "cancelled": WorkflowExecutionStatus.CANCELED,
}


def timeless(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without their times: those of local activities that end in one workflow task may be some
    milliseconds off where the run is rebuilt from its history."""
    return [{key: value for key, value in event.items() if key != "at"} for event in events]


@dataclass
class Run:
    """An execution and what was done to it. `final` is its resource once it was seen final."""

    id: str
    drawn: Drawn
    workflow_id: str
    key: str
    cancelled: bool = False
    final: dict[str, Any] | None = None
    watchers: list[Watcher] = field(default_factory=list)


class Anything(RuleBasedStateMachine):
    """One rule for nearly all, for hypothesis leaves whole rules out of an example. `done`
    counts the steps of all examples."""

    runs: Bundle[Run] = Bundle("runs")

    def __init__(self, world: World, done: Counter[str]) -> None:
        super().__init__()
        self.world = world
        self.done = done
        self.started: list[Run] = []
        self.kills = 0
        self._began = time.monotonic()
        self._steps: list[str] = []

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        self._steps.append(f"{time.monotonic() - self._began:7.2f} s  {text}")
        try:
            yield
        except BaseException:
            print("\n".join(["the steps up to the failure:", *self._steps]))
            raise

    def number(self, run: Run) -> str:
        return f"run {self.started.index(run)} ({run.id})"

    # -- what is done --------------------------------------------------------------------

    @initialize(target=runs, drawn=drawn())
    def first(self, drawn: Drawn) -> Run:
        return self._started(drawn)

    @precondition(lambda self: len(self.started) < MAX_RUNS)
    @rule(target=runs, drawn=drawn())
    def start(self, drawn: Drawn) -> Run:
        return self._started(drawn)

    def _started(self, drawn: Drawn) -> Run:
        with self.step(f"start run {len(self.started)} of {drawn.text}"):
            run = self.world.do(self._start(drawn))
            self.started.append(run)
            return run

    @rule(run=runs, what=st.sampled_from(STEPS))
    def act(self, run: Run, what: str) -> None:
        if what == "kill":
            if self.kills == MAX_KILLS:
                return
            self.kills += 1
        self.done[what] += 1
        with self.step(f"{what} {self.number(run)}"):
            self.world.do(self._act(run, what))

    async def _act(self, run: Run, what: str) -> None:
        match what:
            case "drop":
                await run.watchers[-1].drop()
            case "sse" | "ws":
                await self._watch(run, what)
            case "start again":
                await self._execute(run.workflow_id, run.key, expected=run.id)
            case "read":
                await self._read(run)
            case "wait":
                await asyncio.sleep(WAIT_S)
            case "kill":
                await self.world.restart_worker()
            case _:
                await self._ask(run, what)

    # -- what must hold ------------------------------------------------------------------

    def teardown(self) -> None:
        """Drops every watcher once more, lets every run end, and holds it to the model."""
        for run in self.started:
            for watcher in run.watchers:
                self.world.do(watcher.drop())
        for run in self.started:
            with self.step(f"{self.number(run)} ends, and is as it must be"):
                self.world.do(self._check(run))

    async def _start(self, drawn: Drawn) -> Run:
        answer = await self.world.client.post("/api/v1/workflows", json=drawn.body(self.world.url))
        assert answer.status_code == 201, answer.text
        key, workflow_id = str(uuid.uuid4()), str(answer.json()["id"])
        id = await self._execute(workflow_id, key)
        run = Run(id, drawn, workflow_id, key)
        await self._watch(run, "sse")
        return run

    async def _execute(self, workflow_id: str, key: str, expected: str | None = None) -> str:
        answer = await self.world.client.post(
            f"/api/v1/workflows/{workflow_id}/execute",
            json={"input": 1},
            headers={"Idempotency-Key": key},
        )
        assert answer.status_code == 202, answer.text
        assert answer.headers.get("Idempotent-Replayed") == ("true" if expected else None)
        assert answer.json()["id"] == (expected or answer.json()["id"])
        return str(answer.json()["id"])

    async def _ask(self, run: Run, what: str) -> None:
        answer = await self.world.client.post(f"/api/v1/executions/{run.id}/{what}")
        assert answer.status_code in (202, 409), (what, answer.text)
        if answer.status_code == 409:
            assert answer.json()["code"] == "already_finished"
        else:
            assert run.final is None, f"{what} was accepted though the run had finished"
            run.cancelled |= what == "cancel"

    async def _read(self, run: Run) -> dict[str, Any]:
        answer = await self.world.client.get(f"/api/v1/executions/{run.id}")
        assert answer.status_code == 200, answer.text
        execution: dict[str, Any] = answer.json()
        assert run.final in (None, execution), "a final execution changed"
        if f"execution.{execution['status']}" in ENDS:
            run.final = execution
        return execution

    async def _watch(self, run: Run, way: str) -> Watcher:
        watcher = Watcher(self.world.fleet, run.id, way)
        run.watchers.append(watcher)
        return watcher

    async def _check(self, run: Run) -> None:
        if (await self._read(run))["status"] not in WORKFLOW_STATUS:
            await self._ask(run, "resume")
        async with within(f"run {run.id} was not final"):
            await finished(self.world.client, run.id, within_s=2 * END_LIMIT_S)
        execution = await self._read(run)
        self._check_outcome(run, execution)
        truth = await self._check_temporal(run, execution)
        for watcher in (*run.watchers, await self._watch(run, "sse")):
            async with within(f"a watcher by {watcher.way} had not seen the end of {run.id}"):
                view = await watcher.finished()
                assert not (difference := view.difference(truth)), difference
                assert timeless(view.events) == timeless(truth[view.begins_after :])
        _check_events(truth)
        for what in SIGNALS:
            await self._ask(run, what)
        await self._execute(run.workflow_id, run.key, expected=run.id)
        await self._read(run)

    def _check_outcome(self, run: Run, execution: dict[str, Any]) -> None:
        """The execution ended as one that was left alone does, or was cancelled on demand; its
        http nodes were called once an attempt at most."""
        became = {node["id"]: node["status"] for node in execution["nodes"]}
        assert became.keys() == run.drawn.runs.keys()
        if execution["status"] == "cancelled":
            assert run.cancelled, "nobody had cancelled it"
            for node in execution["nodes"]:
                assert node["status"] in ("succeeded", "skipped", "cancelled")
                assert run.drawn.runs[node["id"]] or node["status"] == "skipped"
        else:
            assert (execution["status"], execution["error"]) == ("succeeded", None)
            expected = {
                id: "succeeded" if runs else "skipped" for id, runs in run.drawn.runs.items()
            }
            assert became == expected
            assert execution["output"] == ("done" if run.drawn.runs["output"] else None)
        for node in execution["nodes"]:
            if node["id"] in run.drawn.asks:
                asked = self.world.asked[run.id, node["id"]]
                if node["status"] == "succeeded":
                    assert 1 <= asked <= node["attempt"]
                elif node["status"] == "skipped":
                    assert asked == 0

    async def _check_temporal(self, run: Run, execution: dict[str, Any]) -> list[Event]:
        """Temporal says what the store says. The events as the workflow has them, which a
        worker reads off the history by going through it again; values in the form that
        watchers are given are the same here, for they are small."""
        handle = self.world.temporal.get_workflow_handle(f"execution-{run.id}")
        async with within(f"Temporal had not closed {run.id}, or did not answer"):
            while (found := await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
                await asyncio.sleep(0.05)
            assert found.status is WORKFLOW_STATUS[execution["status"]]
            await self.world.fleet.workers[0].ready()
            snapshot = await handle.query(QUERY_SNAPSHOT, result_type=Snapshot)
            page = await handle.query(QUERY_EVENTS, 0, result_type=EventsPage)
        assert (snapshot.status, snapshot.seq) == (execution["status"], len(page.events))
        assert not page.more
        assert {node.id: node.status for node in snapshot.nodes} == {
            node["id"]: node["status"] for node in execution["nodes"]
        }
        return page.events


@asynccontextmanager
async def within(otherwise: str) -> AsyncIterator[None]:
    """Fails, saying so, where what stands in it takes over `END_LIMIT_S`."""
    try:
        async with asyncio.timeout(END_LIMIT_S):
            yield
    except TimeoutError:
        raise AssertionError(f"{otherwise} after {END_LIMIT_S} s") from None


def _check_events(events: list[Event]) -> None:
    """One end, the last; no node starts or succeeds twice, none starts in a pause."""
    types = [event["type"] for event in events]
    assert [type for type in types if type in ENDS] == types[-1:]
    for type in ("node.started", "node.succeeded", "node.skipped"):
        nodes = [event["node_id"] for event in events if event["type"] == type]
        assert len(nodes) == len(set(nodes)), f"{type} twice"
    paused = False
    for type in types:
        if type in ("execution.paused", "execution.resumed"):
            paused = type == "execution.paused"
        assert not (paused and type == "node.started"), "a node was started in a pause"


@pytest.mark.slow
@pytest.mark.timeout(max(600, EXAMPLES * 120))
def test_anything_at_any_time(tmp_path: Path) -> None:
    profile = settings(
        max_examples=EXAMPLES or 5,
        stateful_step_count=25,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    done: Counter[str] = Counter()
    with World(tmp_path) as world:
        run_state_machine_as_test(lambda: Anything(world, done), settings=profile)
    assert done.keys() == set(STEPS), "steps were left out: the test shows too little"
