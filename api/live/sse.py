"""Server-sent events of one execution, for `curl -N` and for `fetch` in a browser."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.auth import LEEWAY_S
from api.caller import Caller
from api.executions.resource import execution_out
from api.live.connections import Connections, TooManyConnectionsError
from api.live.delivery import Delivery
from api.live.outbox import Outbox
from api.live.snapshot import snapshot
from api.live.watch import OfOne, Watch
from api.parts import Parts
from api.problems import RETRY_AFTER_S, Problem
from pilot.errors import PilotError
from pilot.events.edition import is_void
from pilot.events.model import FINAL_EVENT_TYPES, EventType
from pilot.store import Execution

log = logging.getLogger(__name__)

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""No cache, and no proxy that gathers (nginx), stands between an event and its reader."""
HEARTBEAT_S = 15.0
RETRY_MS = 1_000


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


CONTENT: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "description": "One event; `data` is its JSON, as on the WebSocket.",
            "properties": {
                "id": {"type": "string", "description": "`seq`, or `<seq>.end`"},
                "event": {"type": "string", "description": "`type`"},
                "data": {"type": "string"},
                "retry": {"type": "integer", "description": "Milliseconds"},
            },
        }
    }
}
"""What OpenAPI says of a stream."""
LastEventId = Annotated[
    str | None,
    Header(json_schema_extra={"pattern": r"^([0-9]{1,15}(\.end)?)?$"}, description="An `id`."),
]
END = ".end"
"""Added to the `seq` in the id of a run's last event where another event may have had that `seq`
before (`pilot.events.edition`). Without it a reader that comes back could not be told from one who
had that other event, and has yet to hear of the end."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """What a reader has: the events up to `seq`; and, for certain, the run's end."""

    seq: int = 0
    has_end: bool = False

    @classmethod
    def of(cls, last_event_id: str | None, last_seq: int | None = None) -> ResumePoint:
        """The header's, else the query's, else the beginning. Raises `Problem` (400)."""
        if last_event_id is None or last_event_id.strip() == "":
            return cls(last_seq or 0)
        given = last_event_id.strip()
        text = given.removesuffix(END)
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise Problem(400, "invalid_last_event_id", "Last-Event-ID is no `id` of an event.")
        return cls(int(text), has_end=text != given)

    def is_end_of(self, execution: Execution) -> bool:
        """Whether nothing of a finished run is left to be told."""
        if not execution.status.is_final or execution.last_seq != self.seq:
            return False
        return self.has_end or not is_void(self.seq, execution.edition)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a stream, and from which address."""

    caller: Caller
    address: str | None

    @classmethod
    def of(cls, request: Request, caller: Caller) -> Reader:
        return cls(caller, request.client.host if request.client else None)

    def require_place(self, connections: Connections) -> None:
        """Raises `Problem` (429) where the reader has too many connections open."""
        try:
            with connections.from_address(self.address), connections.of_user(self.caller.user_id):
                pass
        except TooManyConnectionsError as error:
            retry = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(429, error.code, f"{error}.", headers=retry) from None


async def stream(
    parts: Parts,
    reader: Reader,
    execution: Execution,
    point: ResumePoint,
    headers: Mapping[str, str] | None = None,
    *,
    begins_with_snapshot: bool = False,
) -> Response:
    """The stream; 204 where a finished run has nothing more, which ends a browser's
    reconnecting (HTML Standard, server-sent events).

    `begins_with_snapshot`: a run of which nothing is known yet is shown as it waits. Raises
    `Problem` (429) where the reader has too many connections, (410) where the events were deleted.
    """
    if point.is_end_of(execution):
        return Response(status_code=204, headers=headers)
    after = point.seq
    await parts.history.require_kept(execution, after)
    reader.require_place(parts.connections)
    outbox = Outbox()
    if begins_with_snapshot and execution.last_seq == 0 and after == 0:
        shown = await execution_out(parts.store, parts.settings, execution)
        await outbox.put_patiently(snapshot(shown, 0))
    return EventStream(
        _lines(parts, reader, execution, outbox, after), headers={**HEADERS, **(headers or {})}
    )


async def _lines(
    parts: Parts, reader: Reader, execution: Execution, outbox: Outbox, after: int
) -> AsyncIterator[str]:
    caller = reader.caller
    # made as its buffer opens: an event between the two would be in neither past nor present
    watch = Watch(parts.feed, parts.history, outbox, execution.owner, execution.id)
    seen = after
    with (
        parts.connections.from_address(reader.address),
        parts.connections.of_user(caller.user_id),
        parts.feed.listening(watch.owner, OfOne(watch)),
    ):
        parts.streams.add(outbox)
        replaying = asyncio.create_task(_replay(parts, watch, outbox, after))
        try:
            yield f"retry: {RETRY_MS}\n\n"
            while True:
                left = caller.expires_at + LEEWAY_S - time.time()
                if left <= 0 or outbox.overflowed:
                    return  # the client comes back with its last id (and a new token)
                try:
                    async with asyncio.timeout(min(HEARTBEAT_S, left)):
                        delivery = await outbox.take()
                except TimeoutError:
                    yield ": still there\n\n"
                    continue
                if not isinstance(delivery, Delivery):
                    return
                seq = delivery.event.seq
                is_open = not execution.status.is_final
                if delivery.event.type is EventType.GAP and is_open:
                    return  # as below
                if seq is not None:
                    is_snapshot = delivery.event.type is EventType.SNAPSHOT
                    if not is_snapshot and seq != seen + 1 and is_open:
                        # a dead worker's last events, which nobody can give as long as no other
                        # has taken over: better the client asks again than never has them
                        return
                    seen = seq
                yield _message(delivery, parts.feed.edition(execution.id) or execution.edition)
                if delivery.event.type in FINAL_EVENT_TYPES:
                    return
        finally:
            replaying.cancel()
            parts.streams.discard(outbox)


async def _replay(parts: Parts, watch: Watch, outbox: Outbox, after: int) -> None:
    try:
        execution = await parts.store.get_execution(watch.owner, watch.execution_id)
        await watch.begin(after, execution)
    except PilotError as error:
        log.warning("the stream of %s broke: %s", watch.execution_id, error)
        outbox.close()
        return
    if execution.status.is_final and not watch.final:
        outbox.close()


def _message(delivery: Delivery, edition: str) -> str:
    event = delivery.event
    head = ""
    if event.seq is not None:
        is_end = event.type in FINAL_EVENT_TYPES and is_void(event.seq, edition)
        head = f"id: {event.seq}{END if is_end else ''}\n"
    return f"{head}event: {event.type.value}\ndata: {delivery.text}\n\n"
