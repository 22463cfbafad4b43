"""The contract of recorded iterations, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pilot.errors import ConflictError
from pilot.graph.status import NodeStatus
from pilot.store.iterations import MAX_SHOWN_CHARS, PREVIEW_CHARS, Iteration

AT = datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC)


def iteration(index, status=NodeStatus.SUCCEEDED, output=None, **fields):
    return Iteration(index, status, f"k{index}", output, **fields)


async def indexes(store, execution, **more):
    page = await store.iterations.page("ada", execution.id, "each", **more)
    return [one.index for one in page.items]


async def test_what_is_recorded_is_read(store, execution):
    whole = iteration(
        3,
        output={"text": "a\x00\ud800é", "n": 2**70},
        nodes=[{"id": "a", "type": "code", "status": "succeeded", "meta": {"duration_ms": 1.5}}],
        started_at=AT,
        finished_at=AT,
    )
    bad = iteration(
        4, NodeStatus.FAILED, error={"code": "x", "message": "no", "node_id": "a"}, finished_at=AT
    )
    await store.iterations.record(execution.id, "each", "", [bad, whole])
    page = await store.iterations.page("ada", execution.id, "each")
    assert (page.items, page.next_cursor) == ([whole, bad], None)
    assert (await store.iterations.page("bob", execution.id, "each")).items == []
    assert (await store.iterations.page("ada", execution.id, "other")).items == []
    assert (await store.iterations.page("ada", execution.id, "each", "a[0]")).items == []


async def test_it_may_be_recorded_again(store, execution):
    first = iteration(0, NodeStatus.CANCELLED, error={"code": "cancelled", "message": "m"})
    for rows in (
        [first, iteration(1, output=1)],
        [iteration(0, output=7)],
        [iteration(0, output=7)],
    ):
        await store.iterations.record(execution.id, "each", "", rows)
    page = await store.iterations.page("ada", execution.id, "each")
    assert page.items == [iteration(0, output=7), iteration(1, output=1)]


async def test_one_batch_may_say_the_same_iteration_twice(store, execution):
    rows = [iteration(0, output=1), replace(iteration(0), output=2)]
    await store.iterations.record(execution.id, "each", "", rows)
    [one] = (await store.iterations.page("ada", execution.id, "each")).items
    assert one.output == 2


async def test_paths_are_apart(store, execution):
    for path in ("", "a[0]", "a[1]"):
        await store.iterations.record(execution.id, "each", path, [iteration(0, output=path)])
    for path in ("", "a[0]", "a[1]"):
        [one] = (await store.iterations.page("ada", execution.id, "each", path)).items
        assert one.output == path


async def test_nothing_is_written_of_an_execution_that_is_not_there(store, execution, in_database):
    await store.iterations.record("e", "each", "", [iteration(0)])
    await store.iterations.record(execution.id, "each", "", [])
    assert await in_database("SELECT count(*) FROM iterations") == 0


async def test_a_list_has_pages(store, execution):
    rows = [
        iteration(index, NodeStatus.FAILED if index % 3 == 0 else NodeStatus.SUCCEEDED)
        for index in range(12)
    ]
    await store.iterations.record(execution.id, "each", "", rows)
    first = await store.iterations.page("ada", execution.id, "each", limit=5)
    assert [one.index for one in first.items] == [0, 1, 2, 3, 4]
    cursor = first.next_cursor
    second = await store.iterations.page("ada", execution.id, "each", limit=5, cursor=cursor)
    assert [one.index for one in second.items] == [5, 6, 7, 8, 9]
    last = await store.iterations.page(
        "ada", execution.id, "each", limit=5, cursor=second.next_cursor
    )
    assert ([one.index for one in last.items], last.next_cursor) == ([10, 11], None)
    assert await indexes(store, execution, status=NodeStatus.FAILED) == [0, 3, 6, 9]
    assert await indexes(store, execution, status=NodeStatus.FAILED, cursor="3") == [6, 9]
    assert await indexes(store, execution, cursor=str(2**62)[:10]) == []


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "٣", "1" * 11])
async def test_a_cursor_of_another_list_is_refused(store, execution, cursor):
    with pytest.raises(ConflictError) as caught:
        await store.iterations.page("ada", execution.id, "each", cursor=cursor)
    assert caught.value.code == "invalid_cursor"


async def test_large_outputs_are_shown_by_their_beginning(store, execution):
    fits, large = "x" * (MAX_SHOWN_CHARS - 2), "é" * (MAX_SHOWN_CHARS - 1)
    rows = [iteration(0, output=fits), iteration(1, output=large)]
    await store.iterations.record(execution.id, "each", "", rows)
    one, other = (await store.iterations.page("ada", execution.id, "each")).items
    assert (one.output, one.preview) == (fits, None)
    assert (other.output, other.preview) == (None, f'"{large}'[:PREVIEW_CHARS])
    # whoever goes on with them has them whole
    whole = await store.iterations.results("ada", execution.id, "each")
    assert [one.output for one in whole] == [fits, large]


async def test_results_are_those_that_succeeded(store, execution):
    rows = [
        iteration(0, output=0),
        iteration(1, NodeStatus.FAILED),
        iteration(2, output=2),
        iteration(3, NodeStatus.CANCELLED),
        iteration(4, output=4),
    ]
    await store.iterations.record(execution.id, "each", "a[0]", rows)

    async def found(owner="ada", **more):
        results = await store.iterations.results(owner, execution.id, "each", "a[0]", **more)
        return [(one.index, one.key, one.output) for one in results]

    assert await found() == [(0, "k0", 0), (2, "k2", 2), (4, "k4", 4)]
    assert await found(first=1, end=4) == [(2, "k2", 2)]
    assert await found("bob") == []


async def test_they_go_with_their_execution(store, execution, in_database):
    await store.iterations.record(execution.id, "each", "", [iteration(0)])
    await in_database(f"DELETE FROM executions WHERE id = '{execution.id}'")
    assert await in_database("SELECT count(*) FROM iterations") == 0


async def test_all_of_an_execution_are_read_whole_and_in_order(store, execution):
    large = "x" * (MAX_SHOWN_CHARS + 1)
    await store.iterations.record(execution.id, "b", "", [iteration(1), iteration(0, output=large)])
    await store.iterations.record(execution.id, "a", "b[0]", [iteration(0, NodeStatus.FAILED)])
    places, after = [], None
    while page := await store.iterations.of_execution(execution.id, after=after, limit=2):
        places += page
        after = page[-1]
    assert [(one.node_id, one.path, one.iteration.index) for one in places] == [
        ("a", "b[0]", 0),
        ("b", "", 0),
        ("b", "", 1),
    ]
    assert places[1].iteration.output == large
    assert await store.iterations.of_execution("elsewhere", limit=2) == []
