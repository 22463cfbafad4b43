"""Where the time of a run goes, by what its history says of each task.

A task is scheduled, then started by a worker that had a slot and a poll for it, then completed;
the server writes down when. So what a run waited for can be told from what it did.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds of one run, by where they went; the parts of tasks side by side are added up."""

    seconds: Counter[str]

    @classmethod
    async def of(cls, handle: WorkflowHandle[Any, Any], begun: float, ended: float) -> Delays:
        """Of a run that was asked for at `begun`, and whose result came at `ended` (time.time)."""
        events = list((await handle.fetch_history()).events)
        seconds: Counter[str] = Counter()
        by_id = {event.event_id: event for event in events}
        for event in events:
            match event.event_type:
                case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    task = event.workflow_task_completed_event_attributes
                    kind = "first workflow task" if task.scheduled_event_id == 2 else "later ones"
                case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                    task = event.activity_task_completed_event_attributes
                    kind = "activities"
                case _:
                    continue
            asked, started = by_id[task.scheduled_event_id], by_id[task.started_event_id]
            seconds[f"{kind}: wait"] += _at(started) - _at(asked)
            seconds[f"{kind}: work"] += _at(event) - _at(started)
        seconds["request"] += _at(events[0]) - begun
        seconds["result"] += ended - _at(events[-1])
        return cls(seconds)


def _at(event: HistoryEvent) -> float:
    return event.event_time.ToDatetime(tzinfo=UTC).timestamp()


def table(lone: Sequence[Delays], behind: Sequence[Delays]) -> str:
    """Medians in ms, part by part."""
    lines = [f"{'ms, at the median':<28} {'behind':>8} {'alone':>8}"]
    for part in sorted({part for one in (*lone, *behind) for part in one.seconds}):
        figures = [
            statistics.median(one.seconds[part] for one in side) * 1000 for side in (behind, lone)
        ]
        lines.append(f"{part:<28} {figures[0]:>8.0f} {figures[1]:>8.0f}")
    return "\n".join(lines)
