"""How many statements each method sends, and that an index serves each of them."""

import asyncio
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import ROOTS, Told
from pilot.store.iterations import Iteration
from pilot.store.triggers import TriggerKind

on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

GRAPH = {"nodes": []}
DONE = Iteration(0, NodeStatus.SUCCEEDED, "k")


@pytest.fixture
def count(statements):
    """`await count(coroutine)`: the number of statements that it sends."""

    async def counted(coroutine):
        statements.clear()
        await coroutine
        return len(statements)

    return counted


async def test_each_method_sends_a_constant_number(
    backend, count, store, workflow, execution, said
):
    create = store.create_workflow("ada", name="n", description="", graph=GRAPH)
    assert await count(create) == 2
    on_postgresql = backend == "postgresql"
    for name, expected in (("new", 1 if on_postgresql else 3), ("new", 1)):
        update = store.update_workflow(
            "ada", workflow.id, name=name, description="", graph=GRAPH, expected_version=None
        )
        assert await count(update) == expected
    other = replace(execution, id=str(uuid4()))
    # the version is held, and the row written; with a number of runs the owner's are locked, and
    # those that wait and those that run are looked for; one that was there is read
    assert await count(store.create_execution(other)) == (1 if on_postgresql else 2)
    assert await count(store.create_execution(execution)) == (2 if on_postgresql else 3)
    assert await count(store.create_execution(execution, most=3)) == (3 if on_postgresql else 5)
    another = replace(execution, id=str(uuid4()))
    assert await count(store.create_execution(another, most=9)) == (2 if on_postgresql else 4)
    held = replace(execution, held_at=datetime.now(UTC))
    assert await count(store.slots.release("ada", 9)) == 2 + on_postgresql
    assert await count(store.set_temporal_run(execution.id, "run")) == 1
    assert await count(store.request_cancel(execution.id, datetime.now(UTC))) == 1
    await store.append_events(
        execution.id, [said(n, "node.started", f"n{n}") for n in range(1, 51)]
    )
    for reading in (
        store.ping(),
        store.get_workflow("ada", workflow.id),
        store.admit(workflow.id, ["ada", "org_1"]),
        store.list_workflows("ada"),
        store.get_version("ada", workflow.id, 1),
        store.get_execution("ada", execution.id),
        store.list_executions("ada"),
        store.open_executions(before=datetime.now(UTC)),
        store.progress([execution.id]),
        store.begun(["ada"], since=datetime.now(UTC)),
        store.overdue_cancels(before=datetime.now(UTC), limit=100),
        store.open_counts(),
        store.slots.owner_waiting(execution.id),
        store.slots.owners(None),
        store.slots.owners(3),
        store.slots.position(held),
        store.slots.held(),
        store.triggered("ada", "schedule:x"),
        store.triggers.get("x"),
        store.triggers.find("x"),
        store.triggers.listing("ada"),
        store.triggers.unapplied(),
        store.triggers.schedules(),
        store.node_runs("ada", execution.id),
        store.events("ada", execution.id),
        store.missing_from(execution.id),
        store.iterations.page("ada", execution.id, "each"),
        store.iterations.results("ada", execution.id, "each"),
    ):
        assert await count(reading) == 1
    # the execution, and all rows
    assert await count(store.iterations.record(execution.id, "each", "", [DONE] * 2)) == 2
    await store.append_events(execution.id, [said(51, "execution.cancelled")])
    for one in (other, another):
        await store.append_events(
            one.id, [replace(said(1, "execution.cancelled"), execution_id=one.id)]
        )
    assert await count(store.delete_workflow("ada", workflow.id)) == 4


@pytest.mark.parametrize("size", [1, 10, 1_000])
async def test_a_batch_of_any_size_sends_as_many(count, store, execution, said, size):
    started = [said(n, "node.started", f"n{n}", type="llm") for n in range(1, size + 1)]
    # the execution, the events, the node runs, the execution
    assert await count(store.append_events(execution.id, started)) == 4
    # the execution, and that every seq is known
    assert await count(store.append_events(execution.id, started)) == 2
    skipped = [said(n, "node.skipped", f"s{n}") for n in range(size + 1, 2 * size + 1)]
    # and the graph, for the types
    assert await count(store.append_events(execution.id, skipped)) == 5
    assert await count(store.append_events(execution.id, [])) == 0


