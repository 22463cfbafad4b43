"""Usage and budgets, on every database."""

import asyncio
import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from pilot.errors import ConflictError
from pilot.money import nanos
from pilot.store.usage import (
    MAX_COST,
    MAX_COUNT,
    WHOLE_ACCOUNT,
    Allowance,
    CallKey,
    Limits,
    ModelCall,
    Refusal,
    Reservation,
    Spent,
    Total,
    next_day,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOON.date()
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def key(number=1, **changes):
    return dataclasses.replace(CallKey("exec", "ask", "", "run", 1, number), **changes)


def call(number=1, *, owner="ada", workflow="flow", node="ask", attempt=1, **changes):
    fields = {
        "key": key(number, node_id=node, attempt=attempt),
        "owner": owner,
        "workflow_id": workflow,
        "model": "gpt-4o",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 700,
        "at": NOON,
    }
    return ModelCall(**{**fields, **changes})


def reservation(number=1, *, owner="ada", workflow="flow", tokens=100, cost=0, **changes):
    fields = {"at": NOON, "expires_at": FAR}
    return Reservation(
        key(number), owner, workflow, tokens=tokens, cost=cost, **{**fields, **changes}
    )


@pytest.fixture
def usage(store):
    return store.usage


async def test_a_call_is_written_once(usage):
    assert await usage.record(call())
    assert not await usage.record(call())
    assert not await usage.record(call(prompt_tokens=999))
    assert await usage.spent("ada", None, DAY) == Spent(15, 700)
    assert await usage.of_execution("exec") == Total(10, 5, 700, 1, 0, 0)


async def test_the_same_call_written_by_many_at_once_counts_once(usage):
    written = await asyncio.gather(*(usage.record(call()) for _ in range(10)))
    assert sorted(written) == [False] * 9 + [True]
    assert (await usage.spent("ada", None, DAY)).tokens == 15


async def test_many_calls_at_once_all_count(usage):
    await asyncio.gather(*(usage.record(call(number)) for number in range(1, 51)))
    assert await usage.spent("ada", None, DAY) == Spent(750, 35_000)
    assert (await usage.of_execution("exec")).calls == 50


async def test_what_was_spent_is_told_by_owner_workflow_and_day(usage):
    await usage.record(call(1))
    await usage.record(call(2, workflow="other", model="small"))
    await usage.record(call(3, owner="bob"))
    await usage.record(call(4, at=NOON + timedelta(days=1)))
    assert (await usage.spent("ada", None, DAY)).tokens == 30
    assert (await usage.spent("ada", "flow", DAY)).tokens == 15
    assert (await usage.spent("ada", "none", DAY)) == Spent()
    assert (await usage.spent("bob", None, DAY)).tokens == 15
    assert (await usage.spent("ada", None, DAY + timedelta(days=1))).tokens == 15


async def test_a_day_is_a_day_of_utc(usage):
    kyoto = datetime.fromisoformat("2026-03-02T08:59:59+09:00")
    await usage.record(call(1, at=kyoto))
    await usage.record(call(2, at=kyoto + timedelta(seconds=1)))
    assert (await usage.spent("ada", None, DAY)).tokens == 15
    assert (await usage.spent("ada", None, DAY + timedelta(days=1))).tokens == 15
    assert next_day(kyoto) == datetime(2026, 3, 2, tzinfo=UTC)
    assert next_day(kyoto + timedelta(seconds=1)) == datetime(2026, 3, 3, tzinfo=UTC)


async def test_a_node_is_summed_over_its_attempts(usage):
    await usage.record(call(1, error="llm_unavailable", estimated=True))
    await usage.record(call(1, attempt=2, cost=None))
    await usage.record(call(1, attempt=2, key=key(attempt=2, run_id="after a reset")))
    await usage.record(call(1, node="other"))
    await usage.record(call(1, key=key(path="loop/1")))
    assert await usage.of_node("exec", "ask", "") == Total(30, 15, 1400, 3, 1, 1)
    assert (await usage.of_execution("exec")).calls == 5
    assert await usage.of_node("exec", "unknown", "") == Total()


async def test_nonsense_is_bounded(usage):
    await usage.record(call(1, prompt_tokens=-5, completion_tokens=2**40, cost=10**30))
    await usage.record(call(2, cost=-3))
    spent = await usage.spent("ada", None, DAY)
    assert spent == Spent(MAX_COUNT + 15, MAX_COST)


async def test_an_ended_execution_has_the_usage_of_its_calls(store, usage, execution, said):
    for attempt in (1, 2):
        of_it = key(execution_id=execution.id, attempt=attempt)
        await usage.record(call(key=of_it, cost=nanos(0.4)))
    said_usage = {"prompt_tokens": 10, "completion_tokens": 50, "cost_usd": 0.5}
    await store.append_events(execution.id, [said(1, "execution.succeeded", usage=said_usage)])
    assert (await store.get_execution("ada", execution.id)).usage == {
        "prompt_tokens": 20,
        "completion_tokens": 50,
        "cost_usd": 0.8,
    }
    # events are what the run said
    [event] = await store.events("ada", execution.id)
    assert event.data["usage"] == said_usage


async def test_what_a_run_says_stands_where_no_call_is_known(store, execution, said):
    said_usage = {"prompt_tokens": 1, "cost_usd": 0.5}
    await store.append_events(execution.id, [said(1, "execution.succeeded", usage=said_usage)])
    assert (await store.get_execution("ada", execution.id)).usage == said_usage


async def test_a_price_that_is_not_known_stays_unsaid(store, usage, execution, said):
    await usage.record(call(key=key(execution_id=execution.id), cost=None))
    strange = {"prompt_tokens": "many"}
    await store.append_events(execution.id, [said(1, "execution.failed", usage=strange)])
    assert (await store.get_execution("ada", execution.id)).usage == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
    }


