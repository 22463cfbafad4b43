"""What `RunScheduled` does outside: begins its execution, asks how it is, passes a cancel on.

| what dies | what is there | what happens |
| --- | --- | --- |
| before the row | nothing | the next attempt begins it |
| row written, run not started | the row, `queued` | the next attempt starts the run of that row |
| run started, attempt not reported | the run | the next attempt finds it |

The execution's id follows from the schedule and the time, so there is never a second one.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.heartbeats import heartbeats
from activities.slots import CALL_LIMIT, Slots
from pilot import closing
from pilot.errors import ConflictError, GraphError, NotFoundError, PilotError, RefusedError
from pilot.events.model import rfc3339
from pilot.graph.status import ExecutionStatus
from pilot.preparation import Preparation
from pilot.store import Execution, Store
from pilot.store.triggers import Trigger
from pilot.triggers.configuration import Overlap, ScheduleConfig
from pilot.triggers.schedules import Occurrence, Schedules
from pilot.versions import named
from workflows_def.following import CANCEL_ACTIVITY, STATUS_ACTIVITY
from workflows_def.scheduled import BEGIN_ACTIVITY, Begun, ScheduledRequest

log = logging.getLogger(__name__)

TIME_PLACEHOLDER = "{scheduled_at}"
"""Stands in a schedule's input for the time that the run is for."""
DELETED = {"code": "trigger_deleted", "message": "the schedule was deleted"}
PAUSED = {"code": "trigger_paused", "message": "the schedule was paused"}


