"""The contract of events and what they make of the rows, on every database."""

import asyncio
import itertools
import random
import time
import types
from asyncio import CancelledError
from dataclasses import replace
from datetime import timedelta

import pytest

from pilot.errors import NotFoundError
from pilot.events.model import EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import NodeRun
from pilot.store.projection import fold


def whole_run(said):
    """A run of three nodes: one that is retried and succeeds, one that fails, one skipped."""
    return [
        said(1, "execution.started", input={"question": "why?"}),
        said(2, "node.started", "start", type="start", name="Start"),
        said(3, "node.succeeded", "start", output={"q": 1}, meta={"ms": 2}),
        said(4, "node.started", "ask", type="llm"),
        said(5, "node.retrying", "ask", error={"code": "busy", "message": "m"}),
        replace(said(6, "node.succeeded", "ask", output="because", meta={"n": 1}), attempt=2),
        said(7, "node.started", "call", type="http"),
        said(8, "node.failed", "call", error={"code": "c", "message": "m"}, meta={"attempt": 3}),
        said(9, "node.skipped", "end", reason="no edge taken"),
        said(10, "execution.succeeded", output="because", usage={"prompt_tokens": 9}),
    ]


def expected_nodes(at):
    return [
        NodeRun(
            node_id="start",
            type="start",
            status=NodeStatus.SUCCEEDED,
            started_at=at(2),
            finished_at=at(3),
            output={"q": 1},
            meta={"ms": 2},
        ),
        NodeRun(
            node_id="ask",
            type="llm",
            status=NodeStatus.SUCCEEDED,
            attempt=2,
            started_at=at(4),
            finished_at=at(6),
            output="because",
            meta={"n": 1},
        ),
        NodeRun(
            node_id="call",
            type="http",
            status=NodeStatus.FAILED,
            attempt=3,
            started_at=at(7),
            finished_at=at(8),
            meta={"attempt": 3},
            error={"code": "c", "message": "m"},
        ),
        NodeRun(
            node_id="end",
            type="",
            status=NodeStatus.SKIPPED,
            reason="no edge taken",
            finished_at=at(9),
        ),
    ]


@pytest.fixture
def at(execution):
    return lambda seconds: execution.created_at + timedelta(seconds=seconds)


async def check_whole_run(store, execution, run, at):
    assert await store.events("ada", execution.id) == run
    assert await store.node_runs("ada", execution.id) == expected_nodes(at)
    assert await store.get_execution("ada", execution.id) == replace(
        execution,
        status=ExecutionStatus.SUCCEEDED,
        output="because",
        usage={"prompt_tokens": 9},
        started_at=at(1),
        finished_at=at(10),
        last_seq=10,
    )


async def test_a_run_in_one_call(store, execution, said, at):
    run = whole_run(said)
    await store.append_events(execution.id, run)
    await check_whole_run(store, execution, run, at)


@pytest.mark.parametrize("seed", range(6))
async def test_a_run_in_any_order_and_more_than_once(store, execution, said, at, seed):
    run, order = whole_run(said), random.Random(seed)
    shuffled = run * 2
    order.shuffle(shuffled)
    while shuffled:
        size = order.randint(1, 5)
        await store.append_events(execution.id, shuffled[:size])
        shuffled = shuffled[size:]
    await check_whole_run(store, execution, run, at)


async def test_a_run_from_concurrent_writers(store, execution, said, at):
    run = whole_run(said)
    await asyncio.gather(
        *(store.append_events(execution.id, [event]) for event in run),
        store.append_events(execution.id, run[:7]),
        store.append_events(execution.id, run),
    )
    await check_whole_run(store, execution, run, at)


async def test_each_state_on_the_way(store, execution, said):
    for seq, (kind, status) in enumerate(
        [
            ("started", "running"),
            ("waiting", "waiting"),
            ("paused", "paused"),
            ("resumed", "running"),
            ("timed_out", "timed_out"),
            ("resumed", "timed_out"),
            ("succeeded", "timed_out"),
        ],
        start=1,
    ):
        await store.append_events(execution.id, [said(seq, f"execution.{kind}")])
        assert (await store.get_execution("ada", execution.id)).status == status
    seq = 20
    for kind, status in [
        ("started", "running"),
        ("retrying", "running"),
        ("waiting", "waiting"),
        ("cancelled", "cancelled"),
    ]:
        await store.append_events(execution.id, [said(seq := seq + 1, f"node.{kind}", "ask")])
        [node] = await store.node_runs("ada", execution.id)
        assert node.status == status


