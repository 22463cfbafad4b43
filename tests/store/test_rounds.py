"""The contract of events of many executions at once: what is written so, and what is left."""

import asyncio
import random
from dataclasses import replace

import pytest

from pilot.errors import StoreError
from pilot.graph.status import ExecutionStatus
from pilot.store import Told

FIRST, SECOND = "0000000000000001", "0000000000000002.4"


@pytest.fixture
def several(store, workflow, make_execution):
    """`await several(n)`: so many stored executions."""

    async def make(count):
        found = [make_execution(workflow) for _ in range(count)]
        for one in found:
            await store.create_execution(one)
        return found

    return make


async def tell(store, told):
    """As whoever has events for the store does."""
    written = await store.append_round(told)
    assert written <= {one.execution_id for one in told}
    for one in told:
        if one.execution_id not in written:
            await store.append_events(one.execution_id, one.events, edition=one.edition)
    return written


def run_of(said, execution):
    run = [
        said(1, "execution.started", input={"question": "why?"}),
        said(2, "node.started", "ask", type="llm"),
        said(3, "node.retrying", "ask", error={"code": "busy", "message": "m"}),
        said(4, "execution.waiting"),
        said(5, "execution.resumed"),
        said(6, "node.succeeded", "ask", output="because", meta={"n": 1}),
        said(7, "node.skipped", "other", reason="no edge taken"),
        said(8, "node.started", "end", type="output"),
        said(9, "node.succeeded", "end", output="because"),
        said(10, "execution.succeeded", output="because", usage={"prompt_tokens": 9}),
    ]
    return [replace(event, execution_id=execution.id) for event in run]


async def state(store, execution):
    row = await store.get_execution("ada", execution.id)
    return (
        [replace(event, execution_id="") for event in await store.events("ada", execution.id)],
        await store.node_runs("ada", execution.id),
        replace(row, id=""),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_rounds_make_what_single_batches_make(store, several, said, seed):
    """Whatever is told: in any order, more than once, of void editions too."""
    executions, chance = await several(12), random.Random(seed)
    alone, together = executions[:6], executions[6:]
    plans = []
    for _ in alone:
        order = list(range(10))
        if chance.random() < 0.4:
            chance.shuffle(order)
        cuts = sorted(chance.sample(range(1, 10), 3))
        parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, 10], strict=True)]
        if chance.random() < 0.4:
            parts.insert(chance.randint(1, 4), parts[0])
        editions = chance.choice(([""] * 5, [FIRST] * 5, [FIRST, FIRST, SECOND, FIRST, SECOND]))
        plans.append(list(zip(parts, editions, strict=False)))
    for turn in range(5):
        told = []
        for plan, one, other in zip(plans, alone, together, strict=True):
            if turn < len(plan):
                part, edition = plan[turn]
                events = [run_of(said, one)[n] for n in part]
                await store.append_events(one.id, events, edition=edition)
                told.append(Told(other.id, [run_of(said, other)[n] for n in part], edition))
        await tell(store, told)
    for one, other in zip(alone, together, strict=True):
        assert await state(store, one) == await state(store, other)


async def test_what_goes_on_is_written_and_the_rest_is_left(backend, store, several, said):
    names = ["new", "known", "ended", "void", "newer", "ending", "nan", "live", "nameless"]
    executions = dict(zip(names, await several(len(names)), strict=True))
    runs = {name: run_of(said, execution) for name, execution in executions.items()}
    await store.append_events(executions["known"].id, runs["known"][:1])
    await store.append_events(executions["ended"].id, runs["ended"][-1:])
    await store.append_events(executions["void"].id, runs["void"][:6], edition=SECOND)
    await store.append_events(executions["newer"].id, runs["newer"][:6], edition=FIRST)
    id = {name: execution.id for name, execution in executions.items()}
    not_json = [replace(runs["nan"][0], data={"input": float("nan")})]
    told = [
        Told(id["new"], runs["new"][:5], FIRST),
        Told(id["known"], runs["known"][:2]),
        Told(id["ended"], runs["ended"][:1], FIRST),
        Told(id["void"], runs["void"][6:8], FIRST),
        Told(id["newer"], runs["newer"][6:8], SECOND),
        Told(id["ending"], runs["ending"]),
        Told(id["nan"], not_json, FIRST),
        Told(id["live"], [replace(runs["live"][0], seq=None)]),
        Told(id["nameless"], runs["nameless"][6:7]),
        Told("unknown", [replace(runs["new"][0], execution_id="unknown")], FIRST),
    ]
    before = {name: await state(store, one) for name, one in executions.items()}
    written = await store.append_round(told)
    if backend == "postgrest":  # where each is a call of its own
        assert written == set()
        return
    assert written == {id["new"]}
    events, nodes, row = await state(store, executions["new"])
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [(node.node_id, node.type, node.status) for node in nodes] == [("ask", "llm", "running")]
    assert (row.status, row.last_seq, row.edition) == (ExecutionStatus.RUNNING, 5, FIRST)
    assert row.started_at is not None
    for name in names[1:]:
        assert await state(store, executions[name]) == before[name]
    assert await store.append_round([]) == set()


