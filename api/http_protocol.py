"""uvicorn's HTTP connection, with an end to what clients may draw out.

uvicorn itself bounds how long a connection is idle between requests, and nothing else. Here the
head and the whole of a request must arrive in time, whatever the pace of their bytes
(slowloris), and an answer that is not read is given up.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pilot.events.wire import dumps

HEAD_LIMIT_S = 10.0
"""From the connection, or the first byte of a further request, to the end of its head."""
BODY_LIMIT_S = 60.0
"""From there to the end of the body: 5 MB at 0.7 Mbit/s."""
UNREAD_LIMIT_S = 30.0
"""So long an answer may wait without its reader taking a byte of it."""


_LIMITS_S = {"head": HEAD_LIMIT_S, "body": BODY_LIMIT_S}


class HttpProtocol(H11Protocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._expected: str | None = None
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timers()
        super().connection_lost(exc)

    # what arrives

    def handle_events(self) -> None:
        super().handle_events()
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # nothing is due on a connection that has become a WebSocket
        match self.conn.their_state:
            case h11.IDLE:
                # between requests, unless a part of the next one's head is there
                self._expect("head" if self.conn.trailing_data[0] else None)
            case h11.SEND_BODY:
                self._expect("body")
            case _:
                self._expect(None)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._stop_timers()
        super().handle_websocket_upgrade(event)

    def _expect(self, part: str | None) -> None:
        """The part of a request that is due; its time runs from when it first was."""
        if part == self._expected:
            return
        if self._late is not None:
            self._late.cancel()
        self._expected = part
        self._late = None
        if part is not None:
            self._late = self.loop.call_later(_LIMITS_S[part], self._give_up_request)

    def _give_up_request(self) -> None:
        """Hangs up, with a 408 where a request has begun and nothing was answered yet."""
        if self.transport.is_closing():
            return
        is_body = self._expected == "body"
        has_begun = is_body or bool(self.conn.trailing_data[0])
        if has_begun and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._say_timeout()
        if is_body and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        self._watch_reader()

    def _say_timeout(self) -> None:
        body = dumps(
            {
                "type": "about:blank",
                "title": "Request Timeout",
                "status": 408,
                "detail": "The request took too long to arrive.",
                "code": "request_timeout",
            }
        )
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=408, headers=headers, reason=b"Request Timeout")
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    # what is not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_reader()

    def shutdown(self) -> None:
        super().shutdown()
        self._watch_reader()

    def _watch_reader(self) -> None:
        """Looks again in a while whether the other side takes what waits for it: nothing is
        added to it while writing is paused, or after an answer's end."""
        self._stop_watching()
        self._unread_bytes = self.transport.get_write_buffer_size()
        if self._unread_bytes:
            self._unread = self.loop.call_later(UNREAD_LIMIT_S, self._look_at_reader)

    def _look_at_reader(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread_bytes:
            self._watch_reader()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop_timers(self) -> None:
        self._expect(None)
        self._stop_watching()
