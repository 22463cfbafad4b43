"""Recording on real parts: an execution is final only when the store has all of it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.worker import Worker

from pilot import runs
from pilot.events import sink
from pilot.events.edition import begins_after
from pilot.events.model import Envelope, EventType
from pilot.graph.compile import compile_plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.store import Execution
from pilot.store.sql import SqlStore
from tests.graph.graphs import graph, node
from tests.workflows_def.conftest import Runner
from tests.workflows_def.test_reconcile import World, world
from workflows_def.messages import QUERY_EVENTS, EventsPage

__all__ = ["world"]

GRAPH = graph([node("s", "start"), node("k", "code"), node("o", "output")], "s>k", "k>o")


@pytest.mark.parametrize("lost", [set(), {2}, {3, 4, 5}, set(range(1, 9)), {8}])
async def test_lost_events_are_fetched_before_the_execution_is_final(
    world: World, lost: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await world.row(GRAPH, input=3)
    publish = sink.current()
    assert publish is not None
    seen: list[tuple[Execution, int]] = []
    append = SqlStore.append_events

    async def watched(self: SqlStore, execution_id: str, events: Any) -> None:
        await append(self, execution_id, events)
        if execution_id == row.id:
            seen.append((await world.fresh(row), await world.store.missing_from(row.id)))

    def lossy(envelope: Envelope) -> None:
        if envelope.event.execution_id != row.id or envelope.event.seq not in lost:
            publish(envelope)

    monkeypatch.setattr(SqlStore, "append_events", watched)
    sink.install(lossy)
    try:
        handle = await world.start(row, GRAPH)
        assert await asyncio.wait_for(handle.result(), 20) == 3
    finally:
        sink.install(publish)
    await world.gapless(row)
    final = await world.fresh(row)
    assert (final.status, final.output, final.last_seq) == (ExecutionStatus.SUCCEEDED, 3, 8)
    assert await world.states(row) == {"s": "succeeded", "k": "succeeded", "o": "succeeded"}
    for state, missing in seen:
        assert not state.status.is_final or missing == 9, "final before it was complete"


async def test_what_a_lost_workflow_task_had_sent_does_not_stay(world: World) -> None:
    """Its worker died before the task was done, and the task that was done again had other
    events in the place of those that had gone out."""
    row = await world.row(GRAPH, input=3)
    client, queue = world.runner.client, f"uncached-{uuid.uuid4()}"
    async with Worker(client, task_queue=queue, max_cached_workflows=0):
        await asyncio.sleep(0)  # the worker installs its own first
        publish = sink.current()
        assert publish is not None

        def before_its_death(envelope: Envelope) -> None:
            event = envelope.event
            if event.execution_id == row.id and event.seq in (3, 6):
                wrong = replace(event, type=EventType.NODE_STARTED, node_id="o", data={})
                publish(replace(envelope, event=wrong))
                publish(replace(envelope, event=replace(wrong, seq=20, node_id="gone")))
            else:
                publish(envelope)

        sink.install(before_its_death)
        run = runs.run_of(row, "w", compile_plan(GRAPH, specs()))
        await runs.start(client, run, queue, limit=timedelta(seconds=5))
        handle = client.get_workflow_handle(row.temporal_workflow_id)
        assert await asyncio.wait_for(handle.result(), 20) == 3
        truth = await handle.query(QUERY_EVENTS, result_type=EventsPage)
        sink.install(publish)
    stored = await world.store.events("u", row.id)
    assert [event.to_json() for event in stored] == truth.events
    final = await world.fresh(row)
    assert (final.status, final.output, final.last_seq) == (ExecutionStatus.SUCCEEDED, 3, 8)
    assert await world.states(row) == {"s": "succeeded", "k": "succeeded", "o": "succeeded"}


async def test_each_worker_that_takes_a_run_up_begins_an_edition(world: World) -> None:
    """It says after which event: up to there it has all from the run's history."""
    row = await world.row(GRAPH, input=3)
    client, queue = world.runner.client, f"uncached-{uuid.uuid4()}"
    told: list[Envelope] = []
    async with Worker(client, task_queue=queue, max_cached_workflows=0):
        await asyncio.sleep(0)  # the worker installs its own first
        publish = sink.current()
        assert publish is not None

        def listen(envelope: Envelope) -> None:
            if envelope.event.execution_id == row.id and envelope.event.seq is not None:
                told.append(envelope)
            publish(envelope)

        sink.install(listen)
        try:
            run = runs.run_of(row, "w", compile_plan(GRAPH, specs()))
            await runs.start(client, run, queue, limit=timedelta(seconds=5))
            handle = client.get_workflow_handle(row.temporal_workflow_id)
            assert await asyncio.wait_for(handle.result(), 20) == 3
        finally:
            sink.install(publish)
    assert [envelope.event.seq for envelope in told] == list(range(1, 9))
    editions = list(dict.fromkeys(envelope.edition for envelope in told))
    assert editions == sorted(editions)
    for edition in editions:
        first = next(one.event.seq for one in told if one.edition == edition)
        assert first is not None
        assert begins_after(edition) == (first - 1 if edition != editions[0] else None)
    assert len(editions) > 1


async def test_a_run_without_a_row_ends_all_the_same(runner: Runner) -> None:
    handle = await runner.start([node("s", "start"), node("o", "output")], "s>o", input=1)
    assert await runner.result(handle) == 1
    assert runner.events(handle)[-1].type is EventType.EXECUTION_SUCCEEDED