async def test_an_end_is_written_where_all_before_it_are_there(backend, store, several, said):
    names = ["whole", "alone", "gap", "hole", "ended", "void", "newer"]
    executions = dict(zip(names, await several(len(names)), strict=True))
    runs = {name: run_of(said, execution) for name, execution in executions.items()}
    id = {name: execution.id for name, execution in executions.items()}
    await store.append_events(id["alone"], runs["alone"][:9], edition=FIRST)
    await store.append_events(id["gap"], runs["gap"][:5], edition=FIRST)
    await store.append_events(id["hole"], runs["hole"][:3] + runs["hole"][4:8], edition=FIRST)
    await store.append_events(id["ended"], runs["ended"][:9])
    stop = replace(said(9, "execution.cancelled"), execution_id=id["ended"])
    await store.append_events(id["ended"], [replace(stop, seq=10)])
    await store.append_events(id["void"], runs["void"][:8], edition=SECOND)
    await store.append_events(id["newer"], runs["newer"][:8], edition=FIRST)
    told = [
        Told(id["whole"], runs["whole"], FIRST, ends=True),
        Told(id["alone"], runs["alone"][9:], FIRST, ends=True),
        Told(id["gap"], runs["gap"][6:], FIRST, ends=True),
        Told(id["hole"], runs["hole"][8:], FIRST, ends=True),
        Told(id["ended"], [replace(runs["ended"][9], seq=11)], FIRST, ends=True),
        Told(id["void"], runs["void"][8:], FIRST, ends=True),
        Told(id["newer"], runs["newer"][8:], SECOND, ends=True),
    ]
    before = {name: await state(store, one) for name, one in executions.items()}
    # a node that ended without a start names its type in the graph, which a round does not read
    whole = [replace(one, data={**one.data, "type": "llm"}) for one in runs["whole"]]
    told[0] = replace(told[0], events=whole)
    written = await store.append_round(told)
    if backend == "postgrest":
        assert written == set()
        return
    assert written == {id["whole"], id["alone"]}
    for name in ("whole", "alone"):
        events, _, row = await state(store, executions[name])
        assert [event.seq for event in events] == list(range(1, 11))
        assert (row.status, row.output, row.edition) == (
            ExecutionStatus.SUCCEEDED,
            "because",
            FIRST,
        )
        assert row.usage["prompt_tokens"] == 9
        assert row.finished_at is not None
    for name in names[2:]:
        assert await state(store, executions[name]) == before[name]


@pytest.mark.sql
async def test_where_the_database_refuses_a_row_nothing_is_written(backend, store, several, said):
    one, other = await several(2)
    told = [
        Told(one.id, run_of(said, one)[:2]),
        Told(other.id, [replace(run_of(said, other)[1], attempt=2**80)]),
    ]
    with pytest.raises((StoreError, OverflowError)):
        await store.append_round(told)
    assert await store.events("ada", one.id) == []
    assert await store.append_round(told[:1]) == {one.id}


async def test_rounds_and_single_batches_at_once_do_not_hold_each_other_up(store, several, said):
    executions = await several(8)
    runs = [(one, run_of(said, one)) for one in executions]

    async def worker(order, size):
        for first in range(0, 9, size):
            told = [Told(one.id, run[first : min(first + size, 9)]) for one, run in order]
            await tell(store, told)

    async def recorder(one, run):
        await store.append_events(one.id, run[:9])

    async with asyncio.timeout(30):
        await asyncio.gather(
            worker(runs, 1),
            worker(runs[::-1], 2),
            *(recorder(one, run) for one, run in runs),
        )
    for one, run in runs:
        assert await store.events("ada", one.id) == run[:9]
        assert await store.missing_from(one.id) == 10
