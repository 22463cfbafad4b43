"""Schedules as Temporal has them: one Temporal Schedule a trigger, called `schedule-<id>`.

What a schedule starts is called by Temporal after it and its time, `schedule-<id>-<time>`: from
that follow the execution's id and, the other way round, whom to tell of the execution's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from pilot.store import Execution, Store
from pilot.store.triggers import Trigger, TriggerKind
from pilot.triggers.configuration import Overlap, ScheduleConfig
from pilot.triggers.cron import Calendar, Span, calendars
from workflows_def.scheduled import SCHEDULED_WORKFLOW, ScheduledRequest

PREFIX = "schedule-"
CALL_LIMIT = timedelta(seconds=5)
MEMO_QUEUE = "pilot_task_queue"
"""Whose schedule it is, where several installations share a namespace."""

_EXECUTIONS = uuid5(NAMESPACE_URL, "https://pilot.local/schedule")
_TIME = "%Y-%m-%dT%H:%M:%SZ"

_OVERLAPS = {
    Overlap.SKIP: ScheduleOverlapPolicy.SKIP,
    Overlap.BUFFER_ONE: ScheduleOverlapPolicy.BUFFER_ONE,
    Overlap.BUFFER_ALL: ScheduleOverlapPolicy.BUFFER_ALL,
    Overlap.CANCEL_OTHER: ScheduleOverlapPolicy.CANCEL_OTHER,
    Overlap.TERMINATE_OTHER: ScheduleOverlapPolicy.TERMINATE_OTHER,
    Overlap.ALLOW_ALL: ScheduleOverlapPolicy.ALLOW_ALL,
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a schedule."""

    trigger_id: str
    at: datetime

    @classmethod
    def of_workflow(cls, workflow_id: str) -> Occurrence:
        """Of the id that Temporal gave the workflow. Raises `ValueError` for any other."""
        body = workflow_id.removeprefix(PREFIX)
        trigger_id, dash, time = body[:36], body[36:37], body[37:]
        if body == workflow_id or dash != "-":
            raise ValueError(f"{workflow_id!r} was started by no schedule of ours")
        return cls(trigger_id, datetime.strptime(time, _TIME).replace(tzinfo=UTC))

    @classmethod
    def of_execution(cls, execution: Execution) -> Occurrence | None:
        kind, _, trigger_id = (execution.triggered_by or "").partition(":")
        if kind != TriggerKind.SCHEDULE or execution.triggered_at is None:
            return None
        return cls(trigger_id, execution.triggered_at)

    @property
    def workflow_id(self) -> str:
        return f"{PREFIX}{self.trigger_id}-{self.at.strftime(_TIME)}"

    @property
    def execution_id(self) -> str:
        """Always the same one: whatever is tried again runs it once."""
        return str(uuid5(_EXECUTIONS, self.workflow_id))


@dataclass(frozen=True, slots=True)
class Outlook:
    """A schedule's next times, at most ten, and how many of its times had no run: `skipped` because
    of its overlap policy, `missed` because an outage was longer than its catch-up window."""

    next_times: tuple[datetime, ...]
    skipped: int
    missed: int


