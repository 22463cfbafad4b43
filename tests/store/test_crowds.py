"""What another owner's run asks of the store does not cost more for the runs that wait."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import insert

from pilot.store import rows
from pilot.store.tables import executions

FEW, MANY = 100, 3_000
SLOTS = 10


@pytest.fixture
def crowd(store, workflow, make_execution):
    """`await crowd(number)`: the owner's runs that wait."""

    async def enter(number):
        waiting = [make_execution(workflow) for _ in range(number)]
        written = [
            rows.execution_row(row) | {"held_at": row.created_at + timedelta(microseconds=place)}
            for place, row in enumerate(waiting)
        ]
        async with store.engine.begin() as connection:
            await connection.execute(insert(executions), written)

    return enter


@pytest.fixture
def cost(backend, url):
    """`await cost(statement, parameters)`: what the database does for it: the pages that
    PostgreSQL looks at, the steps of SQLite's machine."""

    async def pages(statement, parameters):
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("ANALYZE executions")
            told = connection.transaction()
            await told.start()
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            [plan] = json.loads(await connection.fetchval(explain, *parameters))
            await told.rollback()
        finally:
            await connection.close()
        return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]

    async def steps(statement, parameters):
        taken = 0

        def step():
            nonlocal taken
            taken += 1

        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN")
        connection.set_progress_handler(step, 1)
        connection.execute(statement, parameters).fetchall()
        connection.set_progress_handler(None, 1)
        connection.execute("ROLLBACK")
        connection.close()
        return taken

    return pages if backend == "postgresql" else steps


async def cost_the_same(crowd, costs):
    """`costs` gives statements with what each cost: as much behind many as behind few."""
    await crowd(FEW)
    few = await costs()
    await crowd(MANY)
    for (statement, behind_few), (_, behind_many) in zip(few, await costs(), strict=True):
        assert behind_many < 2 * behind_few + 10, (statement, behind_few, behind_many)


async def test_the_reconciler_sees_who_can_go_on_for_the_same_behind_any_number(
    store, workflow, make_execution, crowd, cost, statements
):
    theirs = await store.create_workflow("bob", name="n", description="", graph={})
    old, cancelled = make_execution(theirs), make_execution(workflow)
    now = datetime.now(UTC)
    for one in (old, replace(cancelled, held_at=now), replace(make_execution(theirs), held_at=now)):
        await store.create_execution(one)
    await store.request_cancel(cancelled.id, now)

    async def costs():
        statements.clear()
        page = await store.open_executions(before=datetime.now(UTC), limit=3)
        assert {row.id for row in page.items} == {old.id, cancelled.id}
        assert page.next_cursor is None
        assert sorted(await store.slots.owners(SLOTS)) == ["ada", "bob"]
        return [(statement, await cost(statement, given)) for statement, given in statements]

    await cost_the_same(crowd, costs)


async def test_taking_and_passing_on_a_slot_costs_the_same_behind_any_number(
    store, workflow, execution, make_execution, crowd, cost, statements
):
    async def costs():
        statements.clear()
        row, _ = await store.create_execution(make_execution(workflow), most=SLOTS)
        await store.slots.owner_waiting(execution.id)
        released = await store.slots.release("ada", SLOTS)
        assert row.is_held
        assert released is not None
        await store.set_temporal_run(released.id, "run")
        await store.get_execution("ada", released.id)
        asked = [one for one in statements if not one[0].startswith("INSERT")]
        return [(statement, await cost(statement, given)) for statement, given in asked]

    await cost_the_same(crowd, costs)