async def test_what_is_there_already_changes_nothing(store, execution, said):
    await store.append_events(execution.id, [said(1, "execution.started")])
    await store.append_events(
        execution.id, [said(1, "execution.failed"), said(2, "node.started", "ask")]
    )
    assert (await store.get_execution("ada", execution.id)).status is ExecutionStatus.RUNNING
    types = [event.type for event in await store.events("ada", execution.id)]
    assert types == [EventType.EXECUTION_STARTED, EventType.NODE_STARTED]


async def test_what_replaces_a_run_leaves_nothing_of_it(store, execution, said, at):
    """Whatever was there: other events, more of them, nodes that never ran, a final status."""
    run = whole_run(said)
    await store.append_events(
        execution.id,
        [
            replace(run[0], at=run[0].at.replace("20", "19", 1)),
            *(said(seq, "node.started", "end", type="output") for seq in range(2, 9)),
            said(9, "node.started", "gone", type="code"),
            said(30, "execution.failed", error={"code": "c", "message": "m"}),
        ],
    )
    await store.replace_events(execution.id, run[:6])
    assert (await store.get_execution("ada", execution.id)).status is ExecutionStatus.RUNNING
    assert await store.missing_from(execution.id) == 7
    await store.append_events(execution.id, run[6:])
    await check_whole_run(store, execution, run, at)
    await store.replace_events(execution.id, run)
    await check_whole_run(store, execution, run, at)
    with pytest.raises(NotFoundError):
        await store.replace_events("00000000-0000-4000-8000-000000000000", [])


FIRST, SECOND, THIRD = "0000000000000001", "0000000000000002.4", "0000000000000003.6"
"""Editions of a run: the first, one that begins after event 4, one that begins after event 6."""


async def test_a_newer_edition_takes_back_what_older_ones_said_after_its_beginning(
    store, execution, said, at
):
    run = whole_run(said)
    void = [
        replace(said(5, "node.failed", "ask", error={"code": "c", "message": "m"}), attempt=7),
        said(6, "node.started", "gone", type="code"),
        said(7, "execution.failed", error={"code": "c", "message": "m"}),
    ]
    await store.append_events(execution.id, run[:4], edition=FIRST)
    await store.append_events(execution.id, void[:2], edition=FIRST)
    await store.append_events(execution.id, [said(7, "execution.paused")], edition=FIRST)
    assert (await store.get_execution("ada", execution.id)).status is ExecutionStatus.PAUSED
    await store.append_events(execution.id, run[4:5], edition=SECOND)
    assert await store.events("ada", execution.id) == run[:5]
    start, ask = await store.node_runs("ada", execution.id)
    assert (start, ask.status, ask.started_at, ask.error) == (
        expected_nodes(at)[0],
        NodeStatus.RUNNING,
        at(4),
        run[4].data["error"],
    )
    found = await store.get_execution("ada", execution.id)
    assert found == replace(
        execution, status=ExecutionStatus.RUNNING, started_at=at(1), last_seq=5, edition=SECOND
    )
    await store.append_events(execution.id, void, edition=FIRST)  # by a worker that was slow
    assert await store.events("ada", execution.id) == run[:5]
    await store.append_events(execution.id, run[5:], edition=SECOND)
    final = await store.get_execution("ada", execution.id)
    assert final == replace(
        execution,
        status=ExecutionStatus.SUCCEEDED,
        output="because",
        usage={"prompt_tokens": 9},
        started_at=at(1),
        finished_at=at(10),
        last_seq=10,
        edition=SECOND,
    )
    assert await store.node_runs("ada", execution.id) == expected_nodes(at)
    # what is final is complete
    await store.append_events(execution.id, [said(7, "log")], edition=THIRD)
    assert await store.get_execution("ada", execution.id) == final
    assert await store.events("ada", execution.id) == run


