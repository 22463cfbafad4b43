"""All of one owner's goes, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilot.errors import NotFoundError
from pilot.events.model import Event, EventType
from pilot.roles import Role
from pilot.store import Execution, Store, Workflow
from pilot.store.api_keys import ApiKey
from pilot.store.secrets import SealedSecret
from pilot.store.triggers import Trigger, TriggerKind
from pilot.store.usage import WHOLE_ACCOUNT, Allowance, CallKey, Limits, ModelCall, Reservation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
InDatabase = Callable[[str], Awaitable[Any]]


async def furnish(store: Store, owner: str, friend: str, make: Any) -> tuple[Workflow, Execution]:
    """One of everything."""
    workflow = await store.create_workflow(
        owner, name="w", description="", graph={"nodes": []}, by=friend
    )
    await store.publications.publish(owner, workflow.id, 1, by=friend, note=None)
    workflow = await store.get_workflow(owner, workflow.id)
    row, _ = await store.create_execution(make(workflow, started_by=friend))
    await store.secrets.put(SealedSecret(owner, "S", b"x", "k"))
    await store.shares.put(owner, workflow.id, friend, Role.VIEWER)
    await store.api_keys.create(
        ApiKey(f"own-{owner}", owner, owner, "n", Role.ADMIN, f"h-{owner}", "x", NOW)
    )
    await store.api_keys.create(
        ApiKey(f"org-{owner}", f"org-{owner}", owner, "n", Role.ADMIN, f"o-{owner}", "x", NOW)
    )
    for number, whose in enumerate((owner, friend)):
        trigger = Trigger(
            f"{owner}-{number}", owner, workflow.id, TriggerKind.WEBHOOK, whose, "n", {}, NOW, NOW
        )
        await store.triggers.create(trigger)
    key = CallKey(row.id, "n", "", "run", 1, 1)
    await store.usage.record(ModelCall(key, owner, workflow.id, "m", 1, 1, 1, NOW))
    held = Reservation(
        replace(key, call=2), owner, workflow.id, NOW, NOW + timedelta(days=3650), 5, 5
    )
    assert await store.usage.reserve(held, Allowance()) is None
    await store.usage.put_budget(owner, WHOLE_ACCOUNT, Limits(tokens=10**9))
    await store.llm_calls.keep_answer(owner, "q", 1, timedelta(days=1))
    return workflow, row


async def mentions(in_database: InDatabase, owner: str) -> dict[str, int]:
    """In how many rows of each table the owner is named."""
    columns = {
        "workflows": ["owner"], "executions": ["owner", "started_by"], "secrets": ["owner"],
        "shares": ["grantee"], "api_keys": ["owner", "created_by"], "usage": ["owner"],
        "usage_days": ["owner"], "usage_reservations": ["owner"], "budgets": ["owner"],
        "llm_answers": ["owner"], "workflow_versions": ["created_by"],
        "publications": ["published_by"], "triggers": ["owner", "created_by"],
    }  # fmt: skip
    return {
        table: await in_database(
            f"SELECT count(*) FROM {table} WHERE "
            + " OR ".join(f"{name} = '{owner}'" for name in names)
        )
        for table, names in columns.items()
    }


async def test_all_of_an_owner_goes(
    store: Store, make_execution: Any, in_database: InDatabase
) -> None:
    mine, run = await furnish(store, "ada", "bob", make_execution)
    theirs, other = await furnish(store, "bob", "ada", make_execution)
    before = await mentions(in_database, "bob")
    assert min((await mentions(in_database, "ada")).values()) >= 1
    assert await store.forgetting.close_access("ada") == 7
    assert await store.forgetting.close_access("ada") == 0
    # a workflow stays for as long as it has an execution
    assert await store.forgetting.delete_workflows("ada", limit=10) == 0
    end = EventType.EXECUTION_CANCELLED
    await store.append_events(
        run.id, [Event(end, run.id, mine.id, "2026-03-01T12:00:00Z", seq=1, status="cancelled")]
    )
    assert await store.retention.delete_execution("ada", run.id)
    assert await store.forgetting.delete_workflows("ada", limit=10) == 1
    assert await store.forgetting.delete_usage("ada", limit=10) == 4
    assert await store.forgetting.delete_usage("ada", limit=10) == 0
    assert await store.forgetting.unname("ada", limit=10) == 4
    assert await store.forgetting.unname("ada", limit=10) == 0
    assert set((await mentions(in_database, "ada")).values()) == {0}
    with pytest.raises(NotFoundError):
        await store.get_workflow("ada", mine.id)
    # of bob's only what was shared between the two
    after = await mentions(in_database, "bob")
    gone = {"shares": 0, "executions": 1, "workflow_versions": 0, "publications": 0, "triggers": 2}
    assert after == {**before, **gone}
    assert (await store.get_execution("bob", other.id)).started_by is None
    assert await store.get_workflow("bob", theirs.id) == theirs


async def test_a_workflow_that_its_owner_deleted_goes_too(
    store: Store, workflow: Workflow, in_database: InDatabase
) -> None:
    await store.delete_workflow("ada", workflow.id)
    assert await store.forgetting.delete_workflows("ada", limit=10) == 1
    assert await in_database("SELECT count(*) FROM workflow_versions") == 0
