"""`/ws/{user_id}`: a user's events on one WebSocket, with replay on request.

What a watcher may say is in `api.live.messages`. What cannot be done is answered by
`{"type": "error", "code", "message"}` and leaves the connection open.

An idle connection is one task that reads. What else it needs (its token's end, the first
moment's hold) are timers. It writes when it is the process's turn to write (`api.live.turns`):
at once, or where its reader is slow by a task that lives while there is something to send.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime

from starlette.responses import Response
from starlette.routing import Match, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.auth import LEEWAY_S
from api.caller import Caller, InvalidTokenError
from api.keysets import KeysUnavailableError
from api.live import origin
from api.live.connections import TooManyConnectionsError
from api.live.delivery import Delivery, Message
from api.live.messages import (
    BAD_MESSAGE_COST,
    Allowance,
    Auth,
    BadMessageError,
    Ping,
    Said,
    Subscribe,
    Unsubscribe,
    parse,
)
from api.live.outbox import Outbox
from api.live.protocol import WRITER, WatcherProtocol
from api.live.subscriptions import Subscriptions, error_text
from api.live.tickets import TicketsUnavailableError
from api.parts import Parts, parts_of
from api.problems import Problem, response
from pilot.events.model import rfc3339

BAD_TOKEN, NOT_YOUR_USER, TOO_SLOW, TOO_MANY = 4401, 4403, 4408, 4429
POLICY, TOO_BIG, TRY_LATER = 1008, 1009, 1013

AUTH_LIMIT_S = 10.0
EXPIRY_NOTICE_S = 15.0
MAX_MESSAGE_CHARS = 16 * 1024


class Closed(Exception):  # noqa: N818
    """The connection is to be closed, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def serve_socket(scope: Scope, receive: Receive, send: Send) -> bool:
    """Serves a WebSocket to its end; False where there is none at its path."""
    match, found = _PLACE.matches(scope)
    if match is not Match.FULL:
        return False
    await watch_user(WebSocket(scope, receive, send), found["path_params"]["user_id"])
    return True


async def watch_user(socket: WebSocket, user_id: str) -> None:
    parts = parts_of(socket)
    if not _is_from_allowed_page(socket, parts):
        await _refuse(socket, "origin_not_allowed", "Pages of this origin may not connect.")
        return
    address = socket.client.host if socket.client else None
    try:
        parts.limits.require_address(socket.scope, address)
        with parts.connections.from_address(address):
            await socket.accept(_chosen_subprotocol(socket))
            caller = await _authenticated(socket, parts, user_id)
            socket.scope["headers"].clear()  # the token among them
            with parts.connections.of_user(user_id):
                await Connection(socket, parts, caller).run()
    except Closed as closed:
        if closed.code == BAD_TOKEN:
            await parts.limits.failed(socket.scope, address)
        await close(socket, closed.code, closed.reason)
    except (TooManyConnectionsError, Problem) as error:
        # a browser is told the code of an open connection only, not why it was not opened
        if socket.application_state is WebSocketState.CONNECTING:
            await socket.accept(_chosen_subprotocol(socket))
        await close(socket, TOO_MANY, str(error.detail if isinstance(error, Problem) else error))
    except WebSocketDisconnect:
        pass


