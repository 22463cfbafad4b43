"""The report of usage: one grouped query over the daily sums, and its pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_

from pilot.errors import ConflictError
from pilot.store import Page
from pilot.store.paging import page_size
from pilot.store.tables import usage_days
from pilot.store.usage import GroupBy, UsageRow
from pilot.store.usage_totals import COUNTS, read_total

_GROUPS = {
    "day": usage_days.c.day,
    "workflow": usage_days.c.workflow_id,
    "model": usage_days.c.model,
}


def report_query(
    owner: str,
    first: date,
    last: date,
    group_by: Sequence[GroupBy],
    *,
    limit: int,
    cursor: str | None,
) -> Select[Any]:
    """The groups from the cursor on, with one more than the page."""
    groups = [_GROUPS[name] for name in group_by]
    query = select(*groups, *(func.sum(usage_days.c[name]).label(name) for name in COUNTS)).where(
        usage_days.c.owner == owner, usage_days.c.day.between(first, last), usage_days.c.calls > 0
    )
    if groups:
        query = query.group_by(*groups).order_by(*(column.desc() for column in groups))
        if cursor is not None:
            place = decode_cursor(cursor, group_by)
            query = query.where(
                tuple_(*groups) < tuple_(*place, types=[column.type for column in groups])
            )
    return query.limit(page_size(limit) + 1)


def report_page(
    found: Sequence[Row[Any]], group_by: Sequence[GroupBy], *, limit: int
) -> Page[UsageRow]:
    """The page of the rows that `report_query` gave."""
    size = page_size(limit)
    items = [_read_row(row) for row in found[:size]]
    if len(found) <= size:
        return Page(items)
    return Page(items, encode_cursor(found[size - 1][: len(group_by)]))


def _read_row(row: Row[Any]) -> UsageRow:
    return UsageRow(
        read_total(row),
        day=getattr(row, "day", None),
        workflow_id=getattr(row, "workflow_id", None),
        model=getattr(row, "model", None),
    )


def encode_cursor(place: Sequence[Any]) -> str:
    """The cursor of a row: its groups' values."""
    packed = json.dumps([str(part) for part in place], separators=(",", ":"))
    return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, group_by: Sequence[GroupBy]) -> list[Any]:
    """The place of a cursor; `ConflictError` (`invalid_cursor`) if it is none of this report."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if not isinstance(place, list) or len(place) != len(group_by):
            raise ValueError("another grouping")
        return [
            date.fromisoformat(part) if name == "day" else _text(part)
            for name, part in zip(group_by, place, strict=True)
        ]
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise ConflictError(
            "the cursor is not one that this report gave out", code="invalid_cursor"
        ) from None


def _text(part: object) -> str:
    if not isinstance(part, str):
        raise TypeError("no text")
    return part
