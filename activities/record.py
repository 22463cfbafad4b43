"""record_execution: writes the whole truth of a run to the store, and tells its end.

The publisher has usually written everything already. What the store lacks (a worker died, the
database was away, a queue ran over) is fetched from the workflow's own list by query, so
nothing of it has to travel through the run's history.

What the publisher wrote is true unless a workflow task was lost with its worker: its events had
gone out, and the task that was done again may have had others in their place. So the events of
a run that was rebuilt from its history are all fetched, and take the place of those stored.
"""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import timedelta

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.slots import Slots
from pilot.errors import NotFoundError, UnavailableError
from pilot.events.model import Envelope, Event
from pilot.events.publisher import Publisher
from pilot.followers import tell
from pilot.store import Store
from workflows_def.messages import (
    QUERY_EVENTS,
    RECORD_ACTIVITY,
    EventsPage,
    RecordRequest,
    RecordResult,
)

QUERY_TIMEOUT = timedelta(seconds=10)
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 5.0
"""Between two tries of a store that is away. Runs that ended meanwhile are so recorded within
seconds of its return, and not all in the same moment."""


class Recorder:
    """The activity, with the store it writes to, the publisher that has written before, and
    whom a run that ends makes room for."""

    def __init__(self, store: Store, publisher: Publisher, client: Client, slots: Slots) -> None:
        self._store = store
        self._publisher = publisher
        self._client = client
        self._slots = slots

    @activity.defn(name=RECORD_ACTIVITY)
    async def record(self, request: RecordRequest) -> RecordResult:
        """Returns when the store holds every event up to `last_seq`, the last one written last:
        an execution is final only when it is complete, and true.

        A run that was not started through the API has no row, and nothing is written. While
        the store is away, the attempt fails and the next one follows soon.
        """
        async with heartbeats():
            if request.note_run:
                await self._note_run(request.execution_id)
            result = await self._record(request)
            await self._slots.freed(request.execution_id)
            if request.starter is not None:
                await tell(self._client, request.starter)
            return result

    async def _note_run(self, execution_id: str) -> None:
        with suppress(NotFoundError):
            await self._store.set_temporal_run(execution_id, activity.info().workflow_run_id or "")

    async def _record(self, request: RecordRequest) -> RecordResult:
        # an end that this worker may have told in a lost task is not the one to write
        last_seq = 0 if request.rebuilt else request.last_seq
        is_written = await self._publisher.flush(request.execution_id, last_seq=last_seq)
        final = self._publisher.take_final(request.execution_id)
        if request.rebuilt:
            final = None  # this worker may be the one that told what is void
        try:
            await self._store.llm_calls.forget_run(request.execution_id)
            if is_written:
                result = RecordResult()
            else:
                result = await self._complete(request, None if final is None else final.event)
            end = final or await self._stored_end(request)
        except UnavailableError as error:
            if final is not None:
                # watchers need not wait for the store: the end is in the run's history, as this
                # activity is
                self._publisher.tell_end(final)
                self._publisher.keep_final(final)
            raise ApplicationError(
                error.message, type=error.code, next_retry_delay=_delay(activity.info().attempt)
            ) from None
        if end is not None:
            self._publisher.tell_end(end)
        return result

    async def _stored_end(self, request: RecordRequest) -> Envelope | None:
        """The last event, where it was not emitted here; None where there is no row."""
        for known in await self._store.progress([request.execution_id]):
            events = await self._store.events(
                known.owner, known.execution_id, after_seq=request.last_seq - 1, limit=1
            )
            edition = request.edition or known.edition
            return next((Envelope(known.owner, event, edition) for event in events), None)
        return None

    async def _complete(self, request: RecordRequest, final: Event | None) -> RecordResult:
        execution_id, last_seq = request.execution_id, request.last_seq
        repaired = 0
        try:
            if request.rebuilt:
                events = await self._events(0)
                await self._store.replace_events(execution_id, events, edition=request.edition)
                repaired = len(events)
            missing = await self._store.missing_from(execution_id)
            if missing == last_seq and final is not None and final.seq == last_seq:
                await self._store.append_events(execution_id, [final])
                return RecordResult()
            while missing <= last_seq:
                events = await self._events(missing - 1)
                await self._store.append_events(execution_id, events)
                repaired += len(events)
                missing = await self._store.missing_from(execution_id)
        except NotFoundError:
            return RecordResult()
        return RecordResult(repaired)

    async def _events(self, after_seq: int) -> list[Event]:
        """A page of the run's events, of one at least."""
        info = activity.info()
        assert info.workflow_id is not None
        handle = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        page: EventsPage = await handle.query(
            QUERY_EVENTS, after_seq, result_type=EventsPage, rpc_timeout=QUERY_TIMEOUT
        )
        if not page.events:
            raise ApplicationError(f"the run has no event {after_seq + 1}", type="events_missing")
        return [Event.from_json(body) for body in page.events]


def _delay(attempt: int) -> timedelta:
    longest = min(FIRST_DELAY_S * 2 ** min(attempt - 1, 10), MAX_DELAY_S)
    return timedelta(seconds=longest * random.uniform(0.5, 1))  # noqa: S311 (spreads a herd)
