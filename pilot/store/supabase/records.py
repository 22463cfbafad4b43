"""Between JSON and the rows that `pilot.store.rows` reads."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from pilot.store import json_text
from pilot.store.paging import decode_cursor, page_size
from pilot.store.values import plain, utc

_JSON = frozenset(
    {
        "graph",
        "definition",
        "failure",
        "usage",
        "error",
        "input",
        "output",
        "meta",
        "data",
        "answer",
        "resume",
        "nodes",
    }
)
"""The columns that hold JSON. They travel as its text."""


def record(found: dict[str, Any], **more: Any) -> Any:
    """A row with its columns as attributes: JSON parsed, times aware and in UTC."""
    return SimpleNamespace(**{name: _read(name, value) for name, value in found.items()}, **more)


def moment(text: str) -> datetime:
    return utc(datetime.fromisoformat(text))


def window(limit: int, cursor: str | None) -> dict[str, Any]:
    """The parameters of a list, newest first: one row more than the page, from the cursor on.
    Raises `ConflictError` (`invalid_cursor`)."""
    before, before_id = (None, None) if cursor is None else decode_cursor(cursor)
    before_id = None if before_id is None else plain(before_id)
    return {"size": page_size(limit) + 1, "before": before, "before_id": before_id}


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return json_text.loads(value)
    return moment(value) if name.endswith("_at") else value