async def test_an_edition_leaves_alone_what_it_shares(store, execution, said):
    run = whole_run(said)
    await store.append_events(execution.id, run[:3], edition=FIRST)
    await store.append_events(execution.id, run[4:6], edition=SECOND)
    assert await store.missing_from(execution.id) == 4
    # what the first had not written in time is true all the same; where nothing is new, an
    # edition is noted too
    await store.append_events(execution.id, run[3:5], edition=FIRST)
    await store.append_events(execution.id, run[5:6], edition=THIRD)
    assert await store.events("ada", execution.id) == run[:6]
    [progress] = await store.progress([execution.id])
    assert (progress.last_seq, progress.edition) == (6, THIRD)
    # read back from the run, and so of no edition
    await store.append_events(execution.id, run[6:])
    assert await store.events("ada", execution.id) == run


async def test_an_edition_from_the_very_beginning(store, execution, said):
    """The first workflow task was lost."""
    again = "0000000000000002.0"
    await store.append_events(
        execution.id,
        [said(1, "execution.started"), said(2, "node.started", "ask", type="llm")],
        edition=FIRST,
    )
    await store.append_events(execution.id, [said(2, "node.skipped", "end")], edition=again)
    found = await store.get_execution("ada", execution.id)
    assert (found.status, found.started_at, found.last_seq) == ("running", None, 2)
    assert [node.node_id for node in await store.node_runs("ada", execution.id)] == ["end"]


@pytest.mark.parametrize("seed", range(4))
async def test_after_a_newer_edition_all_is_as_if_the_void_had_never_come(
    store, workflow, make_execution, said, seed
):
    chance = random.Random(seed)
    kinds = [kind.value for kind in EventType if kind.startswith("node.")]
    kinds += [f"execution.{kind}" for kind in ("started", "paused", "resumed", "waiting")]

    def some(seqs):
        for seq in seqs:
            kind = chance.choice(kinds)
            node = chance.choice("abcd") if kind.startswith("node.") else None
            yield replace(said(seq, kind, node, type="code", output=seq), attempt=seq % 3)

    shared, void, true = list(some(range(1, 21))), list(some(range(21, 31))), list(some([21, 22]))
    rows = []
    for told in ([shared, void], [shared]):
        execution = make_execution(workflow)
        await store.create_execution(execution)

        async def tell(events, edition, id=execution.id):
            events = [replace(event, execution_id=id) for event in events]
            await store.append_events(id, events, edition=edition)

        for events in told:
            await tell(events, FIRST)
        await tell(true, "0000000000000002.20")
        found = await store.get_execution("ada", execution.id)
        rows.append(
            (
                replace(found, id="", created_at=None),
                await store.node_runs("ada", execution.id),
                [replace(one, execution_id="") for one in await store.events("ada", execution.id)],
            )
        )
    assert rows[0] == rows[1]


async def test_iterations_of_a_node_are_apart(store, execution, said):
    for seq, path in enumerate(("", "loop:0", "loop:1"), start=1):
        event = replace(said(seq, "node.succeeded", "ask", output=path), path=path)
        await store.append_events(execution.id, [event])
    nodes = await store.node_runs("ada", execution.id)
    assert [(node.path, node.output) for node in nodes] == [
        ("", ""),
        ("loop:0", "loop:0"),
        ("loop:1", "loop:1"),
    ]


async def test_a_node_that_never_started_has_its_type_from_the_graph(store, execution, said):
    await store.append_events(execution.id, [said(1, "node.skipped", "ask", reason="r")])
    [node] = await store.node_runs("ada", execution.id)
    assert (node.type, node.status, node.reason) == ("llm", "skipped", "r")


@types.coroutine
def cancelled_at(coroutine, step):
    """Runs the coroutine, whose task is cancelled where it waits for the `step`th time."""
    go_on, value = coroutine.send, None
    for waits in itertools.count(1):
        try:
            future = go_on(value)
        except StopIteration:
            return
        if waits == step:
            asyncio.current_task().cancel()
        try:
            yield future
            go_on, value = coroutine.send, None
        except BaseException as error:
            go_on, value = coroutine.throw, error