class Connection:
    """One open, authenticated WebSocket."""

    def __init__(self, socket: WebSocket, parts: Parts, caller: Caller) -> None:
        self._socket = socket
        self._parts = parts
        self._caller = caller
        self._writer: WatcherProtocol = socket.scope["extensions"][WRITER]["protocol"]
        self._outbox = Outbox(self._has_more)
        self._subscriptions = Subscriptions(parts, caller, self._outbox, self.take)
        self._allowance = Allowance()
        self._writing: asyncio.Task[None] | None = None
        self._is_to_write = False
        self._is_over = False
        self._ending: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._is_warned = False

    async def run(self) -> None:
        """Serves until one side ends it. Raises `Closed` or `WebSocketDisconnect`."""
        self._set_alarm()
        try:
            with self._parts.feed.listening(self._caller.owner, self._subscriptions):
                while True:
                    await self._hear()
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._subscriptions.close()
            self._is_over = True
            if self._writing is not None:
                self._writing.cancel()
            if self._ending is not None:
                await self._ending

    async def _hear(self) -> None:
        text = await _received(self._socket)
        if not self._allowance.spend():
            raise Closed(POLICY, "too many messages")
        try:
            await self._act(parse(text))
        except BadMessageError as error:
            if not self._allowance.spend(BAD_MESSAGE_COST):
                raise Closed(POLICY, "too many bad messages") from None
            self._outbox.say(error_text(error.code, str(error)))

    async def _act(self, said: Said) -> None:
        match said:
            case Auth(token=token):
                await self._renew(token)
            case Subscribe():
                self._subscriptions.add(said)
            case Unsubscribe():
                self._subscriptions.remove(said)
            case Ping():
                self._outbox.say('{"type": "pong"}')

    async def _renew(self, token: str) -> None:
        try:
            caller = await _verified(self._parts, token, self._caller.user_id)
        except KeysUnavailableError as error:
            # the token of before still holds
            self._outbox.say(error_text(error.code, "the token cannot be checked now"))
            return
        if caller.owner != self._caller.owner:
            raise Closed(NOT_YOUR_USER, "not the organisation of before")
        self._caller = caller
        self._is_warned = False
        self._set_alarm()

    # the token's end

    def _set_alarm(self) -> None:
        """Wakes before the token expires, to say so, and again a little after."""
        if self._alarm is not None:
            self._alarm.cancel()
        left = self._caller.expires_at - time.time()
        after = left + LEEWAY_S
        if not self._is_warned:
            after = left - min(EXPIRY_NOTICE_S, left / 4)
        self._alarm = asyncio.get_running_loop().call_later(max(after, 0), self._ring)

    def _ring(self) -> None:
        if self._is_warned:
            self._end(BAD_TOKEN, "the token has expired")
            return
        self._is_warned = True
        at = rfc3339(datetime.fromtimestamp(self._caller.expires_at, UTC))
        self._outbox.say(json.dumps({"type": "auth_expiring", "expires_at": at}))
        self._set_alarm()

    # writing

    def take(self, messages: list[Message]) -> None:
        """Sends what comes next: at once, where the reader is not behind."""
        is_behind = len(self._outbox) or self._writing is not None or not self._writer.takes_more
        if not is_behind and self._ending is None and not self._is_over:
            self._writer.write(messages)
            return
        for message in messages:
            if isinstance(message, Delivery):
                self._outbox.put(message)

    def _has_more(self) -> None:
        if self._outbox.overflowed:
            self._end(TOO_SLOW, "too slow a reader")
        elif self._writing is None and not self._is_to_write and self._ending is None:
            self._is_to_write = True
            self._parts.turns.join(self._begin_writing)

    def _begin_writing(self) -> None:
        self._is_to_write = False
        if self._ending is not None or self._is_over:
            return
        if self._writer.takes_more:
            self._writer.write(self._outbox.pop_some())
        if len(self._outbox):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            await self._writer.until_it_takes_more()
            # a reader that has gone is seen where it is heard
            while (messages := self._outbox.pop_some()) and self._writer.write(messages):
                await self._writer.until_it_takes_more()
        finally:
            self._writing = None

    def _end(self, code: int, reason: str) -> None:
        """Closes from outside of `run`, which then hears that it was closed."""
        if self._ending is None:
            self._ending = asyncio.create_task(close(self._socket, code, reason))


_PLACE = WebSocketRoute("/ws/{user_id}", watch_user)  # for its pattern alone


def _is_from_allowed_page(socket: WebSocket, parts: Parts) -> bool:
    configured = parts.settings.backend_cors_origins
    return origin.is_allowed(socket.headers.get("origin"), socket.headers.get("host"), configured)


async def _refuse(socket: WebSocket, code: str, detail: str) -> None:
    """Answers the handshake with 403."""
    denial: Response = response(Problem(403, code, detail), None)
    await socket.send_denial_response(denial)


def _chosen_subprotocol(socket: WebSocket) -> str | None:
    """A browser that offers subprotocols fails unless one of them is chosen."""
    offered: list[str] = socket.scope.get("subprotocols") or []
    plain = [name for name in offered if not name.startswith("bearer.")]
    return next(iter(plain or offered), None)


async def _authenticated(socket: WebSocket, parts: Parts, user_id: str) -> Caller:
    """The caller: by ticket, by header, by subprotocol `bearer.<jwt>`, or by the first message."""
    try:
        if socket.scope["query_string"]:
            ticket = socket.query_params.get("ticket")
            if ticket is not None:
                return _of_user(await parts.tickets.take(ticket), user_id)
        return await _verified(parts, await _token(socket), user_id)
    except KeysUnavailableError:
        raise Closed(TRY_LATER, "the keys of the token's issuer cannot be read") from None
    except TicketsUnavailableError as error:
        raise Closed(TRY_LATER, error.message) from None


async def _token(socket: WebSocket) -> str:
    scheme, _, header = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return header.strip()
    for name in socket.scope.get("subprotocols") or []:
        if name.startswith("bearer."):
            return str(name.removeprefix("bearer."))
    try:
        async with asyncio.timeout(AUTH_LIMIT_S):
            said = parse(await _received(socket))
    except TimeoutError:
        raise Closed(BAD_TOKEN, "no token came") from None
    except BadMessageError:
        said = None
    if not isinstance(said, Auth):
        raise Closed(BAD_TOKEN, "the first message must be auth")
    return said.token


async def _verified(parts: Parts, token: str, user_id: str) -> Caller:
    """The caller of a token. Raises `Closed`, or `KeysUnavailableError`."""
    try:
        caller = await parts.verifier.verify(token)
    except InvalidTokenError as error:
        raise Closed(BAD_TOKEN, error.message) from None
    return _of_user(caller, user_id)


def _of_user(caller: Caller | None, user_id: str) -> Caller:
    if caller is None:
        raise Closed(BAD_TOKEN, "the ticket is not good, or no longer")
    if user_id not in (caller.user_id, caller.owner):
        raise Closed(NOT_YOUR_USER, "not your user")
    return caller


async def _received(socket: WebSocket) -> str | bytes:
    """The next message. Raises `WebSocketDisconnect`, or `Closed` where it is too large."""
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1000), received.get("reason"))
    text: str | bytes = received.get("text") or received.get("bytes") or ""
    if len(text) > MAX_MESSAGE_CHARS:
        raise Closed(TOO_BIG, "the message is too large")
    return text


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Closes an accepted connection, if it is still open."""
    if socket.application_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close(code, reason[:100])
