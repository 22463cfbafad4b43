"""Where a watcher's past comes from: the store up to its first gap, then the run."""

import asyncio
from uuid import uuid4

import pytest

from api.live.history import History
from pilot.graph.status import ExecutionStatus
from pilot.store.tables import events as table

W, E = "/api/v1/workflows", "/api/v1/executions"
RUNNING, SUCCEEDED = ExecutionStatus.RUNNING, ExecutionStatus.SUCCEEDED


@pytest.fixture
async def run(live_api, worker, gate, make_chain):
    """An open execution with six events, and the way to end it."""
    client = live_api.client()
    name = f"history-{uuid4().hex}"
    node = {"id": "g", "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}
    workflow = (await client.post(W, json=make_chain(node))).json()["id"]
    execution = (await client.post(f"{W}/{workflow}/execute", json={})).json()["id"]
    await gate.came(name)
    async with asyncio.timeout(10):
        while await live_api.parts.store.missing_from(execution) < 5:
            await asyncio.sleep(0.02)
    yield execution
    gate.open(name)


async def lose(api, execution, seq):
    """Takes an event out of the store, as a worker's death would have."""
    engine = api.parts.store.engine
    async with engine.begin() as connection:
        where = (table.c.execution_id == execution) & (table.c.seq == seq)
        await connection.execute(table.delete().where(where))


async def seqs(history, execution, after=0, status=RUNNING):
    return [e.seq async for e in history.after("ada", execution, after, status)]


async def test_an_open_run_fills_the_stores_gaps(live_api, run):
    history = live_api.parts.history
    assert await seqs(history, run) == [1, 2, 3, 4]
    assert await seqs(history, run, after=2) == [3, 4]
    for seq in (2, 4):
        await lose(live_api, run, seq)
    assert await seqs(history, run) == [1, 2, 3, 4]
    assert await seqs(history, run, status=None) == [1, 2, 3, 4]


async def test_a_run_that_cannot_be_asked_is_read_from_the_store_gaps_and_all(live_api, run, api):
    await lose(live_api, run, 2)
    without_temporal = History(live_api.parts.store, api.parts.runs, api.parts.settings)
    assert await seqs(without_temporal, run) == [1, 3, 4]
    assert await seqs(live_api.parts.history, run, status=SUCCEEDED) == [1, 3, 4]
