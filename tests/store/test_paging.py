"""Pages: newest first, no row twice, none lost, whatever comes in between."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from pilot.errors import ConflictError
from pilot.store import MAX_PAGE
from pilot.store.paging import decode_cursor, encode_cursor

START = datetime(2026, 1, 1, tzinfo=UTC)


async def test_pages_neither_repeat_nor_lose_while_rows_come_in(store, workflow, make_execution):
    # three share each time, so the order within a time matters too
    before = [
        make_execution(workflow, created_at=START + timedelta(microseconds=n // 3))
        for n in range(20)
    ]
    for execution in before:
        await store.create_execution(execution)
    seen, cursor = [], None
    while True:
        page = await store.list_executions("ada", limit=3, cursor=cursor)
        seen += [execution.id for execution in page.items]
        newer = make_execution(workflow, created_at=START + timedelta(seconds=len(seen)))
        await store.create_execution(newer)
        if (cursor := page.next_cursor) is None:
            break
        assert len(page.items) == 3
    expected = sorted(before, key=lambda one: (one.created_at, one.id), reverse=True)
    assert seen == [execution.id for execution in expected]


async def test_workflows_are_paged_past_deleted_ones(store):
    ids = [
        (await store.create_workflow("ada", name=str(n), description="", graph={})).id
        for n in range(7)
    ]
    first = await store.list_workflows("ada", limit=2)
    assert [one.id for one in first.items] == [ids[6], ids[5]]
    # the row that the cursor names may go
    await store.delete_workflow("ada", ids[5])
    await store.delete_workflow("ada", ids[3])
    second = await store.list_workflows("ada", limit=2, cursor=first.next_cursor)
    assert [one.id for one in second.items] == [ids[4], ids[2]]
    third = await store.list_workflows("ada", limit=2, cursor=second.next_cursor)
    assert [one.id for one in third.items] == [ids[1], ids[0]]
    assert third.next_cursor is None


async def test_a_page_is_between_one_and_the_greatest(store, workflow, make_execution):
    for n in range(MAX_PAGE + 1):
        created_at = START + timedelta(seconds=n)
        await store.create_execution(make_execution(workflow, created_at=created_at))
    for limit, expected in ((-5, 1), (0, 1), (1, 1), (MAX_PAGE, MAX_PAGE), (10**9, MAX_PAGE)):
        page = await store.list_executions("ada", limit=limit)
        assert len(page.items) == expected
        assert page.next_cursor is not None


BAD_CURSORS = [
    "",
    "x",
    "!!!",
    "ä",
    "\0",
    *(
        base64.urlsafe_b64encode(text.encode()).decode()
        for text in (
            "{}",
            "[]",
            "3",
            '["2026-01-01", "x"]',
            '["2026-01-01T00:00:00", "x"]',
            '["2026-01-01T00:00:00+00:00"]',
            '["2026-01-01T00:00:00+00:00", 3]',
            '["no", "x"]',
            '[3, "x"]',
            "[" * 5_000,
        )
    ),
]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_a_bad_cursor_is_named(cursor):
    with pytest.raises(ConflictError) as refused:
        decode_cursor(cursor)
    assert refused.value.code == "invalid_cursor"


async def test_a_bad_cursor_is_refused_by_both_lists(store):
    for listing in (store.list_workflows, store.list_executions):
        with pytest.raises(ConflictError) as refused:
            await listing("ada", cursor="x")
        assert refused.value.code == "invalid_cursor"


async def test_a_forged_cursor_shows_no_other_owner(store, workflow):
    cursor = encode_cursor(datetime(9999, 12, 31, tzinfo=UTC), "zzzz\0\ud800'")
    assert (await store.list_workflows("bob", cursor=cursor)).items == []
    assert len((await store.list_workflows("ada", cursor=cursor)).items) == 1


def test_a_cursor_keeps_its_place():
    place = (START + timedelta(microseconds=1), "id")
    assert decode_cursor(encode_cursor(*place)) == place