class Schedules:
    """Temporal's side of the schedules. Every method raises `RPCError` for a server that does not
    answer."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def sync(self, store: Store, trigger: Trigger) -> Trigger:
        """Gives Temporal the trigger as the store has it, and notes that it was given it.

        Two who do so at once may overtake each other, so the row is read again afterwards: whoever
        comes last has given what it says.
        """
        while True:
            await self.apply(trigger)
            fresh = await store.triggers.get(trigger.id)
            if fresh is None:
                await self.delete(trigger.id)
                return trigger
            if fresh.revision == trigger.revision:
                await store.triggers.was_applied(fresh.id, fresh.revision)
                return fresh
            trigger = fresh

    async def apply(self, trigger: Trigger) -> None:
        """Makes the schedule, or brings the one that is there up to date."""
        schedule = self._schedule(trigger)
        try:
            await self._client.create_schedule(
                PREFIX + trigger.id,
                schedule,
                memo={MEMO_QUEUE: self._task_queue},
                rpc_timeout=CALL_LIMIT,
            )
        except ScheduleAlreadyRunningError:

            def update(_: ScheduleUpdateInput) -> ScheduleUpdate:
                return ScheduleUpdate(schedule)

            await self._handle(trigger.id).update(update, rpc_timeout=CALL_LIMIT)

    async def delete(self, trigger_id: str) -> None:
        try:
            await self._handle(trigger_id).delete(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def outlook(self, trigger_id: str) -> Outlook | None:
        """None where Temporal has no such schedule."""
        try:
            found = await self._handle(trigger_id).describe(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        info = found.info
        return Outlook(
            tuple(info.next_action_times),
            info.num_actions_skipped_overlap,
            info.num_actions_missed_catchup_window,
        )

    async def run_now(self, trigger_id: str) -> None:
        """One run more, now, under the schedule's own overlap policy; paused or not."""
        await self._handle(trigger_id).trigger(rpc_timeout=CALL_LIMIT)

    async def backfill(
        self, trigger_id: str, start: datetime, end: datetime, overlap: Overlap
    ) -> None:
        """Runs each of the schedule's times from `start` to `end`, both included."""
        # Temporal leaves out the first moment
        spell = ScheduleBackfill(start - timedelta(milliseconds=1), end, _OVERLAPS[overlap])
        await self._handle(trigger_id).backfill(spell, rpc_timeout=CALL_LIMIT)

    async def ids(self) -> set[str]:
        """The triggers whose schedules Temporal has, of this installation. One that was made a
        moment ago may not be among them."""
        found = set()
        async for listed in await self._client.list_schedules(rpc_timeout=CALL_LIMIT):
            if not listed.id.startswith(PREFIX):
                continue
            if await listed.memo_value(MEMO_QUEUE, "", type_hint=str) == self._task_queue:
                found.add(listed.id.removeprefix(PREFIX))
        return found

    def _handle(self, trigger_id: str) -> ScheduleHandle:
        return self._client.get_schedule_handle(PREFIX + trigger_id)

    def _schedule(self, trigger: Trigger) -> Schedule:
        config = ScheduleConfig.model_validate(trigger.definition)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                SCHEDULED_WORKFLOW,
                ScheduledRequest(trigger.id, trigger.revision),
                id=PREFIX + trigger.id,
                task_queue=self._task_queue,
                static_summary="begins an execution, and waits for its end",
            ),
            spec=spec(config),
            policy=SchedulePolicy(
                overlap=_OVERLAPS[config.overlap],
                catchup_window=timedelta(seconds=config.catchup_window_s),
            ),
            state=ScheduleState(note=trigger.note or None, paused=trigger.paused),
        )


def spec(config: ScheduleConfig) -> ScheduleSpec:
    """The times, in Temporal's terms."""
    intervals = []
    if config.every_s is not None:
        every, offset = timedelta(seconds=config.every_s), timedelta(seconds=config.offset_s)
        intervals.append(ScheduleIntervalSpec(every=every, offset=offset))
    return ScheduleSpec(
        calendars=[
            _calendar(calendar, expression)
            for expression in config.cron
            for calendar in calendars(expression)
        ],
        intervals=intervals,
        start_at=config.start_at,
        end_at=config.end_at,
        jitter=timedelta(seconds=config.jitter_s) if config.jitter_s else None,
        time_zone_name=config.timezone,
    )


def _calendar(calendar: Calendar, comment: str) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        minute=_ranges(calendar.minute),
        hour=_ranges(calendar.hour),
        day_of_month=_ranges(calendar.day),
        month=_ranges(calendar.month),
        day_of_week=_ranges(calendar.weekday),
        comment=comment,
    )


def _ranges(spans: tuple[Span, ...]) -> list[ScheduleRange]:
    return [ScheduleRange(span.start, span.end, span.step) for span in spans]
