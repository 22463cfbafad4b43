"""Decisions about usage and budgets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from api.days import begin_of, end_of
from api.pagination import PageQuery
from api.parts import Parts
from api.problems import Problem
from api.usage.schemas import (
    BudgetIn,
    BudgetOut,
    DayOut,
    DaysOut,
    LimitsOut,
    ReportOut,
    TotalOut,
    UsageRowOut,
    UsedOut,
)
from pilot.budget import ceiling
from pilot.money import dollars, nanos
from pilot.store.usage import (
    WHOLE_ACCOUNT,
    GroupBy,
    Limits,
    Total,
    next_day,
    utc_day,
)

MAX_DAYS = 366
DEFAULT_DAYS = 30
_GROUPS: dict[str, GroupBy] = {"day": "day", "workflow": "workflow", "model": "model"}


async def report(
    parts: Parts,
    owner: str,
    first: date | None,
    last: date | None,
    group_by: str,
    page: PageQuery,
) -> ReportOut:
    """The report of the days from `first` to `last`; the last 30 where they are not said."""
    begin, end = _range(first, last)
    groups = _groups(group_by)
    usage = parts.store.usage
    found = await usage.report(owner, begin, end, groups, limit=page.limit, cursor=page.cursor)
    [whole] = (await usage.report(owner, begin, end, ())).items
    return ReportOut(
        items=[
            UsageRowOut(
                **_total(row.total), day=row.day, workflow_id=row.workflow_id, model=row.model
            )
            for row in found.items
        ],
        next_cursor=found.next_cursor,
        first=begin,
        last=end,
        total=TotalOut(**_total(whole.total)),
    )


async def days(
    parts: Parts, owner: str, workflow_id: str | None, first: date | None, last: date | None
) -> DaysOut:
    """The executions of the days from `first` to `last`; the last 30 where they are not said."""
    begin, end = _range(first, last)
    counts = await parts.store.executions_by_day(
        owner,
        first=begin_of(begin),
        last=end_of(end),
        workflow_id=workflow_id,
    )
    items = []
    for day, of_day in groupby(counts, attrgetter("day")):
        statuses = {one.status: one.count for one in of_day}
        items.append(DayOut(day=day, total=sum(statuses.values()), statuses=statuses))
    return DaysOut(first=begin, last=end, items=items)


def _range(first: date | None, last: date | None) -> tuple[date, date]:
    end = last or max(utc_day(datetime.now(UTC)), first or date.min)
    span = timedelta(days=DEFAULT_DAYS - 1)
    begin = first or (end - span if end - date.min > span else date.min)
    if begin > end:
        raise Problem(422, "invalid_range", f"`from` ({begin}) is after `to` ({end}).")
    if (end - begin).days >= MAX_DAYS:
        raise Problem(422, "invalid_range", f"A report covers at most {MAX_DAYS} days.")
    return begin, end


def _groups(text: str) -> list[GroupBy]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in _GROUPS]
    if unknown:
        raise Problem(
            422,
            "invalid_group_by",
            f"group_by takes day, workflow and model, separated by commas, not {unknown[0]!r}.",
        )
    return [_GROUPS[name] for name in names]


async def budget(parts: Parts, owner: str, workflow_id: str | None) -> BudgetOut:
    """The user's own budget, or that of one of their workflows. Raises `NotFoundError`."""
    await _require_workflow(parts, owner, workflow_id)
    usage, now = parts.store.usage, datetime.now(UTC)
    allowance = await usage.allowance(owner, workflow_id or WHOLE_ACCOUNT)
    limits = allowance.account if workflow_id is None else allowance.workflow
    highest = ceiling(parts.settings)
    spent = await usage.spent(owner, workflow_id, utc_day(now))
    return BudgetOut(
        **_limits(limits).model_dump(),
        effective=_limits(limits.within(highest)),
        ceiling=_limits(highest),
        used=UsedOut(
            tokens=spent.tokens,
            usd=dollars(spent.cost),
            reserved_tokens=spent.reserved_tokens,
            reserved_usd=dollars(spent.reserved_cost),
        ),
        resets_at=next_day(now),
    )


async def put_budget(
    parts: Parts, owner: str, workflow_id: str | None, body: BudgetIn
) -> BudgetOut:
    """Sets a budget. Raises `Problem` (422) for one above the operator's ceiling."""
    await _require_workflow(parts, owner, workflow_id)
    usd = body.usd_per_day
    limits = Limits(body.tokens_per_day, None if usd is None else nanos(usd))
    highest = ceiling(parts.settings)
    if _over(limits.tokens, highest.tokens) or _over(limits.cost, highest.cost):
        raise Problem(
            422,
            "budget_over_ceiling",
            f"The operator allows a user at most {_said(highest)} a day.",
        )
    await parts.store.usage.put_budget(owner, workflow_id or WHOLE_ACCOUNT, limits)
    return await budget(parts, owner, workflow_id)


async def delete_budget(parts: Parts, owner: str, workflow_id: str | None) -> None:
    await _require_workflow(parts, owner, workflow_id)
    await parts.store.usage.delete_budget(owner, workflow_id or WHOLE_ACCOUNT)


async def _require_workflow(parts: Parts, owner: str, workflow_id: str | None) -> None:
    if workflow_id is not None:
        await parts.store.get_workflow(owner, workflow_id)


def _total(total: Total) -> dict[str, Any]:
    return {
        "calls": total.calls,
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
        "total_tokens": total.tokens,
        "cost_usd": dollars(total.cost),
        "unpriced_calls": total.unpriced,
        "estimated_calls": total.estimated,
    }


def _limits(limits: Limits) -> LimitsOut:
    cost = limits.cost
    return LimitsOut(
        tokens_per_day=limits.tokens, usd_per_day=None if cost is None else dollars(cost)
    )


def _over(limit: int | None, highest: int | None) -> bool:
    return limit is not None and highest is not None and limit > highest


def _said(limits: Limits) -> str:
    tokens = [] if limits.tokens is None else [f"{limits.tokens:,} tokens"]
    cost = [] if limits.cost is None else [f"${dollars(limits.cost):g}"]
    return " and ".join(tokens + cost)
