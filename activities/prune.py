"""prune_batch: deletes one batch of what has been kept long enough.

An execution is put on a list first, then archived, then deleted. An attempt that dies leaves the
list to the next one, which takes it up before it makes another.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeats import heartbeats
from pilot import metrics
from pilot.archive import Archive
from pilot.payloads.objects import DIGITS, Objects
from pilot.retention import Policy, own
from pilot.store import Store, temporal_workflow_id
from pilot.store.retention import EVENTS_ALONE, Doomed
from workflows_def.prune import (
    EVENTS,
    EXECUTIONS,
    EXPIRED,
    OBJECTS,
    OVERRIDES,
    PRUNE_ACTIVITY,
    WORKFLOWS,
    PruneBatch,
    PruneRequest,
)

log = logging.getLogger(__name__)

CALL_LIMIT = timedelta(seconds=5)
AT_ONCE = 10
"""Runs that Temporal is asked about side by side."""
EXECUTIONS_A_BATCH = 100
EVENTS_OF_A_BATCH = 50
"""Executions whose events one batch deletes."""
WORKFLOWS_A_BATCH = 100
ROWS_A_BATCH = 1_000
OVERRIDES_A_BATCH = 50
OBJECTS_A_BATCH = 1_000
IDS_AT_ONCE = 500
GRACE = timedelta(days=1)
"""Objects of an execution that is nowhere to be found are left alone for so long: who writes them
may be about to write the rest."""


class Pruner:
    """The activity, with what it deletes from, and the archive, if there is one."""

    def __init__(
        self,
        store: Store,
        client: Client,
        policy: Policy,
        archive: Archive | None,
        objects: Objects | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._policy = policy
        self._archive = archive
        self._objects = objects

    @activity.defn(name=PRUNE_ACTIVITY)
    async def prune(self, request: PruneRequest) -> PruneBatch:
        async with heartbeats():
            batch = await self._prune(request)
        if batch.count:
            log.info("retention: %d %s deleted", batch.count, request.kind)
            metrics.current().pruned(request.kind, batch.count)
        return batch

    async def _prune(self, request: PruneRequest) -> PruneBatch:
        now = datetime.now(UTC)
        kept = self._store.retention
        match request.kind:
            case kind if kind == EXECUTIONS:
                return await self._executions(now)
            case kind if kind == OVERRIDES:
                return await self._overrides(now, request.cursor or "")
            case kind if kind == EVENTS:
                return await self._events(now)
            case kind if kind == WORKFLOWS:
                count = await kept.purge_workflows(limit=WORKFLOWS_A_BATCH)
                return PruneBatch(count, more=count == WORKFLOWS_A_BATCH)
            case kind if kind == EXPIRED:
                usage_before = self._policy.usage_before(now)
                count = await kept.expire(usage_before, limit=ROWS_A_BATCH)
                return PruneBatch(count, more=count >= ROWS_A_BATCH)
            case kind if kind == OBJECTS:
                return await self._orphans(now, request.cursor or DIGITS[0])
            case _:
                count = await kept.reclaim()
                return PruneBatch(count, more=count > 0)

    async def _executions(self, now: datetime) -> PruneBatch:
        doomed = await self._listed()
        if not doomed and self._policy.days:
            before = self._policy.before(now)
            await self._store.retention.claim(_name(now), before, limit=EXECUTIONS_A_BATCH)
            doomed = await self._listed()
        return await self._delete(doomed, None)

    async def _overrides(self, now: datetime, after: str) -> PruneBatch:
        """Goes through the workflows by id, and stays at one for as long as it has a batch."""
        found = await self._store.retention.overrides(after=after, limit=OVERRIDES_A_BATCH)
        for workflow_id, days in found:
            activity.heartbeat()
            doomed = await self._listed()  # of an attempt before this one
            if not doomed:
                await self._store.retention.claim(
                    _name(now), own(days, now), workflow_id=workflow_id, limit=EXECUTIONS_A_BATCH
                )
                doomed = await self._listed()
            if doomed:
                batch = await self._delete(doomed, after)
                if batch.count:
                    return batch
            after = workflow_id
        return PruneBatch(cursor=after, more=len(found) == OVERRIDES_A_BATCH)

    async def _events(self, now: datetime) -> PruneBatch:
        """Archives events and deletes them; their executions stay, and are archived without them
        when they go."""
        kept = self._store.retention
        doomed = await kept.claimed(limit=EVENTS_OF_A_BATCH, events_alone=True)
        before = self._policy.events_before(now)
        if not doomed and before is not None:
            await kept.claim_events(EVENTS_ALONE + _name(now), before, limit=EVENTS_OF_A_BATCH)
            doomed = await kept.claimed(limit=EVENTS_OF_A_BATCH, events_alone=True)
        if self._archive is not None and doomed:
            await self._archive.write(self._store, doomed)
        count = 0
        for one in doomed:
            count += await kept.prune_events(one.execution_id)
        return PruneBatch(count, more=count > 0)

    async def _listed(self) -> list[Doomed]:
        return await self._store.retention.claimed(limit=EXECUTIONS_A_BATCH)

    async def _delete(self, doomed: list[Doomed], cursor: str | None) -> PruneBatch:
        """Archives and deletes the list, without those whose run is open in Temporal."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def ask(one: Doomed) -> bool:
            async with limit:
                return await self._is_open(one.execution_id)

        answers = await asyncio.gather(*(ask(one) for one in doomed))
        is_open = [one.execution_id for one, answer in zip(doomed, answers, strict=True) if answer]
        if is_open:
            # before anything is written of the list: it only gets shorter
            await self._store.retention.release(is_open)
            log.warning("retention: %d ended executions have an open run: left alone", len(is_open))
        closed = [one for one, answer in zip(doomed, answers, strict=True) if not answer]
        archived = 0
        if self._archive is not None and closed:
            archived = await self._archive.write(self._store, closed)
        count = 0
        for one in closed:
            if self._objects is not None:
                await self._objects.forget(one.execution_id)
            count += await self._store.retention.delete_execution(one.owner, one.execution_id)
        return PruneBatch(count, archived, len(is_open), cursor, more=count > 0)

    async def _orphans(self, now: datetime, begin: str) -> PruneBatch:
        """Objects whose execution neither the store nor Temporal has any more: of an attempt that
        came late, or of a query of a run whose row had gone."""
        if self._objects is None:
            return PruneBatch()
        count = 0
        for digit in DIGITS[DIGITS.index(begin) :]:
            if count >= OBJECTS_A_BATCH:
                return PruneBatch(count, cursor=digit, more=True)
            found = await self._objects.executions(digit)
            for first in range(0, len(found), IDS_AT_ONCE):
                count += await self._forget_unknown(now, found[first : first + IDS_AT_ONCE])
        return PruneBatch(count)

    async def _forget_unknown(self, now: datetime, execution_ids: list[str]) -> int:
        assert self._objects is not None
        known = {one.execution_id for one in await self._store.progress(execution_ids)}
        count = 0
        for execution_id in (one for one in execution_ids if one not in known):
            newest = await self._objects.newest(execution_id)
            if newest is None or now - newest < GRACE or await self._is_open(execution_id):
                continue
            count += await self._objects.forget(execution_id)
        return count

    async def _is_open(self, execution_id: str) -> bool:
        handle = self._client.get_workflow_handle(temporal_workflow_id(execution_id))
        try:
            return (await handle.describe(rpc_timeout=CALL_LIMIT)).close_time is None
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise


def _name(now: datetime) -> str:
    """Of a batch: the older, the lower. No two are the same."""
    return f"{now:%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}"
