"""recall_nodes: what an execution recorded of its nodes, for a run that goes on from it.

The store holds it, longer than Temporal keeps a history: a node's output whole in its row (or in
the payload store, where its row leads there), its variables and handles in its last event. Only of
variables that were too large for that event is Temporal's own list asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from pilot.errors import NotFoundError, PayloadGoneError, PayloadStoreError
from pilot.events.model import Event, EventType
from pilot.events.wire import dumps
from pilot.store import Store, temporal_workflow_id
from workflows_def.messages import (
    QUERY_EVENTS,
    RECALL_ACTIVITY,
    EventsPage,
    RecallPage,
    RecallRequest,
    Recorded,
)

PAGE_BYTES = 1_000_000
"""About how much JSON of records one page holds; a payload has 2 MB."""
EVENTS_AT_ONCE = 200
QUERY_LIMIT = timedelta(seconds=20)

_ENDS = (EventType.NODE_SUCCEEDED, EventType.NODE_FAILED)


class Recall:
    """The activity, with where it looks."""

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client

    @activity.defn(name=RECALL_ACTIVITY)
    async def recall(self, request: RecallRequest) -> RecallPage:
        """Raises an `ApplicationError`: `recording_gone` where neither store nor Temporal has a
        node's values whole any more, `payload_store_unavailable` while that store is away."""
        wanted = frozenset(request.nodes)
        records: dict[str, Recorded] = {}
        size, after = 0, request.after_seq
        while True:
            try:
                events = await self._store.events(
                    request.user_id, request.source, after_seq=after, limit=EVENTS_AT_ONCE
                )
            except NotFoundError as error:
                raise ApplicationError(
                    "the execution that this one goes on from was deleted",
                    type="recording_gone",
                    non_retryable=True,
                ) from error
            for event in events:
                assert event.seq is not None
                if event.node_id in wanted and not event.path and event.type in _ENDS:
                    record = _record(await self._whole(request, event))
                    if record is not None:
                        size += len(dumps(record.output)) + len(dumps(record.vars))
                        if records and size > PAGE_BYTES:
                            return RecallPage(records, after)
                        records[event.node_id] = record
                after = event.seq
            if len(events) < EVENTS_AT_ONCE:
                return RecallPage(records)

    async def _whole(self, request: RecallRequest, event: Event) -> Event:
        data = event.data
        if not data.get("truncated"):
            return event
        # what gave way to a preview was the output; variables that were cut are still named
        if "preview" in data and "vars" not in data:
            return replace(event, data=data | await self._row(request, event))
        return await self._told(request.source, event)

    async def _row(self, request: RecallRequest, event: Event) -> dict[str, Any]:
        """What the node's row has, whole."""
        for run in await self._store.node_runs(request.user_id, request.source):
            if run.node_id == event.node_id and not run.path:
                return {"output": await self._value(event, run.output), "meta": run.meta}
        raise _gone(event, "its row is gone")

    async def _told(self, source: str, event: Event) -> Event:
        """The event as the run itself tells it."""
        assert event.seq is not None
        handle = self._client.get_workflow_handle(temporal_workflow_id(source))
        try:
            page: EventsPage = await handle.query(
                QUERY_EVENTS, event.seq - 1, result_type=EventsPage, rpc_timeout=QUERY_LIMIT
            )
        except WorkflowQueryFailedError as error:
            raise _gone(event) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise _gone(event) from error
            raise
        if not page.events:
            raise _gone(event)
        told = Event.from_json(page.events[0])
        if "output" not in told.data:
            return told
        output = await self._value(told, told.data["output"])
        return replace(told, data={**told.data, "output": output})

    async def _value(self, event: Event, output: Any) -> Any:
        """What the event's execution has as an output, whole."""
        try:
            return await self._store.values.whole(output, event.execution_id)
        except PayloadGoneError as error:
            raise _gone(event, error.message) from error
        except PayloadStoreError as error:
            raise ApplicationError(error.message, type=error.code) from error


def _record(event: Event) -> Recorded | None:
    """None for a failure that ended the run: nothing came of it."""
    data = event.data
    error = data.get("error") if event.type is EventType.NODE_FAILED else None
    if error is not None and "output" not in data:
        return None
    meta: dict[str, Any] = data.get("meta") or {}
    handles = data.get("handles")
    if handles is None and meta.get("branch"):  # told before events told their handles
        handles = [meta["branch"]]
    return Recorded(data.get("output"), meta, data.get("vars") or {}, handles, error)


def _gone(event: Event, why: str = "Temporal no longer has it") -> ApplicationError:
    return ApplicationError(
        f"what node {event.node_id!r} recorded was large, and {why}",
        type="recording_gone",
        non_retryable=True,
    )
