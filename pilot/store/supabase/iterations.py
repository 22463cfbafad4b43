"""`IterationStore` on Supabase."""

from __future__ import annotations

from collections.abc import Sequence

from pilot.graph.status import NodeStatus
from pilot.store import Page
from pilot.store.iterations import (
    MAX_RESULTS,
    MAX_SHOWN_CHARS,
    PREVIEW_CHARS,
    Iteration,
    Placed,
    after,
    iteration,
    iteration_row,
    page_of,
    placed,
)
from pilot.store.paging import page_size
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record
from pilot.store.values import owner_id, plain


class SupabaseIterations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(
        self, execution_id: str, node_id: str, path: str, rows: Sequence[Iteration]
    ) -> bool:
        newest = {row.index: row for row in rows}
        if not newest:
            return True
        return bool(
            await self._connection.write_all(
                "record_iterations",
                execution_id=plain(execution_id),
                node_id=plain(node_id),
                path=plain(path),
                rows=[iteration_row(row) for row in newest.values()],
            )
        )

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
        found = await self._connection.read(
            "iterations",
            owner=owner_id(owner),
            execution_id=plain(execution_id),
            node_id=plain(node_id),
            path=plain(path),
            status=None if status is None else status.value,
            after=after(cursor),
            size=page_size(limit) + 1,
            shown=MAX_SHOWN_CHARS,
            preview=PREVIEW_CHARS,
        )
        return page_of([record(row) for row in found], limit)

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
        found = await self._connection.read_all(
            "iteration_results",
            owner=owner_id(owner),
            execution_id=plain(execution_id),
            node_id=plain(node_id),
            path=plain(path),
            first=first,
            end=end,
            size=limit,
        )
        return [iteration(record(row)) for row in found]

    async def of_execution(
        self, execution_id: str, *, after: Placed | None = None, limit: int
    ) -> list[Placed]:
        found = await self._connection.read_all(
            "iterations_of",
            execution_id=plain(execution_id),
            after_node="" if after is None else plain(after.node_id),
            after_path="" if after is None else plain(after.path),
            after_index=-1 if after is None else after.iteration.index,
            size=limit,
        )
        return [placed(record(row)) for row in found]
