"""Starts what is held: an owner's slot goes from a run that ended to the one that waits longest.

A slot is released in the store first (`pilot.store.slots`), then the run is started. A worker
that dies in between leaves a queued row that was released: the reconciler starts it, as it
releases what nobody else did.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from pilot import closing, runs
from pilot.calls import with_tool_schemas
from pilot.errors import GraphError, PilotError
from pilot.graph.model import Graph
from pilot.nodes import specs
from pilot.queues import Queues
from pilot.resumption import plan_of
from pilot.standing import Standings
from pilot.store import Execution, Store

log = logging.getLogger(__name__)

CALL_LIMIT = timedelta(seconds=5)


class Slots:
    """`most` is how many runs an owner may have at once; None: any number. `standings` are
    their turns, `queues` where some of their nodes' activities go."""

    def __init__(
        self,
        store: Store,
        client: Client,
        task_queue: str,
        most: int | None,
        standings: Standings | None = None,
        queues: Queues | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._task_queue = task_queue
        self._most = most
        self._standings = standings
        self._queues = queues

    async def freed(self, execution_id: str) -> None:
        """A run has ended: the owner's next one begins. What fails is left to the reconciler."""
        if self._most is None:
            return
        try:
            owner = await self._store.slots.owner_waiting(execution_id)
            if owner is not None:
                await self.fill(owner)
        except (PilotError, RPCError) as error:
            log.warning("what waits behind execution %s is started later: %s", execution_id, error)

    async def fill_all(self) -> int:
        """`fill`, of every owner of whom something can be released. What fails with one is left
        to the next time."""
        count = 0
        for owner in await self._store.slots.owners(self._most):
            try:
                count += await self.fill(owner)
            except (RPCError, PilotError) as error:
                log.warning("executions that wait for a slot could not be started: %s", error)
        return count

    async def fill(self, owner: str) -> int:
        """Releases and starts what the owner's slots allow, and says how many. Raises what the
        store does, and `RPCError`."""
        count = 0
        while (row := await self._store.slots.release(owner, self._most)) is not None:
            count += 1
            try:
                await self.begin(row)
            except GraphError as error:
                log.warning("execution %s cannot be started any more: %s", row.id, error)
                ending = closing.failed("invalid_graph", "the graph is no longer valid")
                await closing.close_and_tell(self._store, row, ending)
        return count

    async def begin(self, row: Execution) -> None:
        """Starts the run of a queued row, which comes with its input.

        A cancel that was noted meanwhile found no run: it is passed on. Raises `GraphError`,
        what the store does, and `RPCError`.
        """
        version = await self._store.get_version(row.owner, row.workflow_id, row.workflow_version)
        # The names of secrets were checked when the row was written; one that is gone since then
        # fails its node, which says so better than a run that never began.
        graph = Graph.model_validate(version.graph)
        plan = await asyncio.to_thread(plan_of, row, graph, specs())
        plan = await with_tool_schemas(self._store, row.owner, plan)
        run = runs.run_of(row, version.name, plan)
        run_id = await runs.start(
            self._client,
            run,
            self._task_queue,
            limit=CALL_LIMIT,
            standings=self._standings,
            queues=self._queues,
        )
        await self._store.set_temporal_run(row.id, run_id)
        fresh = await self._store.get_execution(row.owner, row.id)
        if fresh.status.is_final or fresh.cancel_requested_at is not None:
            await self._cancel(row)

    async def _cancel(self, row: Execution) -> None:
        handle = self._client.get_workflow_handle(row.temporal_workflow_id)
        try:
            await handle.cancel(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended already
                raise