class ScheduledRuns:
    """The activities, with what they need. `most` is how many runs an owner may have at once."""

    def __init__(
        self,
        preparation: Preparation,
        client: Client,
        slots: Slots,
        schedules: Schedules,
        most: int | None,
    ) -> None:
        self._preparation = preparation
        self._client = client
        self._slots = slots
        self._schedules = schedules
        self._most = most

    @property
    def _store(self) -> Store:
        return self._preparation.store

    @activity.defn(name=BEGIN_ACTIVITY)
    async def begin(self, request: ScheduledRequest) -> Begun:
        """Begins the execution of the time that the workflow is called after, or finds it. What
        cannot be begun is refused and noted with the schedule; a store or a Temporal that does
        not answer fails the attempt, and the next one follows."""
        async with heartbeats():
            occurrence = Occurrence.of_workflow(activity.info().workflow_id or "")
            trigger = await self._store.triggers.get(request.trigger_id)
            if trigger is None:
                return Begun(occurrence.execution_id, refusal=DELETED)
            if trigger.revision != request.revision:
                trigger = await self._schedules.sync(self._store, trigger)
                # what was paused while Temporal did not know: the row is what people see
                if trigger.paused:
                    return Begun(occurrence.execution_id, refusal=PAUSED)
            try:
                row = await self._row(trigger, occurrence)
            except (GraphError, RefusedError, NotFoundError, ConflictError) as error:
                return await self._refused(trigger, occurrence, error)
            if row.may_start:
                await self._slots.begin(row)
            if trigger.failure is not None:
                await self._store.triggers.failed(trigger.id, None)
            return Begun(row.id, row.owner)

    async def _row(self, trigger: Trigger, occurrence: Occurrence) -> Execution:
        try:
            return await self._store.get_execution(trigger.owner, occurrence.execution_id)
        except NotFoundError:
            pass
        workflow = await self._store.get_workflow(trigger.owner, trigger.workflow_id)
        version = await named(self._store, workflow, None)
        given = filled(trigger.input, rfc3339(occurrence.at))
        plan, value = await self._preparation.prepare(trigger.owner, version, given)
        await self._preparation.require_budget(trigger.owner, trigger.workflow_id, plan)
        config = ScheduleConfig.model_validate(trigger.definition)
        if config.overlap is Overlap.TERMINATE_OTHER:
            await self._terminate_others(trigger, occurrence)
        row, _ = await self._store.create_execution(
            Execution(
                id=occurrence.execution_id,
                owner=trigger.owner,
                workflow_id=trigger.workflow_id,
                workflow_version=version.version,
                status=ExecutionStatus.QUEUED,
                input=value,
                started_by=None if trigger.created_by == trigger.owner else trigger.created_by,
                timeout_s=least(version.graph.get("timeout_s"), trigger.timeout_s),
                created_at=datetime.now(UTC),
                triggered_by=trigger.key,
                triggered_at=occurrence.at,
            ),
            most=self._most,
        )
        return row

    async def _terminate_others(self, trigger: Trigger, occurrence: Occurrence) -> None:
        """Temporal has terminated the workflow that waited for the one before, and nobody could
        tell its execution."""
        page = await self._store.triggered(trigger.owner, trigger.key)
        for row in page.items:
            if row.status.is_final or row.id == occurrence.execution_id:
                continue
            if row.is_held:
                await self._store.request_cancel(row.id, datetime.now(UTC))
                await closing.close_and_tell(self._store, row, closing.NEVER_BEGUN)
                continue
            handle = self._client.get_workflow_handle(row.temporal_workflow_id)
            try:
                await handle.terminate(closing.REPLACED, rpc_timeout=CALL_LIMIT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                continue  # it has just ended, or never began: that is for others to say
            await closing.close_and_tell(self._store, row, closing.termination(closing.REPLACED))
            await self._slots.freed(row.id)

    async def _refused(self, trigger: Trigger, occurrence: Occurrence, error: PilotError) -> Begun:
        log.warning("schedule %s began no run: %s: %s", trigger.id, error.code, error.message)
        refusal = {"code": error.code, "message": error.message}
        await self._store.triggers.failed(trigger.id, {**refusal, "at": rfc3339(occurrence.at)})
        return Begun(occurrence.execution_id, trigger.owner, refusal)

    @activity.defn(name=STATUS_ACTIVITY)
    async def status(self, execution_id: str) -> str | None:
        """How the execution is; None where it is not known any more."""
        row = await self._found(execution_id)
        return None if row is None else row.status.value

    @activity.defn(name=CANCEL_ACTIVITY)
    async def cancel(self, execution_id: str) -> str | None:
        """Asks the execution to end."""
        row = await self._found(execution_id)
        if row is None or row.status.is_final:
            return None
        await self._store.request_cancel(row.id, datetime.now(UTC))
        if row.is_held:
            await closing.close_and_tell(self._store, row, closing.NEVER_BEGUN)
            return None
        handle = self._client.get_workflow_handle(row.temporal_workflow_id)
        try:
            await handle.cancel(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return None

    async def _found(self, execution_id: str) -> Execution | None:
        for progress in await self._store.progress([execution_id]):
            return await self._store.get_execution(progress.owner, execution_id)
        return None


class ScheduleKeeper:
    """Brings Temporal's schedules in line with the rows."""

    SETTLED = timedelta(seconds=60)
    """Temporal's list is that much behind, at most."""

    def __init__(self, store: Store, schedules: Schedules) -> None:
        self._store = store
        self._schedules = schedules

    async def keep(self) -> int:
        """Makes what is missing, tells what was changed, deletes what has no row. How many it was.
        Raises what the store does, and `RPCError`."""
        count = 0
        there = await self._schedules.ids()  # before the rows: a row is written first
        for trigger in await self._store.triggers.unapplied():
            await self._schedules.sync(self._store, trigger)
            count += 1
        known: set[str] = set()
        after = ""
        while rows := await self._store.triggers.schedules(after=after):
            after = rows[-1].id
            known.update(row.id for row in rows)
            for row in rows:
                if row.id not in there and self._is_missed(row):
                    await self._schedules.sync(self._store, row)
                    count += 1
        for trigger_id in sorted(there - known):
            if await self._store.triggers.get(trigger_id) is None:
                await self._schedules.delete(trigger_id)
                count += 1
        return count

    def _is_missed(self, trigger: Trigger) -> bool:
        """Temporal itself drops a schedule some days after its last time."""
        now = datetime.now(UTC)
        end_at = ScheduleConfig.model_validate(trigger.definition).end_at
        is_over = end_at is not None and end_at < now
        return not is_over and now - trigger.updated_at > self.SETTLED


def filled(value: Any, time: str) -> Any:
    """The input of one run: the time stands wherever the placeholder is a value."""
    match value:
        case str():
            return time if value == TIME_PLACEHOLDER else value
        case list():
            return [filled(item, time) for item in value]
        case dict():
            return {name: filled(item, time) for name, item in value.items()}
    return value


def least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