# reservations


async def test_without_limits_nothing_is_refused(usage):
    assert await usage.reserve(reservation(), Allowance()) is None


@pytest.mark.parametrize(
    ("allowance", "whose", "unit"),
    [
        (Allowance(Limits(tokens=15)), "account", "tokens"),
        (Allowance(Limits(cost=700)), "account", "usd"),
        (Allowance(workflow=Limits(tokens=15)), "workflow", "tokens"),
        (Allowance(Limits(tokens=10**9), Limits(cost=1)), "workflow", "usd"),
        (Allowance(Limits(tokens=0)), "account", "tokens"),
    ],
)
async def test_a_used_up_budget_refuses(usage, allowance, whose, unit):
    await usage.record(call())
    refused = await usage.reserve(reservation(2), allowance)
    assert (refused.whose, refused.unit, refused.passes) == (whose, unit, False)
    # other people's, other workflows' and tomorrow's are not touched by what ada used
    if allowance.account.tokens != 0:
        assert await usage.reserve(reservation(3, owner="bob"), allowance) is None
        tomorrow = reservation(4, at=NOON + timedelta(days=1))
        assert await usage.reserve(tomorrow, allowance) is None
    if whose == "workflow":
        assert await usage.reserve(reservation(5, workflow="other"), allowance) is None


async def test_what_is_reserved_counts_until_it_is_recorded_or_released(usage):
    allowance = Allowance(Limits(tokens=100))
    first = reservation(1, tokens=100)
    assert await usage.reserve(first, allowance) is None
    refused = await usage.reserve(reservation(2), allowance)
    assert refused == Refusal("account", "tokens", 100, passes=True)
    assert await usage.spent("ada", None, DAY) == Spent(0, 0, 100, 0)
    await usage.record(call(1))
    assert await usage.spent("ada", None, DAY) == Spent(15, 700, 0, 0)
    second = reservation(2, tokens=85, cost=5)
    assert await usage.reserve(second, allowance) is None
    assert await usage.spent("ada", "flow", DAY) == Spent(15, 700, 85, 5)
    await usage.release(second)
    assert await usage.reserve(reservation(3), allowance) is None


async def test_a_repeated_write_ends_the_reservation_too(usage):
    await usage.record(call(1))
    await usage.reserve(reservation(1), Allowance(Limits(tokens=10**6)))
    assert not await usage.record(call(1))
    assert (await usage.spent("ada", None, DAY)).reserved_tokens == 0


async def test_a_dead_workers_reservation_expires(usage):
    allowance = Allowance(Limits(tokens=100))
    soon = datetime.now(UTC) + timedelta(milliseconds=150)
    assert await usage.reserve(reservation(1, expires_at=soon), allowance) is None
    assert (await usage.reserve(reservation(2), allowance)).passes
    await asyncio.sleep(0.2)
    assert (await usage.spent("ada", None, DAY)).reserved_tokens == 0
    assert await usage.reserve(reservation(2), allowance) is None


async def test_a_reservation_in_front_of_midnight_does_not_hold_the_next_day(usage):
    allowance = Allowance(Limits(tokens=100))
    late = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    assert await usage.reserve(reservation(1, at=late), allowance) is None
    assert (await usage.reserve(reservation(2, at=late), allowance)) is not None
    after = late + timedelta(seconds=1)
    assert await usage.reserve(reservation(2, at=after), allowance) is None
    # the call that began before midnight belongs to the day before
    await usage.record(call(1, at=late))
    assert (await usage.spent("ada", None, DAY)) == Spent(15, 700)
    assert (await usage.spent("ada", None, after.date())) == Spent(0, 0, 100, 0)


