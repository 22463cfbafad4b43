"""The events of a run, by WebSocket, or by server-sent events where a proxy lets none through.

Connects again, and goes on after the last `seq` that came, for as long as it takes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from pilot.client.problem import ApiError
from pilot.client.texts import HeardTexts
from pilot.client.transport import Transport, token_user
from pilot.errors import PilotError
from pilot.events.model import FINAL_EVENT_TYPES, Event, EventType
from pilot.graph.status import ExecutionStatus

FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.2, 5.0
OPEN_LIMIT_S = 10.0
QUIET_S = 45.0
"""Server-sent comments come every 15 s."""
BAD_TOKEN = 4401
REFUSED = {
    BAD_TOKEN: "the token is not accepted, or has expired",
    4403: "the token is another user's",
}


class Watch:
    """One watch of an execution. `on_away` is told why a connection was lost."""

    def __init__(
        self,
        transport: Transport,
        execution_id: str,
        last_seq: int,
        on_away: Callable[[str], None] | None,
    ) -> None:
        self._transport = transport
        self._execution_id = execution_id
        self._seen = last_seq
        self._on_away = on_away
        self._texts = HeardTexts()
        self._by_websocket = True
        self._renewed = False

    async def events(self) -> AsyncIterator[Event]:
        """In order of `seq`, each once, live-only ones between, up to the run's last. A `snapshot`
        replaces all that came before it, some of which was void; the next event follows on its
        `seq`. An `llm.token` that is `anew` begins its node's text; the first one of a model that
        speaks already has the text so far, `truncated` where its beginning cannot be had. Raises
        `ApiError` where the server refuses the token or knows no such execution."""
        backoff = FIRST_BACKOFF_S
        while True:
            reason = "the server closed the connection"
            try:
                async for event in self._connection():
                    backoff, self._renewed = FIRST_BACKOFF_S, False
                    new = self._texts.new_of(event)
                    if new is not None:
                        yield new
                    if event.type in FINAL_EVENT_TYPES:
                        return
            except _RefusedError as refused:
                if not self._transport.can_renew or self._renewed:
                    raise ApiError(str(refused), status=401, code="invalid_token") from None
                self._renewed = True
                await self._transport.token(renew=True)
                continue
            except (OSError, TimeoutError, WebSocketException, ApiError) as error:
                if isinstance(error, ApiError) and error.is_final:
                    raise
                # a server that is not there refuses connections; this one answers, but not so
                self._by_websocket = self._by_websocket and not isinstance(error, InvalidHandshake)
                reason = str(error) or type(error).__name__
            if self._on_away is not None:
                self._on_away(reason)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_S)
            if await self._has_ended():
                async for event in self._missed():
                    yield event
                return

    async def _connection(self) -> AsyncIterator[Event]:
        """What is new of one connection, each `seq` once and in order, whatever it sends."""
        early: dict[int, Event] = {}
        async for event in self._by_one_way():
            if event.seq is None:
                yield event
            elif event.type is EventType.SNAPSHOT:
                self._seen, early = event.seq, {}
                yield event
            elif event.seq > self._seen:
                early[event.seq] = event
            while self._seen + 1 in early:
                self._seen += 1
                yield early.pop(self._seen)

    async def _by_one_way(self) -> AsyncIterator[Event]:
        user = await self._user()
        if user is None or not self._by_websocket:
            async for event in self._streamed():
                yield event
            return
        url = f"ws{self._transport.url.removeprefix('http')}/ws/{quote(user, safe='')}"
        try:
            async with connect_websocket(
                url,
                additional_headers=await self._transport.headers(),
                max_size=None,
                open_timeout=OPEN_LIMIT_S,
            ) as socket:
                async for event in self._told(socket):
                    yield event
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code in REFUSED:
                raise _refusal(closed.rcvd.code) from None
            raise

    async def _user(self) -> str | None:
        """Whose WebSocket it is; None for an API key, which names no user."""
        try:
            return token_user(await self._transport.token())
        except PilotError:
            return None

    async def _told(self, socket: ClientConnection) -> AsyncIterator[Event]:
        subscribe = {
            "type": "subscribe",
            "execution_id": self._execution_id,
            "last_seq": self._seen,
        }
        await socket.send(json.dumps({"type": "unsubscribe", "all": True}))
        await socket.send(json.dumps(subscribe))
        async for message in socket:
            body = json.loads(message)
            if body.get("type") == "auth_expiring" and self._transport.can_renew:
                token = await self._transport.token(renew=True)
                await socket.send(json.dumps({"type": "auth", "token": token}))
            elif body.get("execution_id") == self._execution_id:
                event = _event(body)
                if event is not None:
                    yield event

    async def _streamed(self) -> AsyncIterator[Event]:
        path = f"/executions/{quote(self._execution_id, safe='')}/events"
        headers = {"Accept": "text/event-stream"}
        if self._seen:
            headers["Last-Event-ID"] = str(self._seen)
        try:
            async with self._transport.lines(path, headers, QUIET_S) as (_, lines):
                async for line in lines:
                    if line.startswith("data:"):
                        event = _event(json.loads(line.removeprefix("data:")))
                        if event is not None:
                            yield event
        except ApiError as error:
            if error.status == 401:
                raise _RefusedError(error.message) from None
            raise

    async def _missed(self) -> AsyncIterator[Event]:
        """It ended meanwhile: one more look, for what there is, and no waiting for more."""
        try:
            async with asyncio.timeout(MAX_BACKOFF_S):
                async for event in self._connection():
                    yield event
                    if event.type in FINAL_EVENT_TYPES:
                        return
        except (OSError, TimeoutError, WebSocketException, ApiError, _RefusedError):
            return

    async def _has_ended(self) -> bool:
        path = f"/executions/{quote(self._execution_id, safe='')}"
        try:
            execution = await self._transport.request("GET", path)
        except ApiError as error:
            if error.is_final:
                raise
            return False
        return ExecutionStatus(execution["status"]).is_final


class _RefusedError(Exception):
    """The token is refused: perhaps a newer one is not."""


def _refusal(code: int) -> Exception:
    if code == BAD_TOKEN:
        return _RefusedError(REFUSED[code])
    return ApiError(REFUSED[code], status=403, code="forbidden")


def _event(body: dict[str, Any]) -> Event | None:
    """An event of the run; None for what a newer server may say besides. Raises `ApiError` where
    it says that it cannot replay the execution."""
    if body.get("type") == "error":
        status = {"not_found": 404, "events_pruned": 410}.get(body.get("code", ""), 503)
        message = str(body.get("message", "the server refused"))
        raise ApiError(message, status=status, code=body.get("code"))
    try:
        return Event.from_json(body)
    except (ValueError, TypeError):
        return None
