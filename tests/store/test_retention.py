"""Pruning: what is old goes with all that belongs to it, and nothing else ever does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot.archive import KINDS
from pilot.errors import ConflictError, NotFoundError
from pilot.events.model import Event, EventType
from pilot.graph.status import FINAL_EXECUTION_STATUSES, ExecutionStatus
from pilot.roles import Role
from pilot.store import Execution, Store, Workflow
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.store.tables import metadata
from pilot.store.usage import Limits
from tests.ended import NOW, ran

FINAL = dict.fromkeys(FINAL_EXECUTION_STATUSES, NOW)
InDatabase = Callable[[str], Awaitable[Any]]


async def counts(in_database: InDatabase) -> dict[str, int]:
    tables = (*KINDS.values(), "llm_calls", "wait_people")
    return {table: await in_database(f"SELECT count(*) FROM {table}") for table in tables}


def test_the_archive_knows_every_table_of_an_execution() -> None:
    owned = {table.name for table in metadata.sorted_tables if "execution_id" in table.c}
    assert owned - {"llm_calls"} == set(KINDS.values()) - {"executions"}
    of_waits = {
        table.name
        for table in metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name in owned
    }
    assert of_waits == {"wait_people"}


async def test_what_ended_before_its_time_is_put_on_one_list(
    store: Store, workflow: Workflow
) -> None:
    old = await ran(store, workflow, timedelta(days=3))
    failed = await ran(store, workflow, timedelta(days=3), ExecutionStatus.FAILED)
    young = await ran(store, workflow, timedelta(hours=-1))
    held = await ran(store, workflow, timedelta(days=3), ExecutionStatus.RUNNING)
    assert await store.retention.claimed(limit=10) == []
    before = {ExecutionStatus.SUCCEEDED: NOW, ExecutionStatus.FAILED: NOW - timedelta(days=30)}
    assert await store.retention.claim("b1", before, limit=10) == 1
    [doomed] = await store.retention.claimed(limit=10)
    assert (doomed.batch, doomed.execution_id, doomed.owner) == ("b1", old.id, "ada")
    assert doomed.finished_at == old.finished_at
    # what is on a list is put on no other, and the lowest name comes first
    assert await store.retention.claim("b2", FINAL, limit=10) == 1
    assert [one.execution_id for one in await store.retention.claimed(limit=10)] == [old.id]
    await store.retention.release([old.id])
    assert [one.execution_id for one in await store.retention.claimed(limit=10)] == [failed.id]
    await store.retention.release([])
    for row in (young, held):
        assert await store.get_execution("ada", row.id) == row


async def test_what_an_open_execution_goes_on_from_is_left_alone(
    store: Store, workflow: Workflow, make_execution: Any
) -> None:
    source, other = [await ran(store, workflow, timedelta(days=n)) for n in (3, 2)]
    retry, _ = await store.create_execution(make_execution(workflow, source_id=source.id))
    assert await store.retention.claim("b", FINAL, limit=10) == 1
    [doomed] = await store.retention.claimed(limit=10)
    assert doomed.execution_id == other.id
    assert not await store.retention.prune_events(other.id)  # it is on the other list
    await store.retention.release([other.id])
    assert await store.retention.claim_events("events-b", NOW, limit=10) == 1
    assert await store.retention.prune_events(other.id)
    assert len(await store.events("ada", source.id)) == 3
    end = Event(
        EventType.EXECUTION_SUCCEEDED,
        retry.id,
        workflow.id,
        "2026-03-01T11:00:00Z",
        seq=1,
        status="succeeded",
    )
    await store.append_events(retry.id, [end])
    assert await store.retention.claim("b", FINAL, limit=10) == 3


async def test_a_child_of_an_open_execution_is_left_alone(
    store: Store, workflow: Workflow, in_database: InDatabase
) -> None:
    root = await ran(store, workflow, timedelta(days=3), ExecutionStatus.RUNNING)
    child = await ran(store, workflow, timedelta(days=3))
    await in_database(
        f"UPDATE executions SET parent_execution_id = '{root.id}', root_execution_id = '{root.id}',"
        f" depth = 1 WHERE id = '{child.id}'"
    )
    assert await store.retention.claim("b", FINAL, limit=10) == 0
    end = Event(
        EventType.EXECUTION_SUCCEEDED,
        root.id,
        workflow.id,
        "2026-03-01T11:00:00Z",
        seq=3,
        status="succeeded",
    )
    await store.append_events(root.id, [end])
    assert await store.retention.claim("b", FINAL, limit=10) == 2


async def test_a_list_is_bounded_and_begins_with_the_oldest(
    store: Store, workflow: Workflow
) -> None:
    rows = [await ran(store, workflow, timedelta(days=n)) for n in (1, 3, 2)]
    assert await store.retention.claim("b", FINAL, limit=2) == 2
    found = {one.execution_id for one in await store.retention.claimed(limit=10)}
    assert found == {rows[1].id, rows[2].id}
    assert len(await store.retention.claimed(limit=1)) == 1
    assert await store.retention.claim("b", FINAL, limit=2) == 1


async def test_a_workflow_may_keep_its_executions_for_less(
    store: Store, workflow: Workflow
) -> None:
    other = await store.create_workflow("ada", name="o", description="", graph={"nodes": []})
    mine = await ran(store, workflow, timedelta(days=3))
    await ran(store, other, timedelta(days=3))
    assert await store.retention.days("ada", workflow.id) is None
    await store.retention.set_days("ada", workflow.id, 1.5)
    assert await store.retention.days("ada", workflow.id) == 1.5
    assert await store.retention.overrides(limit=10) == [(workflow.id, 1.5)]
    assert await store.retention.overrides(after=workflow.id, limit=10) == []
    count = await store.retention.claim("b", FINAL, workflow_id=workflow.id, limit=10)
    assert [one.execution_id for one in await store.retention.claimed(limit=9)] == [mine.id]
    assert count == 1
    await store.retention.set_days("ada", workflow.id, None)
    assert await store.retention.overrides(limit=10) == []
    for call in (
        store.retention.days("bob", workflow.id),
        store.retention.set_days("bob", workflow.id, 1),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_an_execution_goes_with_its_children(
    store: Store, workflow: Workflow, in_database: InDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pilot.store.retention_sql", "pilot.store.supabase.retention"):
        monkeypatch.setattr(f"{module}.EVENTS_AT_ONCE", 2)
    row, kept = [await ran(store, workflow, timedelta(days=n)) for n in (1, 2)]
    assert not await store.retention.delete_execution("bob", row.id)
    assert await counts(in_database) == {
        "executions": 2, "node_runs": 2, "iterations": 2, "waits": 2, "usage": 2, "events": 6,
        "llm_calls": 2, "wait_people": 2,
    }  # fmt: skip
    assert await store.retention.delete_execution("ada", row.id)
    assert not await store.retention.delete_execution("ada", row.id)
    assert await counts(in_database) == {
        "executions": 1, "node_runs": 1, "iterations": 1, "waits": 1, "usage": 1, "events": 3,
        "llm_calls": 1, "wait_people": 1,
    }  # fmt: skip
    assert await store.get_execution("ada", kept.id) == kept
    with pytest.raises(NotFoundError):
        await store.get_execution("ada", row.id)
    # the day's sum stays
    assert await in_database("SELECT count(*) FROM usage_days") == 2


async def test_an_open_execution_is_not_deleted(
    store: Store, workflow: Workflow, execution: Execution
) -> None:
    with pytest.raises(ConflictError) as caught:
        await store.retention.delete_execution("ada", execution.id)
    assert caught.value.code == "execution_open"
    assert await store.get_execution("ada", execution.id) == execution


async def test_events_may_go_before_their_execution(
    store: Store, workflow: Workflow, in_database: InDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pilot.store.retention_sql", "pilot.store.supabase.retention"):
        monkeypatch.setattr(f"{module}.EVENTS_AT_ONCE", 2)
    rows = [await ran(store, workflow, timedelta(days=n)) for n in (3, 2, 1)]
    is_open = await ran(store, workflow, timedelta(days=3), ExecutionStatus.RUNNING)
    before = NOW - timedelta(days=1)
    assert await store.retention.claim_events("events-1", before, limit=1) == 1
    assert await store.retention.claim_events("events-2", before, limit=10) == 1
    [doomed] = await store.retention.claimed(limit=10, events_alone=True)
    assert (doomed.execution_id, doomed.batch, doomed.keeps_row) == (rows[0].id, "events-1", True)
    # the lists are apart, and what is on the one is not put on the other
    assert await store.retention.claimed(limit=10) == []
    assert await store.retention.claim("b", FINAL, limit=10) == 1
    [other] = await store.retention.claimed(limit=10)
    assert (other.execution_id, other.keeps_row) == (rows[2].id, False)
    await store.retention.release([rows[2].id])
    assert await store.retention.prune_events(rows[0].id)
    assert not await store.retention.prune_events(rows[0].id)
    assert not await store.retention.prune_events(rows[2].id)
    assert await store.events("ada", rows[0].id) == []
    assert len(await store.events("ada", rows[1].id)) == 3
    assert await store.retention.prune_events(rows[1].id)
    assert await store.retention.claim_events("events-3", before, limit=10) == 0
    assert await store.events("ada", rows[1].id) == []
    assert len(await store.events("ada", rows[2].id)) == 3
    assert len(await store.events("ada", is_open.id)) == 2
    for row in rows:
        assert await store.get_execution("ada", row.id) == row
        assert len(await store.node_runs("ada", row.id)) == 1


async def test_a_deleted_workflow_goes_when_its_last_execution_has_gone(
    store: Store, workflow: Workflow, in_database: InDatabase
) -> None:
    row = await ran(store, workflow, timedelta(days=1))
    await store.shares.put("ada", workflow.id, "bob", Role.VIEWER)
    await store.usage.put_budget("ada", workflow.id, Limits(tokens=5))
    assert await store.retention.purge_workflows(limit=10) == 0
    await store.delete_workflow("ada", workflow.id)
    assert await store.retention.purge_workflows(limit=10) == 0
    assert (await store.get_version("ada", workflow.id, 1)).graph == workflow.graph
    await store.retention.delete_execution("ada", row.id)
    assert await store.retention.purge_workflows(limit=10) == 1
    for table in ("workflows", "workflow_versions", "shares", "budgets"):
        assert await in_database(f"SELECT count(*) FROM {table}") == 0, table


async def test_what_has_expired_goes_and_usage_of_old_days(
    store: Store, workflow: Workflow, in_database: InDatabase
) -> None:
    await ran(store, workflow, timedelta(days=9))
    await ran(store, workflow, timedelta(days=1))
    await store.llm_calls.keep_answer("ada", "q1", 1, timedelta(days=-1))
    await store.llm_calls.keep_answer("ada", "q2", 2, timedelta(days=1))
    assert await store.retention.expire(None, limit=10) == 1
    assert await store.llm_calls.kept_answer("ada", "q2") == 2
    assert await store.retention.expire(date(2026, 2, 25), limit=10) == 2
    assert await in_database("SELECT count(*) FROM usage") == 1
    assert await in_database("SELECT count(*) FROM usage_days") == 1
    assert await store.retention.expire(date(2026, 2, 25), limit=10) == 0


async def test_sqlite_gives_space_back(tmp_path: Path) -> None:
    file = tmp_path / "pilot.db"
    await migrate(f"sqlite:///{file}")
    store = await SqlStore.open(f"sqlite:///{file}")
    workflow = await store.create_workflow("ada", name="n", description="", graph={"nodes": []})
    row = await ran(store, workflow, timedelta(days=1), ExecutionStatus.RUNNING)
    text = NOW.isoformat().replace("+00:00", "Z")
    large = [
        Event(EventType.NODE_SUCCEEDED, row.id, workflow.id, text, seq=seq, node_id=f"n{seq}",
              status="succeeded", data={"output": "x" * 50_000})
        for seq in range(3, 63)
    ]  # fmt: skip
    end = Event(EventType.EXECUTION_SUCCEEDED, row.id, workflow.id, text, seq=63,
                status="succeeded")  # fmt: skip
    await store.append_events(row.id, [*large, end])
    await store.close()  # the log goes into the file
    full = file.stat().st_size
    store = await SqlStore.open(f"sqlite:///{file}")
    assert await store.retention.delete_execution("ada", row.id)
    assert await store.retention.reclaim() > 100
    await store.close()
    assert file.stat().st_size < full / 2


AGES = st.integers(min_value=-48, max_value=48)
ROWS = st.lists(st.tuples(st.sampled_from(list(ExecutionStatus)), AGES), max_size=8)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=ROWS, limit=st.integers(1, 3), kept=st.dictionaries(
    st.sampled_from(sorted(FINAL_EXECUTION_STATUSES)), st.integers(-24, 48)
))  # fmt: skip
async def test_nothing_young_or_open_is_ever_touched(
    store: Store,
    workflow: Workflow,
    rows: list[tuple[ExecutionStatus, int]],
    limit: int,
    kept: dict[ExecutionStatus, int],
) -> None:
    """Whatever is there and whatever the policy: exactly what it names goes."""
    made = [
        (await ran(store, workflow, timedelta(hours=age), status), status, age)
        for status, age in rows
    ]
    before = {status: NOW - timedelta(hours=hours) for status, hours in kept.items()}
    while await store.retention.claim("b", before, limit=limit):
        for one in await store.retention.claimed(limit=limit):
            assert await store.retention.delete_execution(one.owner, one.execution_id)
    for row, status, age in made:
        if status in kept and age > kept[status]:
            with pytest.raises(NotFoundError):
                await store.get_execution("ada", row.id)
        else:
            assert await store.get_execution("ada", row.id) == row
            assert len(await store.events("ada", row.id)) == row.last_seq