async def test_of_many_at_once_as_many_as_fit_get_through(usage):
    """Fifty calls of 100 tokens and a budget of 1,000: ten, however they interleave."""
    allowance = Allowance(Limits(tokens=1_000))
    answers = await asyncio.gather(
        *(usage.reserve(reservation(number), allowance) for number in range(1, 51))
    )
    assert sum(answer is None for answer in answers) == 10
    assert (await usage.spent("ada", None, DAY)).reserved_tokens == 1_000


async def test_reserving_while_others_record_never_overlooks_a_call(usage):
    allowance = Allowance(Limits(tokens=100 * 20))

    async def one(number):
        refused = await usage.reserve(reservation(number), allowance)
        if refused is None:
            await usage.record(call(number, prompt_tokens=100, completion_tokens=0))
        return refused

    answers = await asyncio.gather(*(one(number) for number in range(1, 61)))
    assert sum(answer is None for answer in answers) == 20
    assert await usage.spent("ada", None, DAY) == Spent(2_000, 20 * 700)


# budgets


async def test_budgets_are_set_replaced_and_deleted(usage):
    assert await usage.allowance("ada", "flow") == Allowance()
    assert not await usage.allowance("ada", "flow")
    await usage.put_budget("ada", WHOLE_ACCOUNT, Limits(tokens=10**12))
    await usage.put_budget("ada", "flow", Limits(5, 7))
    assert await usage.allowance("ada", "flow") == Allowance(Limits(10**12), Limits(5, 7))
    assert await usage.allowance("ada", "other") == Allowance(Limits(10**12))
    assert await usage.allowance("ada", WHOLE_ACCOUNT) == Allowance(Limits(10**12))
    assert await usage.allowance("bob", "flow") == Allowance()
    await usage.put_budget("ada", "flow", Limits(cost=3))
    assert (await usage.allowance("ada", "flow")).workflow == Limits(None, 3)
    for _ in range(2):
        await usage.delete_budget("ada", "flow")
    assert await usage.allowance("ada", "flow") == Allowance(Limits(10**12))


def test_the_lower_limit_holds():
    assert Limits(5, None).within(Limits(3, 9)) == Limits(3, 9)
    assert Limits(5, 2).within(Limits()) == Limits(5, 2)
    assert Limits(0).within(Limits(3)) == Limits(0)


# reports


@pytest.fixture
async def days(usage):
    """Two days, two workflows, two models, and another user."""
    number = 0
    for day in (0, 1):
        for workflow in ("a", "b"):
            for model in ("big", "small"):
                number += 1
                await usage.record(
                    call(
                        number,
                        workflow=workflow,
                        model=model,
                        at=NOON + timedelta(days=day),
                        cost=None if model == "small" else 100,
                    )
                )
    await usage.record(call(99, owner="bob"))


async def all_rows(usage, *group_by, limit=50, last=DAY + timedelta(days=1)):
    rows, cursor = [], None
    while True:
        page = await usage.report("ada", DAY, last, group_by, limit=limit, cursor=cursor)
        rows += page.items
        cursor = page.next_cursor
        if cursor is None:
            return rows
        assert len(page.items) == limit


async def test_a_report_groups(usage, days):
    [whole] = await all_rows(usage)
    assert whole.total == Total(80, 40, 400, 8, 4, 0)
    assert (whole.day, whole.workflow_id, whole.model) == (None, None, None)
    by_day = await all_rows(usage, "day")
    assert [(row.day, row.total.calls) for row in by_day] == [
        (date(2026, 3, 2), 4),
        (date(2026, 3, 1), 4),
    ]
    by_model = await all_rows(usage, "model")
    assert [(row.model, row.total.unpriced) for row in by_model] == [("small", 4), ("big", 0)]
    assert len(await all_rows(usage, "day", "workflow", "model")) == 8
    assert len(await all_rows(usage, "workflow", last=DAY)) == 2
    assert [row.total.calls for row in await all_rows(usage, last=DAY)] == [4]


async def test_without_usage_there_is_one_row_of_zeros_or_none(usage):
    [row] = await all_rows(usage)
    assert row.total == Total()
    assert await all_rows(usage, "day") == []


@pytest.mark.parametrize("limit", [1, 3, 8])
async def test_a_report_comes_in_pages(usage, days, limit):
    whole = await all_rows(usage, "model", "day", "workflow")
    assert len(whole) == 8
    assert await all_rows(usage, "model", "day", "workflow", limit=limit) == whole


