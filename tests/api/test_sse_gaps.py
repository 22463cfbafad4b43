"""A stream of server-sent events has no gap, whatever was lost or late on the way to it."""

import asyncio
import functools
import time
import uuid
from datetime import UTC, datetime

import pytest

from api.auth import Caller
from api.live import sse, watch
from pilot.events.model import Envelope, Event, EventType, rfc3339
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution


async def lines(stream):
    """The ids of the events that a stream's body gives until its end."""
    text = "".join([part async for part in stream.body_iterator])
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]


class Other:
    def deliver(self, delivery):
        pass


def an_event(execution, seq, type=EventType.NODE_STARTED):
    node = "s" if type is EventType.NODE_STARTED else None
    at = rfc3339(datetime.now(UTC))
    return Event(type, execution.id, execution.workflow_id, at, seq=seq, node_id=node)


@pytest.fixture
async def queued(api):
    """An execution's row, and `stream` with what is the same for all its streams. No worker
    runs it and no Temporal server answers."""
    graph = {"nodes": [{"id": "s", "type": "start"}], "edges": []}
    store = api.parts.store
    workflow = await store.create_workflow("ada", name="w", description="", graph=graph)
    row = Execution(
        id=str(uuid.uuid4()),
        owner="ada",
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=None,
        created_at=datetime.now(UTC),
    )
    await store.create_execution(row)
    reader = sse.Reader(Caller("ada", time.time() + 60), "127.0.0.1")
    return row, functools.partial(sse.stream, api.parts, reader)


async def test_what_comes_between_the_answer_and_its_body_is_not_lost(api, queued):
    row, stream = queued
    first = an_event(row, 1, EventType.EXECUTION_STARTED)
    last = an_event(row, 2, EventType.EXECUTION_SUCCEEDED)
    # another watcher of the same user, for whose sake the feed hears of the run at all
    with api.parts.feed.listening("ada", Other()):
        await api.parts.feed.ready("ada")
        answer = await stream(row, 0)
        await api.parts.bus.publish([Envelope("ada", first)])
        async with asyncio.timeout(10):
            while api.parts.feed.last_seq(row.id) < 1:
                await asyncio.sleep(0.005)
        reading = asyncio.create_task(lines(answer))
        await asyncio.sleep(0.1)
        await api.parts.store.append_events(row.id, [first, last])
        await api.parts.bus.publish([Envelope("ada", last)])
        assert await asyncio.wait_for(reading, 30) == [1, 2]


async def test_a_gap_that_nobody_can_fill_yet_ends_the_stream(api, queued, monkeypatch):
    """The client comes back with its last id, and finds what was missing sooner or later."""
    monkeypatch.setattr(watch, "CATCH_UP_DELAYS_S", (0.01,))
    row, stream = queued
    await api.parts.store.append_events(row.id, [an_event(row, seq) for seq in (1, 3)])
    row = await api.parts.store.get_execution("ada", row.id)
    assert await asyncio.wait_for(lines(await stream(row, 0)), 30) == [1]
    ends = [an_event(row, 2), an_event(row, 4, EventType.EXECUTION_SUCCEEDED)]
    await api.parts.store.append_events(row.id, ends)
    row = await api.parts.store.get_execution("ada", row.id)
    assert await asyncio.wait_for(lines(await stream(row, 1)), 30) == [2, 3, 4]
