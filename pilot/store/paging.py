"""Pages of a list that is read newest first, while new rows come in.

The cursor is the last row's place, (`created_at`, `id`), not a number of rows: what is inserted
or deleted in between neither repeats nor hides a row
(https://use-the-index-luke.com/no-offset).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, Select, Table, tuple_

from pilot.errors import ConflictError
from pilot.store import MAX_PAGE, Page

T = TypeVar("T")


def encode_cursor(created_at: datetime, row_id: str) -> str:
    text = json.dumps([created_at.isoformat(), row_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """The place of a cursor; `ConflictError` (`invalid_cursor`) if it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, row_id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None or not isinstance(row_id, str):
            raise ValueError("no aware time, or no id")
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise ConflictError(
            "the cursor is not one that this list gave out", code="invalid_cursor"
        ) from None
    return moment, row_id


def page_size(limit: int) -> int:
    """The number of rows of a page: from 1 to `MAX_PAGE`."""
    return max(1, min(limit, MAX_PAGE))


def newest_first(
    query: Select[Any], table: Table, *, limit: int, cursor: str | None
) -> Select[Any]:
    """The query in the list's order, from the cursor on, with one row more than the page."""
    columns = (table.c.created_at, table.c.id)
    if cursor is not None:
        created_at, row_id = decode_cursor(cursor)
        query = query.where(
            tuple_(*columns) < tuple_(created_at, row_id, types=[c.type for c in columns])
        )
    return in_order(query, table).limit(page_size(limit) + 1)


def in_order(query: Select[Any], table: Table) -> Select[Any]:
    """The newest first."""
    return query.order_by(table.c.created_at.desc(), table.c.id.desc())


def page(rows: Sequence[Row[Any]], item: Callable[[Row[Any]], T], *, limit: int) -> Page[T]:
    """The page of rows that `newest_first` selected."""
    size = page_size(limit)
    if len(rows) <= size:
        return Page([item(row) for row in rows])
    last = rows[size - 1]
    return Page([item(row) for row in rows[:size]], encode_cursor(last.created_at, last.id))
