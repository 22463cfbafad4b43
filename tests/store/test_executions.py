"""The contract of executions, on every database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pilot.errors import ConflictError, NotFoundError
from pilot.graph.status import ExecutionStatus
from pilot.store import Progress


async def test_an_execution_is_read_as_it_was_created(store, workflow, make_execution):
    full = make_execution(
        workflow,
        status=ExecutionStatus.FAILED,
        input=[1, {"a": None}],
        output="partly",
        error={"code": "node_failed", "message": "m", "node_id": "ask"},
        usage={"prompt_tokens": 3, "cost_usd": 0.25},
        started_at=datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC),
        finished_at=datetime(2026, 1, 2, tzinfo=UTC),
        temporal_run_id="run",
        last_seq=7,
        timeout_s=0.5,
        cancel_requested_at=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
        held_at=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC),
        released_at=datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC),
        start_at=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC),
        triggered_by="schedule:1",
        triggered_at=datetime(2026, 1, 1, tzinfo=UTC),
        mode="dry_run",
        source_id="another",
        resume={"reuse": ["a"], "given": {"vars": {"x": "\u00e9"}}},
    )
    assert await store.create_execution(full) == (full, True)
    assert await store.get_execution("ada", full.id) == full
    assert full.temporal_workflow_id == f"execution-{full.id}"


async def test_times_come_back_in_utc(store, workflow, make_execution):
    local = datetime(2026, 1, 1, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    await store.create_execution(execution := make_execution(workflow, created_at=local))
    found = await store.get_execution("ada", execution.id)
    assert found.created_at == local
    assert found.created_at.tzinfo is UTC
    with pytest.raises(ValueError, match="no time zone"):
        await store.create_execution(make_execution(workflow, created_at=datetime(2026, 1, 1)))


async def test_the_same_id_is_written_once(store, workflow, execution):
    again = replace(execution, input="something else", status=ExecutionStatus.RUNNING)
    assert await store.create_execution(again) == (execution, False)


async def test_of_concurrent_creations_of_one_id_one_writes(store, workflow, make_execution):
    execution = make_execution(workflow)
    results = await asyncio.gather(*(store.create_execution(execution) for _ in range(8)))
    assert sorted(created for _, created in results) == [False] * 7 + [True]
    assert all(stored == execution for stored, _ in results)


async def test_an_id_of_another_owner_is_not_found(store, workflow, execution, make_execution):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    with pytest.raises(NotFoundError):
        await store.create_execution(make_execution(theirs, id=execution.id))
    assert await store.get_execution("ada", execution.id) == execution


@pytest.mark.parametrize(
    "change",
    [
        {"workflow_id": "nobody"},
        {"workflow_version": 2},
        {"workflow_version": 2**40},
        {"owner": "bob"},
    ],
)
async def test_an_execution_needs_a_version_of_its_owner(store, workflow, make_execution, change):
    with pytest.raises(NotFoundError):
        await store.create_execution(make_execution(workflow, **change))


async def test_a_deleted_workflow_gets_no_execution(store, workflow, make_execution):
    done = make_execution(workflow, status=ExecutionStatus.SUCCEEDED)
    await store.create_execution(done)
    await store.delete_workflow("ada", workflow.id)
    with pytest.raises(NotFoundError):
        await store.create_execution(make_execution(workflow))
    # the retry of one that was there before still finds it
    assert await store.create_execution(done) == (done, False)


async def test_a_deletion_and_a_creation_never_both_win(store, make_execution):
    outcomes = set()
    for _ in range(12):
        workflow = await store.create_workflow("ada", name="n", description="", graph={})
        created, deleted = await asyncio.gather(
            store.create_execution(make_execution(workflow)),
            store.delete_workflow("ada", workflow.id),
            return_exceptions=True,
        )
        lost = [result for result in (created, deleted) if isinstance(result, Exception)]
        assert len(lost) == 1, lost
        assert isinstance(lost[0], NotFoundError | ConflictError)
        outcomes.add(type(lost[0]))
    assert outcomes


async def test_the_temporal_run_is_noted(store, execution):
    await store.set_temporal_run(execution.id, "run-1")
    await store.set_temporal_run(execution.id, "run-2")
    found = await store.get_execution("ada", execution.id)
    assert found == replace(execution, temporal_run_id="run-2")
    with pytest.raises(NotFoundError):
        await store.set_temporal_run("nobody", "run")


async def test_another_owner_sees_nothing(store, workflow, execution, said):
    await store.append_events(execution.id, [said(1, "node.started", "ask", type="llm")])
    for attempt in (
        store.get_execution("bob", execution.id),
        store.node_runs("bob", execution.id),
        store.events("bob", execution.id),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert (await store.list_executions("bob")).items == []
    assert (await store.list_executions("bob", workflow_id=workflow.id)).items == []
    assert len(await store.events("ada", execution.id)) == 1


async def test_an_execution_without_events_has_none(store, execution):
    assert await store.node_runs("ada", execution.id) == []
    assert await store.events("ada", execution.id) == []
    assert await store.missing_from(execution.id) == 1


async def test_an_unknown_execution_is_not_found(store, workflow, said):
    for attempt in (
        store.get_execution("ada", "nobody"),
        store.node_runs("ada", "nobody"),
        store.events("ada", "nobody"),
        store.missing_from("nobody"),
    ):
        with pytest.raises(NotFoundError):
            await attempt


async def test_the_list_is_filtered_and_without_payloads(store, workflow, make_execution):
    other = await store.create_workflow("ada", name="n", description="", graph={})
    stored = {}
    for of, status in (
        (workflow, ExecutionStatus.RUNNING),
        (workflow, ExecutionStatus.SUCCEEDED),
        (other, ExecutionStatus.RUNNING),
    ):
        execution = make_execution(of, status=status, input={"i": 1}, output={"o": 1})
        await store.create_execution(execution)
        stored[of.id, status] = replace(execution, input=None, output=None)

    async def ids(**filters):
        return {one.id for one in (await store.list_executions("ada", **filters)).items}

    def expected(*keys):
        return {stored[key].id for key in keys}

    running = ExecutionStatus.RUNNING
    assert len(await ids()) == 3
    assert await ids(status=running) == expected((workflow.id, running), (other.id, running))
    assert await ids(workflow_id=other.id) == expected((other.id, running))
    assert await ids(workflow_id=workflow.id, status=running) == expected((workflow.id, running))
    assert await ids(workflow_id="nobody") == set()
    [listed] = (await store.list_executions("ada", workflow_id=other.id)).items
    assert listed == stored[other.id, running]


async def test_open_executions_are_those_of_all_owners_that_are_old_enough(
    store, workflow, make_execution
):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    now = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [
        make_execution(
            workflow if number % 2 else theirs,
            owner="ada" if number % 2 else "bob",
            status=status,
            created_at=now - timedelta(minutes=number),
        )
        for number, status in enumerate(ExecutionStatus)
    ]
    for row in rows:
        await store.create_execution(row)
    expected = [
        row.id
        for row in rows
        if not row.status.is_final and row.created_at < now - timedelta(seconds=30)
    ]
    found, cursor = [], None
    while True:
        page = await store.open_executions(
            before=now - timedelta(seconds=30), limit=2, cursor=cursor
        )
        found += [row.id for row in page.items]
        assert all(row.input is None for row in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    # a shared database has the open executions of other tests as well, none of them so old
    assert [id for id in found if id in {row.id for row in rows}] == expected
    assert expected


async def test_the_first_cancel_counts_and_none_on_what_is_final(
    store, workflow, execution, make_execution, said
):
    first = datetime(2026, 3, 2, tzinfo=UTC)
    for at in (first, first + timedelta(seconds=1), first - timedelta(seconds=1)):
        await store.request_cancel(execution.id, at)
    found = await store.get_execution("ada", execution.id)
    assert found == replace(execution, cancel_requested_at=first)
    [listed] = (await store.list_executions("ada")).items
    assert listed == replace(found, input=None)

    done = make_execution(workflow, status=ExecutionStatus.SUCCEEDED)
    await store.create_execution(done)
    await store.request_cancel(done.id, first)
    assert await store.get_execution("ada", done.id) == done
    await store.append_events(execution.id, [said(1, "execution.cancelled")])
    await store.request_cancel(execution.id, first)
    ended = await store.get_execution("ada", execution.id)
    assert (ended.status, ended.cancel_requested_at) == (ExecutionStatus.CANCELLED, first)


async def test_open_executions_are_counted_by_status(store, workflow, make_execution):
    before = await store.open_counts()
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    noon = datetime(2020, 1, 1, 12, tzinfo=UTC)
    for number, status in enumerate([*ExecutionStatus, ExecutionStatus.QUEUED]):
        of, owner = (workflow, "ada") if number % 2 else (theirs, "bob")
        created_at = noon - timedelta(hours=number)
        await store.create_execution(
            make_execution(of, owner=owner, status=status, created_at=created_at)
        )
    counts = await store.open_counts()
    assert set(counts) == {status for status in ExecutionStatus if not status.is_final}
    for status, found in counts.items():
        queued = status is ExecutionStatus.QUEUED
        added = found.count - (before[status].count if status in before else 0)
        assert added == (2 if queued else 1)
    assert counts[ExecutionStatus.QUEUED].oldest == noon - timedelta(hours=len(ExecutionStatus))


async def test_overdue_cancels_are_the_open_ones_of_all_owners_oldest_first(
    store, workflow, make_execution
):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    noon = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    asked = {}
    for number, status in enumerate(ExecutionStatus):
        of = workflow if number % 2 else theirs
        row = make_execution(of, status=status, output={"o": 1})
        asked[noon - timedelta(seconds=number)] = row
        await store.create_execution(
            replace(row, cancel_requested_at=noon - timedelta(seconds=number))
        )
    await store.create_execution(make_execution(workflow))  # nobody wants it cancelled
    overdue = [asked[at].id for at in sorted(asked) if not asked[at].status.is_final and at < noon]
    found = await store.overdue_cancels(before=noon, limit=100)
    assert [row.id for row in found] == overdue
    assert len({row.owner for row in found}) == 2
    assert all(row.input is None and row.output is None for row in found)
    assert [row.id for row in await store.overdue_cancels(before=noon, limit=2)] == overdue[:2]
    assert await store.overdue_cancels(before=min(asked), limit=100) == []


async def test_progress_is_told_of_the_executions_that_there_are(store, workflow, execution, said):
    await store.append_events(execution.id, [said(n, "node.started", f"n{n}") for n in (1, 2, 4)])
    [found] = await store.progress([execution.id, "unknown"])
    assert found == Progress(execution.id, "ada", execution.created_at, 4)
    assert await store.progress([]) == []


async def test_begun_are_the_owners_new_executions_with_events(
    store, workflow, make_execution, said
):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    now = datetime.now(UTC)
    kinds = {
        "new": (workflow, "ada", now),
        "old": (workflow, "ada", now - timedelta(hours=1)),
        "silent": (workflow, "ada", now),
        "theirs": (theirs, "bob", now),
    }
    ids = {}
    for kind, (of, owner, created_at) in kinds.items():
        row = make_execution(of, owner=owner, created_at=created_at)
        ids[kind] = row.id
        await store.create_execution(row)
        if kind != "silent":
            event = replace(said(1, "execution.started"), execution_id=row.id)
            await store.append_events(row.id, [event])
    since = now - timedelta(minutes=1)
    assert [each.execution_id for each in await store.begun(["ada"], since=since)] == [ids["new"]]
    both = await store.begun(["ada", "bob"], since=since)
    assert {each.execution_id for each in both} == {ids["new"], ids["theirs"]}
    assert len(await store.begun(["ada", "bob"], since=since, limit=1)) == 1


async def test_executions_of_a_span_of_time(store, workflow, make_execution):
    made = []
    for hour in range(4):
        at = datetime(2026, 3, 1, hour, tzinfo=UTC)
        made.append((await store.create_execution(make_execution(workflow, created_at=at)))[0].id)
    first, last = datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 3, tzinfo=UTC)
    for bounds, expected in (
        ({"first": first, "last": last}, [made[2], made[1]]),
        ({"first": first}, [made[3], made[2], made[1]]),
        ({"last": last}, [made[2], made[1], made[0]]),
    ):
        page = await store.list_executions("ada", **bounds)
        assert [one.id for one in page.items] == expected
    page = await store.list_executions("ada", first=first, limit=2)
    rest = await store.list_executions("ada", first=first, limit=2, cursor=page.next_cursor)
    assert [one.id for one in (*page.items, *rest.items)] == [made[3], made[2], made[1]]


async def test_executions_are_counted_by_the_day_in_utc(store, workflow, make_execution):
    late = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    east = datetime(2026, 3, 2, 4, 30, tzinfo=timezone(timedelta(hours=5)))  # still the first
    for at, status in (
        (late, ExecutionStatus.FAILED),
        (east, ExecutionStatus.SUCCEEDED),
        (late - timedelta(hours=1), ExecutionStatus.SUCCEEDED),
        (late + timedelta(microseconds=1), ExecutionStatus.SUCCEEDED),
        (late + timedelta(days=9), ExecutionStatus.SUCCEEDED),
    ):
        await store.create_execution(make_execution(workflow, created_at=at, status=status))
    first, last = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
    found = await store.executions_by_day("ada", first=first, last=last)
    assert [(str(one.day), one.status, one.count) for one in found] == [
        ("2026-03-01", "failed", 1),
        ("2026-03-01", "succeeded", 2),
        ("2026-03-02", "succeeded", 1),
    ]
    assert found == await store.executions_by_day(
        "ada", first=first, last=last, workflow_id=workflow.id
    )
    assert await store.executions_by_day("ada", first=first, last=last, workflow_id="no") == []
    assert await store.executions_by_day("bob", first=first, last=last) == []