async def as_task(steps):
    await steps


async def test_a_write_that_is_cancelled_anywhere_holds_nothing_up(store, execution, said):
    kept = []  # errors keep their frames alive, and those the driver's statements
    async with asyncio.timeout(8):  # less than the busy timeout
        for step in itertools.count(2):
            try:
                event = said(step, "node.skipped", "ask")
                writing = store.append_events(execution.id, [event])
                await asyncio.create_task(as_task(cancelled_at(writing, step)))
            except CancelledError as error:
                kept.append(error)
            else:
                break
        await store.append_events(execution.id, [said(n, "log") for n in range(1, step + 1)])
    assert len(kept) > 5
    assert await store.missing_from(execution.id) == step + 1


async def test_live_only_events_are_left_out(store, execution, said):
    await store.append_events(execution.id, [])
    await store.append_events(execution.id, [said(None, "llm.token", "ask", text="b")])
    await store.append_events(
        execution.id, [said(None, "log", "ask", text="b"), said(1, "execution.started")]
    )
    assert [event.seq for event in await store.events("ada", execution.id)] == [1]


async def test_events_of_an_unknown_execution_are_refused(store, execution, said):
    with pytest.raises(NotFoundError):
        await store.append_events("nobody", [replace(said(1, "log"), execution_id="nobody")])
    with pytest.raises(ValueError, match="among those of"):
        await store.append_events(execution.id, [replace(said(1, "log"), execution_id="other")])


async def test_a_batch_is_all_or_nothing(store, execution, said):
    bad = said(2, "node.succeeded", "ask", output=[float("nan")])
    with pytest.raises(ValueError, match="JSON"):
        await store.append_events(execution.id, [said(1, "execution.started"), bad])
    with pytest.raises(ValueError, match="seq"):
        await store.append_events(execution.id, [said(1, "execution.started"), said(0, "log")])
    assert await store.get_execution("ada", execution.id) == execution
    assert await store.events("ada", execution.id) == []


async def test_events_are_read_from_a_seq_on(store, execution, said):
    await store.append_events(execution.id, [said(seq, "log", n=seq) for seq in range(1, 31)])

    async def seqs(**window):
        return [event.seq for event in await store.events("ada", execution.id, **window)]

    assert await seqs() == list(range(1, 31))
    assert await seqs(after_seq=10, limit=5) == [11, 12, 13, 14, 15]
    assert await seqs(after_seq=29) == [30]
    assert await seqs(after_seq=30) == []
    assert await seqs(after_seq=2**80) == []
    assert await seqs(after_seq=-(2**80), limit=2**80) == list(range(1, 31))
    assert await seqs(limit=0) == [1]


async def test_the_lowest_missing_seq(store, execution, said):
    for seqs, missing in (([2], 1), ([1], 3), ([5, 7], 3), ([3], 4), ([4], 6), ([6], 8)):
        await store.append_events(execution.id, [said(seq, "log") for seq in seqs])
        assert await store.missing_from(execution.id) == missing


VALUES = [
    None,
    0,
    1.0,
    -0.5,
    1e308,
    5e-324,
    0.1 + 0.2,
    2**53 + 1,
    2**63,
    -(10**400),
    True,
    "",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u2028 \x7f \x1b ' \" \\ \\u0000",
    "ünïcödé 🚀",
    {"\0": {"\ud800": []}},
    [[], {}, [None]],
    {"": "", "a.b": 1, "$": 2},
]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
async def test_any_json_comes_back_as_it_went_in(store, workflow, make_execution, said, value):
    execution = make_execution(workflow, input=value)
    await store.create_execution(execution)

    def of_this(event):
        return replace(event, execution_id=execution.id)

    run = [
        of_this(said(1, "node.succeeded", "ask", output=value, meta={"v": value})),
        of_this(said(2, "node.failed", "call", error={"code": "c", "message": "m", "v": value})),
        of_this(said(3, "execution.succeeded", output=value, usage={"v": value})),
    ]
    await store.append_events(execution.id, run)
    found = await store.get_execution("ada", execution.id)
    asked, called = await store.node_runs("ada", execution.id)
    values = [found.input, found.output, found.usage["v"], asked.output, asked.meta["v"]]
    for got in (*values, called.error["v"]):
        assert (got, type(got)) == (value, type(value))
    assert await store.events("ada", execution.id) == run