@pytest.mark.parametrize("cursor", ["", "x", "!!", "W10", "WzFd", "WyJhIl0", "bnVsbA"])
async def test_a_strange_cursor_is_refused(usage, cursor):
    with pytest.raises(ConflictError) as caught:
        await usage.report("ada", DAY, DAY, ("day",), cursor=cursor)
    assert caught.value.code == "invalid_cursor"


# cost


async def test_each_method_sends_a_constant_number(usage, statements, backend):
    async def count(coroutine):
        statements.clear()
        await coroutine
        return len(statements)

    locks = int(backend == "postgresql")
    assert await count(usage.record(call())) == 3
    assert await count(usage.record(call())) == 2
    allowance = Allowance(Limits(10**9))
    assert await count(usage.reserve(reservation(2), allowance)) == 3 + locks
    for reading in (
        usage.spent("ada", "flow", DAY),
        usage.spent("ada", None, DAY),
        usage.of_node("exec", "ask", ""),
        usage.of_execution("exec"),
        usage.allowance("ada", "flow"),
        usage.report("ada", DAY, DAY, ("day", "workflow", "model")),
        usage.put_budget("ada", "flow", Limits(1)),
        usage.delete_budget("ada", "flow"),
        usage.release(reservation(2)),
    ):
        assert await count(reading) == 1


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_an_index_serves_every_query(backend, usage, statements, url):
    import sqlite3

    await usage.record(call())
    await usage.reserve(reservation(2), Allowance(Limits(10**9)))
    await usage.spent("ada", "flow", DAY)
    await usage.of_node("exec", "ask", "")
    await usage.of_execution("exec")
    await usage.allowance("ada", "flow")
    await usage.report("ada", DAY, DAY, ("day", "workflow", "model"))
    await usage.release(reservation(2))
    await usage.delete_budget("ada", "flow")
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    for statement, parameters in statements:
        if statement.startswith("INSERT"):
            continue
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        scans = [row[3] for row in plan if "SCAN usage" in row[3] or "SCAN budgets" in row[3]]
        assert not scans, (statement, plan)
    connection.close()


def test_money_is_exact():
    assert nanos(0.1) == 100_000_000
    assert nanos(1e-10) == 1
    assert nanos(0) == 0
    with pytest.raises(ValueError, match="not an amount"):
        nanos(float("nan"))


async def test_a_call_counts_for_the_workflows_above_it(usage):
    """A run of `top` began one of `middle`, which began the one of `flow` that asks."""
    above = ("top", "middle")
    await usage.put_budget("ada", "top", Limits(tokens=30))
    allowance = await usage.allowance("ada", "flow", above)
    assert allowance == Allowance(callers=(Limits(tokens=30), Limits()))
    assert await usage.reserve(reservation(1, tokens=29, callers=above), allowance) is None
    assert await usage.spent("ada", None, DAY) == Spent(0, 0, 29, 0)
    for workflow in ("flow", *above):
        assert await usage.spent("ada", workflow, DAY) == Spent(0, 0, 29, 0)
    assert await usage.record(call(1, callers=above))
    assert not await usage.record(call(1, callers=above))
    assert await usage.spent("ada", None, DAY) == Spent(15, 700)
    for workflow in ("flow", *above):
        assert await usage.spent("ada", workflow, DAY) == Spent(15, 700)
    # what the workflow itself takes is added to that
    await usage.record(call(2, workflow="top"))
    assert await usage.spent("ada", "top", DAY) == Spent(30, 1400)
    refused = await usage.reserve(reservation(3, callers=above), allowance)
    assert refused == Refusal("caller", "tokens", 30, passes=False)
    own = await usage.allowance("ada", "top")
    refused = await usage.reserve(reservation(3, workflow="top"), own)
    assert refused == Refusal("workflow", "tokens", 30, passes=False)
    assert await usage.reserve(reservation(3), await usage.allowance("ada", "flow")) is None
    # a report has each call once
    rows = (await usage.report("ada", DAY, DAY, ["workflow"])).items
    assert {row.workflow_id: row.total.calls for row in rows} == {"flow": 1, "top": 1}


async def test_reservations_of_calls_below_a_workflow_pass(usage):
    await usage.put_budget("ada", "top", Limits(cost=100))
    allowance = await usage.allowance("ada", "flow", ["top"])
    assert allowance.limits_cost
    first = reservation(1, cost=100, callers=("top",))
    assert await usage.reserve(first, allowance) is None
    assert await usage.reserve(reservation(2, cost=1, callers=("top",)), allowance) == Refusal(
        "caller", "usd", 100, passes=True
    )
    await usage.release(first)
    for workflow in (None, "flow", "top"):
        assert await usage.spent("ada", workflow, DAY) == Spent()
    assert await usage.reserve(reservation(2, cost=1, callers=("top",)), allowance) is None
