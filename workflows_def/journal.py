"""The ordered list of a run's events, and their way out.

Each event goes out once by the sink, when it happens and not when it is replayed; what a worker
sends so, it stamps with its edition. Whatever a reader misses it gets from this list, by the query
`events(after_seq)`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from pilot.events import sink
from pilot.events.edition import UNKNOWN, edition_of
from pilot.events.model import Envelope, Event, EventType, rfc3339
from workflows_def.messages import EVENTS_PAGE_BYTES, EventsPage, RunInput
from workflows_def.paths import join

MAX_AHEAD = timedelta(seconds=5)
"""How far a worker's clock is believed to be before the server's."""
FIRST_TASK_LENGTH = 3
"""Events of history at the first attempt of a run's first workflow task: the run's start, the
task's schedule and its start. A lost attempt adds to them."""


def start_of(meta: dict[str, Any]) -> datetime | None:
    """When an attempt began by its worker's clock; None where `meta` does not say."""
    try:
        return datetime.fromisoformat(meta["started_at"])
    except (KeyError, TypeError, ValueError):
        return None


def _end_of(meta: dict[str, Any]) -> datetime | None:
    """When it ended."""
    started = start_of(meta)
    try:
        return started and started + timedelta(milliseconds=meta["duration_ms"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


class Journal:
    """Events are only ever appended; `seq` is an event's place in the list, from 1."""

    def __init__(self, run: RunInput) -> None:
        self._run = run
        self._events: list[Event] = []
        self._last = workflow.now()
        self._edition: str | None = None
        self.rebuilt = workflow.info().get_current_history_length() > FIRST_TASK_LENGTH
        """Whether a worker before this one may have sent other events in the place of these: it
        had the run, and died or dropped it, perhaps in the middle of a workflow task. This says
        what this worker did, not what the run did, so no command may depend on it but by its
        argument."""

    def reach(self, time: datetime | None) -> None:
        """The next event follows this time, and all events before it.

        The workflow's own time stands still during a workflow task, in which any number of
        local activities may run; what they say of their times brings it forward.
        """
        now = workflow.now()
        if time is not None and time.tzinfo is not None and time - now < MAX_AHEAD:
            now = max(now, time)
        self._last = max(self._last, now)

    def _time(self, meta: dict[str, Any] | None) -> str:
        self.reach(_end_of(meta) if meta else None)
        return rfc3339(self._last)

    @property
    def last_seq(self) -> int:
        return len(self._events)

    def append(
        self,
        type: EventType,
        *,
        node_id: str | None = None,
        path: str = "",
        status: str | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> Event:
        event = self._event(type, len(self._events) + 1, node_id, path, status, attempt, data or {})
        self._events.append(event)
        if workflow.unsafe.is_replaying():
            self.rebuilt = True
        else:
            sink.emit(Envelope(self._run.user_id, event, self._own_edition()))
        return event

    def _event(
        self,
        type: EventType,
        seq: int | None,
        node_id: str | None,
        path: str,
        status: str | None,
        attempt: int | None,
        data: dict[str, Any],
    ) -> Event:
        return Event(
            type=type,
            execution_id=self._run.execution_id,
            workflow_id=self._run.workflow_id,
            at=self._time(data.get("meta")),
            seq=seq,
            node_id=node_id,
            path=path,
            status=status,
            attempt=attempt,
            data=data,
        )

    @property
    def edition(self) -> str:
        """In which this worker has told something; unknown where it has not."""
        return self._edition or UNKNOWN

    def _own_edition(self) -> str:
        """That of this worker. All events before its first live one are in the run's history,
        so whoever replays it comes to the same."""
        if self._edition is None:
            shared = self.last_seq - 1 if self.rebuilt else None
            self._edition = edition_of(workflow.now(), shared)
        return self._edition

    def live(
        self,
        type: EventType,
        *,
        node_id: str | None,
        path: str,
        status: str | None,
        attempt: int | None,
        data: dict[str, Any],
        shown: bool = True,
    ) -> Event:
        """An event that is kept nowhere: it has no `seq`. Whether anybody is `shown` it."""
        event = self._event(type, None, node_id, path, status, attempt, data)
        if shown and not workflow.unsafe.is_replaying():
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


class LiveJournal:
    """The events of the nodes inside one iteration of a loop or a map: shown to those who watch,
    unless `quiet`, and not part of the run's list. What came of the iteration is recorded apart.
    """

    def __init__(self, run: RunInput, path: str, *, quiet: bool = False) -> None:
        self._journal = Journal(run)
        self._path = path
        self._quiet = quiet

    def reach(self, time: datetime | None) -> None:
        self._journal.reach(time)

    def append(
        self,
        type: EventType,
        *,
        node_id: str | None = None,
        path: str = "",
        status: str | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> Event:
        return self._journal.live(
            type,
            node_id=node_id,
            path=join(self._path, path),
            status=status,
            attempt=attempt,
            data=data or {},
            shown=not self._quiet,
        )
