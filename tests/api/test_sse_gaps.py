"""A stream of server-sent events has no gap, whatever was lost or late on the way to it."""

import asyncio
import functools
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from websockets.asyncio.client import connect

from api.auth import Caller
from api.live import sse, watch
from pilot.events.model import Envelope, Event, EventType, rfc3339
from tests.queued import queued as queued_row

START = sse.ResumePoint()


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
    row = queued_row(workflow)
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
        answer = await stream(row, START)
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
    assert await asyncio.wait_for(lines(await stream(row, START)), 30) == [1]
    ends = [an_event(row, 2), an_event(row, 4, EventType.EXECUTION_SUCCEEDED)]
    await api.parts.store.append_events(row.id, ends)
    row = await api.parts.store.get_execution("ada", row.id)
    assert await asyncio.wait_for(lines(await stream(row, sse.ResumePoint(1))), 30) == [2, 3, 4]


async def received(socket, count):
    """The next messages of the run."""
    got = []
    while len(got) < count:
        got.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
    return got


async def test_a_websocket_says_the_gap_and_shows_the_execution(api, queued, monkeypatch):
    """Nothing is skipped in silence: whoever sees `gap` throws away what they had."""
    monkeypatch.setattr(watch, "CATCH_UP_DELAYS_S", (0.01,))
    row, _ = queued
    events = [an_event(row, seq) for seq in (1, 3)]
    end = an_event(row, 5, EventType.EXECUTION_SUCCEEDED)
    await api.parts.store.append_events(row.id, [*events, end])
    token = api.issuer.mint("ada")
    async with connect(
        f"{api.ws}/ws/ada", additional_headers={"Authorization": f"Bearer {token}"}
    ) as socket:
        wanted = {"type": "subscribe", "execution_id": row.id, "last_seq": 0}
        # a filter lets both pass: without them nobody knows what the others follow on
        await socket.send(json.dumps({**wanted, "types": ["node.started"]}))
        got = await received(socket, 6)
        assert [(one["type"], one.get("seq")) for one in got] == [
            ("node.started", 1),
            ("gap", None),
            ("snapshot", 2),
            ("node.started", 3),
            ("gap", None),
            ("snapshot", 4),
        ]
        assert got[1]["data"] == {"after_seq": 1, "before_seq": 3}
        assert got[5]["data"]["status"] == "succeeded"


async def test_events_that_were_deleted_are_gone(api, queued):
    row, stream = queued
    end = an_event(row, 2, EventType.EXECUTION_SUCCEEDED)
    await api.parts.store.append_events(row.id, [an_event(row, 1), end])
    row = await api.parts.store.get_execution("ada", row.id)
    assert await asyncio.wait_for(lines(await stream(row, START)), 30) == [1, 2]
    soon = datetime.now(UTC) + timedelta(hours=1)
    await api.parts.store.retention.claim_events("events-1", soon, limit=100)
    assert await api.parts.store.retention.prune_events(row.id)
    ada = api.client("ada")
    answer = await ada.get(f"/api/v1/executions/{row.id}/events")
    assert (answer.status_code, answer.json()["code"]) == (410, "events_pruned")
    whole = await ada.get(f"/api/v1/executions/{row.id}/events", params={"last_seq": 2})
    assert whole.status_code == 204  # the client has all of it
    shown = (await ada.get(f"/api/v1/executions/{row.id}")).json()
    assert (shown["status"], shown["nodes"][0]["status"]) == ("succeeded", "running")
    token = api.issuer.mint("ada")
    async with connect(
        f"{api.ws}/ws/ada", additional_headers={"Authorization": f"Bearer {token}"}
    ) as socket:
        wanted = {"type": "subscribe", "execution_id": row.id}
        await socket.send(json.dumps({**wanted, "last_seq": 0}))
        [refused] = await received(socket, 1)
        assert (refused["type"], refused["code"]) == ("error", "events_pruned")
        await socket.send(json.dumps(wanted))
        [first] = await received(socket, 1)
        assert (first["type"], first["data"]["status"]) == ("snapshot", "succeeded")


async def test_who_had_another_event_under_the_ends_seq_is_told_of_the_end(api, queued):
    """A worker told an event and died; the next one ended the run with that `seq`."""
    row, stream = queued
    first = an_event(row, 1, EventType.EXECUTION_STARTED)
    last = an_event(row, 2, EventType.EXECUTION_SUCCEEDED)
    await api.parts.store.append_events(row.id, [first, last], edition="2.1")
    row = await api.parts.store.get_execution("ada", row.id)
    answer = await stream(row, sse.ResumePoint.of("2"))
    text = "".join([part async for part in answer.body_iterator])
    ids = [line[4:] for line in text.splitlines() if line.startswith("id: ")]
    assert ids == ["1", "2.end"]
    assert "event: snapshot" in text
    assert (await stream(row, sse.ResumePoint.of("2.end"))).status_code == 204
