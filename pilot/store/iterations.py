"""The iterations of loops and maps that have ended: what came of each, and of the nodes in it.

An iteration is kept by its node and that node's own path, and by its index. It is written by the
child workflow that ran it, in batches and perhaps more than once; what is written last stays. The
rows go with their execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Text, case, cast, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from pilot.errors import ConflictError
from pilot.graph.status import NodeStatus
from pilot.store import Page, json_text
from pilot.store.database import Database
from pilot.store.paging import page_size
from pilot.store.rows import json_or_null
from pilot.store.tables import executions, iterations

STATUSES = (NodeStatus.SUCCEEDED, NodeStatus.FAILED, NodeStatus.CANCELLED)
MAX_RESULTS = 1_000
"""Of what one call of `results` gives, where nobody asks for fewer."""
MAX_SHOWN_CHARS = 16_000
"""Of an output's JSON in a list."""
PREVIEW_CHARS = 2_000

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KEY = ("execution_id", "node_id", "path", "index")


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration. `key` tells what it was given; `nodes` are its body's nodes as they ended,
    without outputs. `output` is None where it did not succeed, and in a list where it is large:
    `preview` has the beginning of its JSON then."""

    index: int
    status: NodeStatus
    key: str
    output: Any = None
    error: dict[str, Any] | None = None
    nodes: list[dict[str, Any]] = field(default_factory=list)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    preview: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An iteration with the node, and that node's path, that it is of."""

    node_id: str
    path: str
    iteration: Iteration


class IterationStore(Protocol):
    """Every implementation passes `tests/store/test_iterations.py`."""

    async def record(
        self, execution_id: str, node_id: str, path: str, rows: Sequence[Iteration]
    ) -> bool:
        """Writes ended iterations of a loop or a map, each in place of what was there. False, and
        nothing is written, where the execution has no row."""
        ...

    async def page(
        self,
        owner: str,
        execution_id: str,
        node_id: str,
        path: str = "",
        *,
        status: NodeStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Iteration]:
        """In the order of their indexes. A bad cursor is `ConflictError` (`invalid_cursor`)."""
        ...

    async def results(
        self,
        owner: str,
        execution_id: str,
        node_id: str,
        path: str = "",
        *,
        first: int = 0,
        end: int | None = None,
        limit: int = MAX_RESULTS,
    ) -> list[Iteration]:
        """Those that have succeeded, with an index from `first` to before `end`, in order: at most
        `limit`, more of which follow the last. Of a loop, the last has its newest state."""
        ...

    async def of_execution(
        self, execution_id: str, *, after: Placed | None = None, limit: int
    ) -> list[Placed]:
        """All of an execution's, whole, by node, path and index: those that follow `after`. Who
        may ask is for the caller to know."""
        ...


def after(cursor: str | None) -> int:
    """The index that the page begins behind. Raises `ConflictError` (`invalid_cursor`)."""
    if cursor is None:
        return -1
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 10):
        raise ConflictError("the cursor is not one that this list gave out", code="invalid_cursor")
    return min(int(cursor), 2**31 - 1)


def iteration(row: Any) -> Iteration:
    return Iteration(
        index=row.index,
        status=NodeStatus(row.status),
        key=row.key,
        output=row.output,
        error=row.error,
        nodes=row.nodes or [],
        started_at=row.started_at,
        finished_at=row.finished_at,
        preview=getattr(row, "preview", None),
    )


def placed(row: Any) -> Placed:
    return Placed(row.node_id, row.path, iteration(row))


def iteration_row(row: Iteration) -> dict[str, Any]:
    """The columns behind the key's first three."""
    return {
        "index": row.index,
        "status": row.status.value,
        "key": row.key,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "error": json_or_null(row.error),
        "nodes": json_text.dumps(row.nodes),
        "output": json_or_null(row.output),
    }


def page_of(found: Sequence[Any], limit: int) -> Page[Iteration]:
    """Of rows in order, one more than the page where there are more."""
    size = page_size(limit)
    items = [iteration(row) for row in found[:size]]
    return Page(items, str(items[-1].index) if len(found) > size else None)


class SqlIterations:
    """`IterationStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, execution_id: str, node_id: str, path: str, rows: Sequence[Iteration]
    ) -> bool:
        place = {"execution_id": execution_id, "node_id": node_id, "path": path}
        newest = {row.index: row for row in rows}
        values = [{**place, **iteration_row(row)} for row in newest.values()]
        if not values:
            return True
        known = select(executions.c.id).where(executions.c.id == execution_id)
        async with self._database.writing() as connection:
            # locked, so that it is not deleted in between
            found = await connection.execute(known.with_for_update(key_share=True))
            if found.one_or_none() is None:
                return False
            statement = _INSERT[connection.dialect.name](iterations)
            statement = statement.on_conflict_do_update(
                index_elements=[iterations.c[name] for name in _KEY],
                set_={
                    column.name: statement.excluded[column.name]
                    for column in iterations.c
                    if column.name not in _KEY
                },
            )
            await connection.execute(statement, values)
            return True

    async def page(
        self,
        owner: str,
        execution_id: str,
        node_id: str,
        path: str = "",
        *,
        status: NodeStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Iteration]:
        index, output = iterations.c["index"], iterations.c.output
        text = cast(output, Text)
        is_small = func.length(text) <= MAX_SHOWN_CHARS
        columns = [column for column in iterations.c if column is not output]
        query = (
            select(
                *columns,
                case((is_small, output)).label("output"),
                case((~is_small, func.substr(text, 1, PREVIEW_CHARS))).label("preview"),
            )
            .join(executions, executions.c.id == iterations.c.execution_id)
            .where(*_of(owner, execution_id, node_id, path), index > after(cursor))
            .order_by(index)
            .limit(page_size(limit) + 1)
        )
        if status is not None:
            query = query.where(iterations.c.status == status.value)
        found = await self._database.rows(query)
        return page_of(found, limit)

    async def results(
        self,
        owner: str,
        execution_id: str,
        node_id: str,
        path: str = "",
        *,
        first: int = 0,
        end: int | None = None,
        limit: int = MAX_RESULTS,
    ) -> list[Iteration]:
        index = iterations.c["index"]
        query = (
            select(iterations)
            .join(executions, executions.c.id == iterations.c.execution_id)
            .where(
                *_of(owner, execution_id, node_id, path),
                iterations.c.status == NodeStatus.SUCCEEDED.value,
                index >= first,
            )
            .order_by(index)
            .limit(limit)
        )
        if end is not None:
            query = query.where(index < end)
        found = await self._database.rows(query)
        return [iteration(row) for row in found]

    async def of_execution(
        self, execution_id: str, *, after: Placed | None = None, limit: int
    ) -> list[Placed]:
        columns = iterations.c
        key = (columns.node_id, columns.path, columns["index"])
        query = (
            select(iterations)
            .where(columns.execution_id == execution_id)
            .order_by(*key)
            .limit(limit)
        )
        if after is not None:
            place = (after.node_id, after.path, after.iteration.index)
            query = query.where(tuple_(*key) > tuple_(*place))
        return [placed(row) for row in await self._database.rows(query)]


def _of(owner: str, execution_id: str, node_id: str, path: str) -> list[Any]:
    return [
        executions.c.owner == owner,
        iterations.c.execution_id == execution_id,
        iterations.c.node_id == node_id,
        iterations.c.path == path,
    ]