@pytest.mark.parametrize("size", [2, 50])
async def test_a_round_of_any_size_sends_as_many(
    count, store, workflow, make_execution, said, size
):
    executions = [make_execution(workflow) for _ in range(size)]
    for one in executions:
        await store.create_execution(one)

    def told(*events):
        return [
            Told(one.id, [replace(event, execution_id=one.id) for event in events])
            for one in executions
        ]

    begins = told(said(1, "execution.started"), said(2, "node.started", "a", type="llm"))
    # the executions, the events, the node runs, how far they are, their status
    assert await count(store.append_round(begins)) == 5
    assert await count(store.append_round(told(said(3, "node.succeeded", "a")))) == 4
    # besides, how many events there are, and what calls of models cost
    ends = [
        replace(one, ends=True)
        for one in told(said(4, "node.skipped", "b", type="llm"), said(5, "execution.succeeded"))
    ]
    assert await count(store.append_round(ends)) == 7
    # the executions, and that no batch goes on
    assert await count(store.append_round(begins)) == 1
    assert await count(store.append_round([])) == 0


# SQLite tells its plan whatever the size of the tables
@on_sqlite
async def test_an_index_serves_every_query(
    backend, statements, store, url, workflow, execution, said
):
    await store.append_events(execution.id, [said(1, "node.skipped", "ask")])
    await store.append_events(execution.id, [said(1, "node.skipped", "ask")])
    await store.append_round([Told(execution.id, [said(1, "log")])])
    first = await store.list_workflows("ada", limit=1)
    assert first.next_cursor is None
    await store.create_workflow("ada", name="n", description="", graph=GRAPH)
    cursor = (await store.list_workflows("ada", limit=1)).next_cursor
    for after in (None, cursor):
        await store.list_workflows("ada", cursor=after)
        for workflow_id in (None, workflow.id):
            for status in (None, ExecutionStatus.RUNNING):
                for parent in (None, ROOTS, execution.id):
                    await store.list_executions(
                        "ada", workflow_id=workflow_id, status=status, parent=parent, cursor=after
                    )
        await store.open_executions(before=datetime.now(UTC), cursor=after)
    await store.request_cancel(execution.id, datetime.now(UTC))
    await store.overdue_cancels(before=datetime.now(UTC), limit=100)
    await store.get_workflow("ada", workflow.id)
    await store.get_version("ada", workflow.id, 1)
    await store.node_runs("ada", execution.id)
    await store.events("ada", execution.id)
    await store.iterations.record(execution.id, "each", "", [DONE])
    await store.iterations.page("ada", execution.id, "each", cursor="3")
    await store.iterations.page("ada", execution.id, "each", status=DONE.status)
    await store.iterations.results("ada", execution.id, "each", first=1, end=4)
    await store.create_execution(held := replace(execution, held_at=datetime.now(UTC)), most=3)
    await store.slots.release("ada", 3)
    await store.slots.owner_waiting(execution.id)
    await store.slots.position(held)
    await store.set_temporal_run(execution.id, "run")
    await store.triggers.get("x")
    await store.triggers.find("x")
    await store.triggers.unapplied()
    await store.triggers.schedules(after="x")
    for after in (None, cursor):
        await store.triggered("ada", "schedule:x", cursor=after)
        for workflow_id in (None, workflow.id):
            for kind in (None, TriggerKind.WEBHOOK):
                await store.triggers.listing(
                    "ada", workflow_id=workflow_id, kind=kind, cursor=after
                )
    await store.append_events(execution.id, [said(2, "execution.failed")])
    await store.delete_workflow("ada", workflow.id)
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    reads = {sent for sent in statements if not sent[0].startswith("INSERT")}
    assert len(reads) > 15
    for statement, parameters in reads:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        steps = [row[3] for row in plan]
        assert not [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step], (
            statement,
            steps,
        )
    connection.close()


async def test_processes_that_write_at_once_wait_for_each_other(
    store, url, workflow, make_execution
):
    """Three processes of four writers each, with reads between the writes."""
    program = """
import asyncio, sys
from datetime import UTC, datetime
from pilot.events.model import Event, EventType
from pilot.store.sql import SqlStore

async def write(store, execution_id, workflow_id, first):
    for seq in range(first, 61, 4):
        event = Event(EventType.LOG, execution_id, workflow_id, "2026-01-01T00:00:00Z", seq)
        await store.append_events(execution_id, [event])
        await store.get_execution("ada", execution_id)

async def main(url, execution_id, workflow_id):
    store = await SqlStore.open(url)
    await asyncio.gather(*(write(store, execution_id, workflow_id, n) for n in range(1, 5)))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""
    executions = [make_execution(workflow) for _ in range(2)]
    for execution in executions:
        await store.create_execution(execution)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, url, execution.id, workflow.id
        )
        # two of them write the same events of the same execution
        for execution in (*executions, executions[0])
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    for execution in executions:
        assert await store.missing_from(execution.id) == 61
