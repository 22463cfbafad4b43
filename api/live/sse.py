"""Server-sent events of one execution, for `curl -N` and for `fetch` in a browser."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from api.auth import LEEWAY_S, Caller
from api.live.feed import Delivery
from api.live.outbox import Outbox
from api.live.watch import Watch
from api.parts import Parts
from api.problems import Problem
from pilot.errors import PilotError
from pilot.events.model import FINAL_EVENT_TYPES

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
RETRY_MS = 1_000


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


def resume_point(last_event_id: str | None, last_seq: int | None) -> int:
    """The `seq` after which the stream begins: the header's, else the query's, else 0."""
    if last_event_id is None or last_event_id.strip() == "":
        return last_seq or 0
    text = last_event_id.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Problem(400, "invalid_last_event_id", "Last-Event-ID is no `seq` of an event.")
    return int(text)


async def stream(parts: Parts, caller: Caller, execution_id: str, after: int) -> Response:
    """The stream; 204 where a finished run has nothing more, which ends a browser's
    reconnecting (HTML Standard, server-sent events)."""
    execution = await parts.store.get_execution(caller.user_id, execution_id)
    if execution.status.is_final and execution.last_seq <= after:
        return Response(status_code=204)
    outbox = Outbox()
    watch = Watch(parts.feed, parts.history, outbox, caller.user_id, execution_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(_lines(parts, caller, watch, outbox, after), headers=headers)


class _OfOne:
    """Passes on the events of the watched execution only."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def deliver(self, delivery: Delivery) -> None:
        if delivery.event.execution_id == self._watch.execution_id:
            self._watch.deliver(delivery)


async def _lines(
    parts: Parts, caller: Caller, watch: Watch, outbox: Outbox, after: int
) -> AsyncIterator[str]:
    with parts.feed.listening(caller.user_id, _OfOne(watch)):
        parts.streams.add(outbox)
        replaying = asyncio.create_task(_replay(parts, watch, outbox, after))
        try:
            yield f"retry: {RETRY_MS}\n\n"
            while True:
                left = caller.expires_at + LEEWAY_S - time.time()
                if left <= 0 or outbox.overflowed.is_set():
                    return  # the client comes back with its last id (and a new token)
                try:
                    async with asyncio.timeout(min(HEARTBEAT_S, left)):
                        delivery = await outbox.take()
                except TimeoutError:
                    yield ": still there\n\n"
                    continue
                if delivery is None:
                    return
                yield _message(delivery)
                if delivery.event.type in FINAL_EVENT_TYPES:
                    return
        finally:
            replaying.cancel()
            parts.streams.discard(outbox)


async def _replay(parts: Parts, watch: Watch, outbox: Outbox, after: int) -> None:
    try:
        execution = await parts.store.get_execution(watch.user_id, watch.execution_id)
        await watch.replay(after, execution.status)
    except PilotError as error:
        log.warning("the stream of %s broke: %s", watch.execution_id, error)
        outbox.close()
        return
    if execution.status.is_final and not watch.final:
        outbox.close()


def _message(delivery: Delivery) -> str:
    event = delivery.event
    head = f"id: {event.seq}\n" if event.seq is not None else ""
    return f"{head}event: {event.type.value}\ndata: {delivery.text}\n\n"
