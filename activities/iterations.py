"""record_iterations, recall_iterations: what came of iterations, written to the store and read
from there by a run that goes on from another."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic_core import to_json
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.payload import MAX_RESULT_BYTES
from pilot.graph.status import NodeStatus
from pilot.store import Store
from pilot.store.iterations import MAX_RESULTS, Iteration
from workflows_def.iterations import (
    QUERY_ITERATIONS,
    RECALL_ITERATIONS_ACTIVITY,
    RECORD_ITERATIONS_ACTIVITY,
    IterationRow,
    IterationsPage,
    Recalled,
    RecalledPage,
    RecallIterations,
    RecordIterations,
)

QUERY_TIMEOUT = timedelta(seconds=10)


class Iterations:
    """The activities, with the store, and the client by which workflows are asked."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client

    @activity.defn(name=RECORD_ITERATIONS_ACTIVITY)
    async def record(self, request: RecordIterations) -> bool:
        """Returns when the store has the rows. While it is away, the attempt fails and the next
        one follows soon. A run that was not started through the API has no row of its own: nothing
        is written, and False returned."""
        has_row = True
        async with heartbeats():
            after = request.after
            while after < request.last:
                page = await self._page(after)
                has_row &= await self._store.iterations.record(
                    request.execution_id,
                    request.node_id,
                    request.path,
                    [_iteration(row) for row in page.rows],
                )
                after = page.last
        return has_row

    async def _page(self, after: int) -> IterationsPage:
        info = activity.info()
        assert info.workflow_id is not None
        handle = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        page: IterationsPage = await handle.query(
            QUERY_ITERATIONS, after, result_type=IterationsPage, rpc_timeout=QUERY_TIMEOUT
        )
        if not page.rows:
            raise ApplicationError(f"there is no row {after + 1}", type="rows_missing")
        return page

    @activity.defn(name=RECALL_ITERATIONS_ACTIVITY)
    async def recall(self, request: RecallIterations) -> RecalledPage:
        """As many of the results as one payload holds, one at least."""
        found = await self._store.iterations.results(
            request.user_id,
            request.source,
            request.node_id,
            request.path,
            first=request.first,
            end=request.end,
        )
        rows: list[Recalled] = []
        size = 0
        for one in found:
            row = Recalled(one.index, one.key, one.output)
            size += len(to_json(row))
            if rows and size > MAX_RESULT_BYTES:
                return RecalledPage(rows, one.index)
            rows.append(row)
        more = len(found) == MAX_RESULTS
        return RecalledPage(rows, found[-1].index + 1 if more else None)


def _iteration(row: IterationRow) -> Iteration:
    return Iteration(
        index=row.index,
        status=NodeStatus(row.status),
        key=row.key,
        output=row.output,
        error=row.error,
        nodes=row.nodes,
        started_at=_time(row.started_at),
        finished_at=_time(row.finished_at),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
