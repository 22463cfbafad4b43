"""The contract of schedules and webhooks, on every database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.store import triggers
from pilot.store.triggers import Trigger, TriggerKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def make(store, workflow):
    numbers = iter(range(10_000))

    async def make(**changes):
        at = NOW + timedelta(seconds=next(numbers))
        fields = {
            "id": str(uuid4()),
            "owner": workflow.owner,
            "workflow_id": workflow.id,
            "kind": TriggerKind.SCHEDULE,
            "created_by": "eve",
            "name": "nightly\x00",
            "definition": {"cron": ["0 3 * * *"], "large": 2**70},
            "created_at": at,
            "updated_at": at,
            "input": {"a": None},
            "timeout_s": 1.5,
            "note": "why",
        }
        trigger = Trigger(**{**fields, **changes})
        await store.triggers.create(trigger)
        return replace(trigger, name=trigger.name.replace("\x00", "\ufffd"))

    return make


async def test_what_is_made_is_read(store, make):
    one = await make()
    assert await store.triggers.get(one.id) == one
    hook = await make(
        kind=TriggerKind.WEBHOOK, token_hash="ab" * 32, hint="x1", paused=True, input=None
    )
    assert await store.triggers.find("ab" * 32) == hook
    assert await store.triggers.find("cd" * 32) is None
    assert await store.triggers.get(str(uuid4())) is None


async def test_a_list_is_newest_first_and_filtered(store, make):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    other = await store.create_workflow("ada", name="n", description="", graph={})
    made = [await make() for _ in range(3)]
    hook = await make(kind=TriggerKind.WEBHOOK, token_hash="1")
    elsewhere = await make(workflow_id=other.id)
    await make(owner="bob", workflow_id=theirs.id)

    async def ids(**how):
        found, cursor = [], None
        while True:
            page = await store.triggers.listing("ada", limit=2, cursor=cursor, **how)
            found += [one.id for one in page.items]
            if (cursor := page.next_cursor) is None:
                return found

    newest = [one.id for one in reversed(made)]
    assert await ids() == [elsewhere.id, hook.id, *newest]
    assert await ids(workflow_id=made[0].workflow_id) == [hook.id, *newest]
    assert await ids(kind=TriggerKind.WEBHOOK) == [hook.id]
    assert await ids(kind=TriggerKind.SCHEDULE, workflow_id=other.id) == [elsewhere.id]
    assert await ids(workflow_id=theirs.id) == []


async def test_it_belongs_to_a_workflow_of_its_owners(store, make, workflow):
    with pytest.raises(NotFoundError):
        await make(owner="bob")
    with pytest.raises(NotFoundError):
        await make(workflow_id=str(uuid4()))
    trigger = await make()
    with pytest.raises(ConflictError) as refused:
        await store.delete_workflow("ada", workflow.id)
    assert refused.value.code == "has_triggers"
    await store.triggers.delete(trigger.id)
    await store.triggers.delete(trigger.id)
    assert await store.triggers.get(trigger.id) is None
    await store.delete_workflow("ada", workflow.id)
    with pytest.raises(NotFoundError):
        await make()


async def test_a_change_is_a_revision_and_a_stale_one_is_refused(store, make):
    one = await make()
    wanted = replace(one, paused=True, note="later", owner="eve", workflow_id="x", created_at=NOW)
    second = await store.triggers.update(wanted, expected=1)
    assert (second.revision, second.paused, second.note) == (2, True, "later")
    assert (second.owner, second.workflow_id, second.created_at) == (
        one.owner,
        one.workflow_id,
        one.created_at,
    )
    assert await store.triggers.get(one.id) == second
    assert await store.triggers.update(second, expected=2) == second
    with pytest.raises(StaleVersionError):
        await store.triggers.update(replace(second, name="n"), expected=1)
    with pytest.raises(NotFoundError):
        await store.triggers.update(replace(second, id=str(uuid4())))


async def test_changes_at_once_are_a_revision_each(store, make):
    one = await make()
    found = await asyncio.gather(
        *(store.triggers.update(replace(one, note=str(n))) for n in range(8))
    )
    assert sorted(trigger.revision for trigger in found) == list(range(2, 10))


async def test_what_temporal_was_not_given_is_told(store, make):
    one, two = await make(), await make()
    await make(kind=TriggerKind.WEBHOOK)
    assert {found.id for found in await store.triggers.unapplied()} == {one.id, two.id}
    await store.triggers.was_applied(one.id, 1)
    await store.triggers.was_applied(two.id, 1)
    assert await store.triggers.unapplied() == []
    changed = await store.triggers.update(replace(one, name="n"))
    assert await store.triggers.unapplied() == [changed]
    assert changed.applied == 1
    first, second = sorted([one.id, two.id])
    assert [found.id for found in await store.triggers.schedules()] == [first, second]
    assert [found.id for found in await store.triggers.schedules(after=first)] == [second]
    assert len(await store.triggers.schedules(limit=1)) == 1


async def test_a_failure_is_noted_and_is_no_revision(store, make):
    one = await make()
    failure = {"code": "budget_exceeded", "message": "m", "at": "2026-03-01T12:00:00Z"}
    await store.triggers.failed(one.id, failure)
    assert await store.triggers.get(one.id) == replace(one, failure=failure)
    await store.triggers.failed(one.id, None)
    assert await store.triggers.get(one.id) == one
    await store.triggers.failed(str(uuid4()), failure)


async def test_an_owner_has_a_bounded_number(make, monkeypatch):
    for module in ("pilot.store.triggers", "pilot.store.supabase.triggers"):
        monkeypatch.setattr(f"{module}.MAX_TRIGGERS", 3)
    assert triggers.MAX_TRIGGERS == 3
    outcomes = await asyncio.gather(*(make() for _ in range(6)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, ConflictError)]
    assert [one.code for one in refused] == ["too_many_triggers"] * 3
