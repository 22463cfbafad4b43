"""The ordered list of a run's events, and their way out.

Each event goes out once by the sink, when it happens and not when it is replayed. Whatever a
reader misses it gets from this list, by the query `events(after_seq)`.
"""

from __future__ import annotations

import json
from typing import Any

from temporalio import workflow

from pilot.events import sink
from pilot.events.model import Envelope, Event, EventType
from workflows_def.messages import EVENTS_PAGE_BYTES, EventsPage, RunInput


def timestamp() -> str:
    """The workflow's time as RFC 3339 in UTC, with milliseconds."""
    return workflow.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Events are only ever appended; `seq` is an event's place in the list, from 1."""

    def __init__(self, run: RunInput) -> None:
        self._run = run
        self._events: list[Event] = []

    @property
    def last_seq(self) -> int:
        return len(self._events)

    def append(
        self,
        type: EventType,
        *,
        node_id: str | None = None,
        status: str | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> Event:
        event = Event(
            type=type,
            execution_id=self._run.execution_id,
            workflow_id=self._run.workflow_id,
            at=timestamp(),
            seq=len(self._events) + 1,
            node_id=node_id,
            status=status,
            attempt=attempt,
            data=data or {},
        )
        self._events.append(event)
        if not workflow.unsafe.is_replaying():
            sink.emit(Envelope(self._run.user_id, event))
        return event

    def page(self, after_seq: int) -> EventsPage:
        """The events after `after_seq`, as many as fit one answer but at least one."""
        events: list[dict[str, Any]] = []
        size = 0
        for event in self._events[max(after_seq, 0) :]:
            body = event.to_json()
            size += len(json.dumps(body))
            if events and size > EVENTS_PAGE_BYTES:
                return EventsPage(events, more=True)
            events.append(body)
        return EventsPage(events)
