"""How long things are kept, by the operator's settings, and the schedule that prunes the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from temporalio.client import Client, ScheduleActionStartWorkflow

from pilot import passes
from pilot.graph.status import FINAL_EXECUTION_STATUSES, ExecutionStatus
from pilot.settings import Settings
from workflows_def.prune import PRUNE_WORKFLOW, SCHEDULE_ID, PruneResult


@dataclass(frozen=True, slots=True)
class Policy:
    """Days after which things go; what is None, or a status that is not there, is kept."""

    days: Mapping[ExecutionStatus, float]
    events_days: float | None = None
    usage_days: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        every = settings.pilot_retention_days
        named = settings.pilot_retention_status_days
        days = {
            status: named.get(status.value, every) for status in sorted(FINAL_EXECUTION_STATUSES)
        }
        return cls(
            {status: value for status, value in days.items() if value is not None},
            settings.pilot_retention_events_days,
            settings.pilot_retention_usage_days,
        )

    @property
    def is_on(self) -> bool:
        return bool(self.days) or self.events_days is not None or self.usage_days is not None

    @property
    def longest(self) -> float | None:
        """How long an execution may be kept, however it ended; None: for ever."""
        if len(self.days) < len(FINAL_EXECUTION_STATUSES):
            return None
        return max(self.days.values())

    def before(self, now: datetime) -> dict[ExecutionStatus, datetime]:
        """Executions that ended before these times go."""
        return {status: now - timedelta(days=days) for status, days in self.days.items()}

    def events_before(self, now: datetime) -> datetime | None:
        return None if self.events_days is None else now - timedelta(days=self.events_days)

    def usage_before(self, now: datetime) -> date | None:
        """Usage of days before this one goes."""
        if self.usage_days is None:
            return None
        return (now - timedelta(days=self.usage_days)).astimezone(UTC).date()


def own(days: float, now: datetime) -> dict[ExecutionStatus, datetime]:
    """The times of a workflow with a retention of its own."""
    return dict.fromkeys(sorted(FINAL_EXECUTION_STATUSES), now - timedelta(days=days))


async def ensure_schedule(client: Client, task_queue: str, every: timedelta) -> None:
    """Idempotent. Raises `RPCError`."""
    action = ScheduleActionStartWorkflow(
        PRUNE_WORKFLOW,
        id=SCHEDULE_ID,
        task_queue=task_queue,
        static_summary="prunes what has been kept long enough",
    )
    await passes.ensure(client, SCHEDULE_ID, passes.every(every, action))


async def last_pass(client: Client, *, limit: timedelta) -> PruneResult | None:
    """What the newest pass came to; None before the first. Raises `RPCError`."""
    return await passes.last(client, SCHEDULE_ID, PruneResult, limit=limit)
