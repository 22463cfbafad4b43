"""Sums over model calls, and what they mean for an execution's usage."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, select

from pilot.money import dollars
from pilot.store.tables import usage
from pilot.store.usage import Total

COUNTS = ("prompt_tokens", "completion_tokens", "cost", "calls", "unpriced", "estimated")
"""The columns that are summed, in the order of `Total`'s fields."""


def total_query(which: ColumnElement[bool]) -> Select[Any]:
    """The sum over the calls of a condition, one row."""
    sums: list[Any] = [
        func.sum(usage.c.prompt_tokens).label("prompt_tokens"),
        func.sum(usage.c.completion_tokens).label("completion_tokens"),
        func.sum(usage.c.cost).label("cost"),
        func.count().label("calls"),
        func.sum(case((usage.c.cost.is_(None), 1), else_=0)).label("unpriced"),
        func.sum(case((usage.c.estimated, 1), else_=0)).label("estimated"),
    ]
    return select(*sums).where(which)


def read_total(row: Row[Any]) -> Total:
    return Total(*(int(getattr(row, name) or 0) for name in COUNTS))


def totals_of(execution_ids: Collection[str]) -> Select[Any]:
    """The same of each execution that has calls, with its id as `of`."""
    of = usage.c.execution_id
    return total_query(of.in_(execution_ids)).add_columns(of.label("of")).group_by(of)


def settled(total: Total, said: dict[str, Any]) -> dict[str, Any]:
    """The usage of an execution that has ended: what the run said, or its calls where they
    come to more. A run cannot know what a node took that was cancelled, or whose worker died;
    and a node of another type may say a usage that is in no call."""
    if not total.calls:
        return said
    ours: dict[str, float] = {
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
    }
    if total.unpriced < total.calls:  # not known is not the same as nothing
        ours["cost_usd"] = dollars(total.cost)
    return {**said, **{name: max(_number(said.get(name)), ours[name]) for name in ours}}


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0
