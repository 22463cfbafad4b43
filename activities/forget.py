"""forget_part: deletes one part of all that belongs to an owner. Each part may be done again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeats import heartbeats
from pilot import closing, runs
from pilot.archive import Archive
from pilot.caches import Caches
from pilot.graph.status import ExecutionStatus
from pilot.payloads.driver import execution_of
from pilot.payloads.objects import Objects
from pilot.store import Execution, Store
from pilot.triggers.schedules import Schedules
from workflows_def.forget import (
    ACCESS,
    ARCHIVE,
    CACHES,
    DONE,
    EXECUTIONS,
    FORGET_ACTIVITY,
    HISTORIES,
    NAMES,
    RUNS,
    USAGE,
    WORKFLOWS,
    ForgetPart,
    Forgotten,
)
from workflows_def.messages import SEARCH_ATTRIBUTE_USER

log = logging.getLogger(__name__)

CALL_LIMIT = timedelta(seconds=5)
AT_ONCE = 10
RUNS_A_PART = 100
EXECUTIONS_A_PART = 50
ROWS_A_PART = 500
HISTORIES_A_PART = 500

FORGOTTEN = closing.cancelled("cancelled", "the execution's owner was deleted")
_OPEN = tuple(status for status in ExecutionStatus if not status.is_final)


class Forgetter:
    """The activity, with all that may hold something of an owner."""

    def __init__(
        self,
        store: Store,
        client: Client,
        archive: Archive | None,
        redis_url: str | None,
        objects: Objects | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._archive = archive
        self._redis_url = redis_url
        self._objects = objects
        self._parts = {
            ACCESS: self._access,
            EXECUTIONS: self._executions,
            WORKFLOWS: self._workflows,
            USAGE: self._usage,
            NAMES: self._names,
            HISTORIES: self._histories,
            CACHES: self._caches,
            ARCHIVE: self._archived,
        }

    @activity.defn(name=FORGET_ACTIVITY)
    async def forget(self, part: ForgetPart) -> Forgotten:
        async with heartbeats():
            if part.step == RUNS:
                return await self._runs(part.owner, force=part.force)
            if part.step == DONE:
                # an audit line: the run's id, and nothing of the person
                counts = ", ".join(f"{count} {name}" for name, count in part.deleted.items())
                run = activity.info().workflow_run_id
                log.info("an owner was forgotten (run %s): %s", run, counts or "nothing was there")
                return Forgotten()
            return await self._parts[part.step](part.owner)

    async def _access(self, owner: str) -> Forgotten:
        """What could start something new: triggers first, with their schedules in Temporal."""
        schedules = Schedules(self._client, activity.info().task_queue)
        count = 0
        while (page := await self._store.triggers.listing(owner)).items:
            for trigger in page.items:
                await schedules.delete(trigger.id)
                await self._store.triggers.delete(trigger.id)
                count += 1
        return Forgotten(count + await self._store.forgetting.close_access(owner))

    async def _workflows(self, owner: str) -> Forgotten:
        count = await self._store.forgetting.delete_workflows(owner, limit=ROWS_A_PART)
        return Forgotten(count, left=count > 0)

    async def _usage(self, owner: str) -> Forgotten:
        count = await self._store.forgetting.delete_usage(owner, limit=ROWS_A_PART)
        return Forgotten(count, left=count > 0)

    async def _names(self, owner: str) -> Forgotten:
        count = await self._store.forgetting.unname(owner, limit=ROWS_A_PART)
        ids = await self._store.forgetting.unname_answers(owner, limit=EXECUTIONS_A_PART)
        await self._uncache(ids)
        return Forgotten(count + len(ids), left=count > 0 or bool(ids))

    # -- runs ----------------------------------------------------------------------------

    async def _runs(self, owner: str, *, force: bool) -> Forgotten:
        """Asks the owner's open runs to end, or ends them; how many there were."""
        pages = [
            await self._store.list_executions(owner, status=status, limit=RUNS_A_PART)
            for status in _OPEN
        ]
        rows = [row for page in pages for row in page.items]
        limit = asyncio.Semaphore(AT_ONCE)

        async def end(row: Execution) -> None:
            async with limit:
                await self._end(row, force=force)

        await asyncio.gather(*(end(row) for row in rows))
        return Forgotten(len(rows))

    async def _end(self, row: Execution, *, force: bool) -> None:
        await self._store.request_cancel(row.id, datetime.now(UTC))
        handle = self._client.get_workflow_handle(row.temporal_workflow_id)
        try:
            if force:
                await handle.terminate(FORGOTTEN.message, rpc_timeout=CALL_LIMIT)
            elif not row.is_held:
                await handle.cancel(rpc_timeout=CALL_LIMIT)
                return
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            # it never began or has ended already; the request that writes the row may yet start it
            if not force:
                return
        await closing.close_and_tell(self._store, row, FORGOTTEN)

    # -- what they left ------------------------------------------------------------------

    async def _executions(self, owner: str) -> Forgotten:
        """Some of the owner's executions, with what Temporal has of them. Those that are open
        again are left to the next round."""
        page = await self._store.list_executions(owner, limit=EXECUTIONS_A_PART)
        ended = [row for row in page.items if row.status.is_final]
        limit = asyncio.Semaphore(AT_ONCE)

        async def delete(row: Execution) -> int:
            async with limit:
                await runs.delete_histories(self._client, row.id, limit=CALL_LIMIT)
                if self._objects is not None:
                    await self._objects.forget(row.id)
                return await self._store.retention.delete_execution(owner, row.id)

        counts = await asyncio.gather(*(delete(row) for row in ended))
        await self._uncache([row.id for row in ended])
        return Forgotten(sum(counts), left=bool(page.items))

    async def _uncache(self, execution_ids: Sequence[str]) -> None:
        caches = Caches(self._redis_url)
        try:
            await caches.forget_executions(execution_ids)
        finally:
            await caches.close()

    async def _histories(self, owner: str) -> Forgotten:
        """Runs that Temporal still has of executions which the store has no more."""
        quoted = owner.replace("\\", "\\\\").replace("'", "\\'")
        query = f"{SEARCH_ATTRIBUTE_USER} = '{quoted}'"
        count = 0
        try:
            async for one in self._client.list_workflows(query, limit=HISTORIES_A_PART):
                count += await runs.delete_history(
                    self._client, one.id, one.run_id, limit=CALL_LIMIT
                )
                execution_id = execution_of(one.id)
                if self._objects is not None and execution_id is not None:
                    await self._objects.forget(execution_id)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:
                raise
            log.warning("histories of deleted executions cannot be looked for: %s", error.message)
        return Forgotten(count, left=count > 0)

    async def _caches(self, owner: str) -> Forgotten:
        caches = Caches(self._redis_url)
        try:
            await caches.forget_owner(owner)
        finally:
            await caches.close()
        return Forgotten()

    async def _archived(self, owner: str) -> Forgotten:
        if self._archive is not None:
            await self._archive.forget(owner)
        return Forgotten()