async def test_text_that_no_database_holds_does_not_stop_a_run(store, execution, said):
    await store.append_events(
        execution.id, [said(1, "node.skipped", "a\0b", reason="because \0 \ud800")]
    )
    [node] = await store.node_runs("ada", execution.id)
    assert (node.node_id, node.reason) == ("a\ufffdb", "because \ufffd \ufffd")


async def test_deep_json_is_kept(store, execution, said):
    deep: list = []
    for _ in range(500):
        deep = [deep]
    await store.append_events(execution.id, [said(1, "node.succeeded", "ask", output=deep)])
    [node] = await store.node_runs("ada", execution.id)
    assert node.output == deep


async def test_a_large_output_is_whole_with_its_node_and_a_preview_in_the_list(
    store, execution, said
):
    output = {"text": "ü\0" * 1_000_000}
    await store.append_events(
        execution.id,
        [
            said(1, "node.succeeded", "ask", output=output, meta={"usage": {"total": 3}}),
            said(2, "execution.succeeded", output=output, usage={"total": 3}),
        ],
    )
    [node] = await store.node_runs("ada", execution.id)
    assert node.output == output
    assert (await store.get_execution("ada", execution.id)).output == output
    for event in await store.events("ada", execution.id):
        assert event.data["truncated"] is True
        assert event.data["preview"].startswith('{"text":"ü')
        assert "output" not in event.data
    # a second time, and out of order, the whole value stays
    await store.append_events(execution.id, [said(3, "node.skipped", "end"), said(1, "log")])
    assert (await store.node_runs("ada", execution.id))[0].output == output


async def test_a_thousand_nodes_in_one_call(store, execution, said):
    nodes = [f"node-{n}" for n in range(500)]
    run = [said(n, "node.started", node, type="code") for n, node in enumerate(nodes, 1)]
    run += [said(n, "node.succeeded", node, output=n) for n, node in enumerate(nodes, 501)]
    began = time.perf_counter()
    await store.append_events(execution.id, run)
    took = time.perf_counter() - began
    stored = await store.node_runs("ada", execution.id)
    assert [(node.node_id, node.status) for node in stored] == [
        (node, NodeStatus.SUCCEEDED) for node in nodes
    ]
    assert len(await store.events("ada", execution.id)) == 1_000
    assert await store.missing_from(execution.id) == 1_001
    assert took < 2, f"1,000 events took {took:.2f} s"


@pytest.mark.parametrize("seed", range(5))
async def test_the_join_in_sql_is_the_join_of_the_projection(store, execution, said, seed):
    chance = random.Random(seed)
    node_types = [kind.value for kind in EventType if kind.startswith("node.")]
    run = []
    for seq in chance.sample(range(1, 100), 40):
        node = chance.choice("abc")
        data = {"type": chance.choice([None, node]), "reason": str(seq), "output": seq}
        if chance.random() < 0.5:
            data["meta"] = {"started_at": said(seq * 7 % 100, "log").at}
        attempt = chance.choice([None, 1, 2, 3])
        run.append(replace(said(seq, chance.choice(node_types), node, **data), attempt=attempt))
    left = run * 2
    while left:
        await store.append_events(execution.id, left[: (size := chance.randint(1, 9))])
        left = left[size:]
    folded = sorted(fold(run).nodes.values(), key=lambda node: node.first_seq)
    stored = await store.node_runs("ada", execution.id)
    for got, node in zip(stored, folded, strict=True):
        assert got == NodeRun(
            node_id=node.node_id,
            type=node.type or "",
            status=node.status,
            reason=node.reason,
            attempt=node.attempt,
            started_at=node.started_at,
            finished_at=node.finished_at,
            output=node.output,
            meta=node.meta,
            error=node.error,
        )
