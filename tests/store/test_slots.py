"""The contract of slots, on every database: who runs, who waits, and who is next."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pilot.errors import ConflictError
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus


@pytest.fixture
def create(store, workflow, make_execution):
    async def create(most=None, of=workflow):
        row, created = await store.create_execution(make_execution(of), most=most)
        assert created
        return row

    return create


@pytest.fixture
def end(store):
    async def end(row):
        at = "2026-03-01T12:00:00Z"
        event = Event(EventType.EXECUTION_SUCCEEDED, row.id, row.workflow_id, at, row.last_seq + 1)
        await store.append_events(row.id, [event])

    return end


async def test_who_is_over_the_number_is_held_and_released_in_order(store, create, end):
    running = [await create(2) for _ in range(2)]
    held = [await create(2) for _ in range(3)]
    assert [row.is_held for row in running + held] == [False] * 2 + [True] * 3
    assert [await store.slots.position(row) for row in held] == [1, 2, 3]
    assert await store.get_execution("ada", held[0].id) == held[0]
    assert await store.slots.release("ada", 2) is None
    assert await store.slots.owner_waiting(running[0].id) == "ada"
    await end(running[0])
    released = await store.slots.release("ada", 2)
    assert (released.id, released.input) == (held[0].id, held[0].input)
    assert not released.is_held
    assert released.held_at == held[0].held_at
    assert released.due_at == released.released_at > released.created_at
    assert await store.slots.release("ada", 2) is None
    assert [await store.slots.position(row) for row in held[1:]] == [1, 2]
    assert await store.slots.held() == 2
    # without a cap, whatever waits is let go
    assert [(await store.slots.release("ada", None)).id for _ in range(2)] == [
        row.id for row in held[1:]
    ]
    assert await store.slots.release("ada", None) is None
    assert await store.slots.owner_waiting(running[0].id) is None
    assert await store.slots.owners(1) == []


async def test_one_that_waits_for_something_keeps_its_slot(store, create, end):
    """A wait may end at any moment: who has the number at once never has more of them running."""
    waits, held = await create(1), await create(1)
    at = "2026-03-01T12:00:00Z"
    event = Event(
        EventType.EXECUTION_WAITING,
        waits.id,
        waits.workflow_id,
        at,
        waits.last_seq + 1,
        status=ExecutionStatus.WAITING.value,
        data={"nodes": ["w"]},
    )
    await store.append_events(waits.id, [event])
    assert (await store.get_execution("ada", waits.id)).status is ExecutionStatus.WAITING
    assert await store.slots.release("ada", 1) is None
    await end(await store.get_execution("ada", waits.id))
    assert (await store.slots.release("ada", 1)).id == held.id


async def test_a_new_one_does_not_overtake_those_that_wait(store, create, end):
    running, held = await create(1), await create(1)
    await end(running)  # and nobody has released the next one yet
    assert (await create(1)).is_held
    assert (await create(9)).is_held
    assert (await store.slots.release("ada", 1)).id == held.id


async def test_every_owner_has_slots_of_their_own(store, create):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    await create(1)
    assert (await create(1)).is_held
    assert not (await create(1, theirs)).is_held
    assert (await create(1, theirs)).is_held
    assert await store.slots.owners(1) == []
    assert sorted(await store.slots.owners(2)) == sorted(await store.slots.owners(None))
    assert sorted(await store.slots.owners(2)) == ["ada", "bob"]
    assert await store.slots.release("eve", 1) is None


async def test_one_that_is_cancelled_is_not_released_and_keeps_nobody_waiting(store, create, end):
    running, first, second = await create(1), await create(1), await create(1)
    await store.request_cancel(first.id, datetime.now(UTC))
    assert await store.slots.position(second) == 1
    await end(running)
    assert (await store.slots.release("ada", 1)).id == second.id
    await end(second)
    assert await store.slots.release("ada", 1) is None
    assert not (await create(1)).is_held


async def test_what_is_held_is_open_but_not_counted_as_queued(store, workflow, create):
    await create(1)
    await create(1)
    counts = await store.open_counts()
    assert {status: found.count for status, found in counts.items()} == {ExecutionStatus.QUEUED: 1}
    with pytest.raises(ConflictError):
        await store.delete_workflow("ada", workflow.id)


async def test_at_once_there_are_never_more_than_the_number(store, create, end):
    rows = await asyncio.gather(*(create(3) for _ in range(12)))
    running = [row for row in rows if not row.is_held]
    assert len(running) == 3
    for row in running[:2]:
        await end(row)
    released = await asyncio.gather(*(store.slots.release("ada", 3) for _ in range(8)))
    ids = [row.id for row in released if row is not None]
    assert len(ids) == len(set(ids)) == 2
    waiting = sorted((row for row in rows if row.is_held), key=lambda row: (row.held_at, row.id))
    assert set(ids) == {row.id for row in waiting[:2]}


async def test_one_that_begins_later_waits_for_its_time_and_keeps_nobody_waiting(
    store, workflow, make_execution, create, end
):
    soon = datetime.now(UTC) + timedelta(seconds=1.5)
    later = make_execution(workflow, held_at=soon, start_at=soon)
    stored, created = await store.create_execution(later, most=1)
    assert created and stored == later
    assert stored.is_held
    running = await create(1)
    assert not running.is_held
    assert await store.slots.held() == 0
    assert await store.slots.owners(2) == []
    assert await store.slots.release("ada", None) is None
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.1)
    # from here on it stands in line like any other
    assert await store.slots.held() == 1
    assert await store.slots.owners(2) == ["ada"]
    assert await store.slots.release("ada", 1) is None
    assert (await create(1)).is_held
    await end(running)
    released = await store.slots.release("ada", 1)
    assert (released.id, released.start_at, released.held_at) == (later.id, soon, soon)
    assert released.released_at > soon


async def test_what_a_trigger_began_is_listed(store, workflow, make_execution):
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    rows = [
        make_execution(workflow, triggered_by=by, triggered_at=at, created_at=at)
        for by in ("schedule:a", "schedule:a", "schedule:b", None)
    ]
    for row in rows:
        await store.create_execution(row)
    first = await store.triggered("ada", "schedule:a", limit=1)
    second = await store.triggered("ada", "schedule:a", limit=1, cursor=first.next_cursor)
    found = [*first.items, *second.items]
    assert {row.id for row in found} == {row.id for row in rows[:2]}
    assert {(row.triggered_by, row.triggered_at) for row in found} == {("schedule:a", at)}
    assert second.next_cursor is None
    assert (await store.triggered("bob", "schedule:a")).items == []


async def test_those_that_have_not_begun_are_counted_up_to_a_number(store, create, end):
    running = [await create(2) for _ in range(2)]
    await create(2)
    assert [await store.slots.queued(most, "ada") for most in (1, 3, 9)] == [1, 3, 3]
    assert [await store.slots.queued(most) for most in (2, 9)] == [2, 3]
    assert await store.slots.queued(9, "bob") == 0
    at = "2026-03-01T12:00:00Z"
    begun = Event(
        EventType.EXECUTION_STARTED,
        running[0].id,
        running[0].workflow_id,
        at,
        running[0].last_seq + 1,
        status=ExecutionStatus.RUNNING.value,
    )
    await store.append_events(running[0].id, [begun])
    await end(running[1])
    assert await store.slots.queued(9, "ada") == await store.slots.queued(9) == 1
