"""`/ws/{user_id}`: all of a user's events on one WebSocket, with replay on request.

Client messages: `{"type": "auth", "token"}`, `{"type": "subscribe", "execution_id",
"last_seq"?}`, `{"type": "unsubscribe", "execution_id"}`, `{"type": "ping"}`. What cannot be
done is answered by `{"type": "error", "code", "message"}` and leaves the connection open.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import Counter
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from api.auth import LEEWAY_S, Caller, InvalidTokenError, KeysUnavailableError
from api.executions.resource import execution_out
from api.executions.service import current
from api.live.feed import Delivery
from api.live.outbox import Outbox
from api.live.snapshot import snapshot
from api.live.watch import Watch
from api.parts import Parts, parts_of
from api.problems import Problem, from_error
from pilot.errors import PilotError

log = logging.getLogger(__name__)
router = APIRouter()

BAD_TOKEN, NOT_YOUR_USER, TOO_SLOW, TOO_MANY = 4401, 4403, 4408, 4429
GOING_AWAY, TOO_BIG, TRY_LATER = 1001, 1009, 1013

AUTH_LIMIT_S = 10.0
HOLD_S = 0.1
MAX_MESSAGE_CHARS = 16 * 1024
MAX_CONNECTIONS_A_USER = 200
MAX_WATCHES = 200
CLOSE_LIMIT_S = 2.0


class Closed(Exception):  # noqa: N818
    """The connection is to be closed, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/ws/{user_id}")
async def watch_user(socket: WebSocket, user_id: str) -> None:
    parts = parts_of(socket)
    await socket.accept(_chosen_subprotocol(socket))
    try:
        caller = await _authenticated(socket, parts, user_id)
        connections: Counter[str] = parts.connections
        if connections[user_id] >= MAX_CONNECTIONS_A_USER:
            raise Closed(TOO_MANY, "too many connections")
        connections[user_id] += 1
        try:
            await Connection(socket, parts, caller).run()
        finally:
            connections[user_id] -= 1
            if not connections[user_id]:
                del connections[user_id]
    except Closed as closed:
        await _close(socket, closed.code, closed.reason)
    except WebSocketDisconnect:
        pass


class Connection:
    """One open, authenticated WebSocket: a reader, a writer and two alarms."""

    def __init__(self, socket: WebSocket, parts: Parts, caller: Caller) -> None:
        self._socket = socket
        self._parts = parts
        self._caller = caller
        self._renewed = asyncio.Event()
        self._outbox = Outbox()
        self._watches: dict[str, Watch] = {}
        self._replays: dict[str, asyncio.Task[None]] = {}
        self._held: list[Delivery] | None = []

    async def run(self) -> None:
        """Serves until one side ends it. Raises `Closed` or `WebSocketDisconnect`."""
        with self._parts.feed.listening(self._caller.user_id, self):
            work = [
                asyncio.create_task(step)
                for step in (self._read(), self._write(), self._expire(), self._overflow())
            ]
            holding = asyncio.create_task(self._hold())
            try:
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (holding, *work, *self._replays.values()):
                    task.cancel()
                await asyncio.gather(
                    holding, *work, *self._replays.values(), return_exceptions=True
                )
            for task in done:
                task.result()

    def deliver(self, delivery: Delivery) -> None:
        """Called by the feed with each of the user's live events."""
        watch = self._watches.get(delivery.event.execution_id)
        if watch is not None:
            watch.deliver(delivery)
        elif self._held is not None:
            self._held.append(delivery)
        else:
            self._outbox.put(delivery)

    def _release(self) -> None:
        """Gives what is held of watched executions to their watches."""
        held, self._held = self._held, None if self._held is None else []
        for delivery in held or ():
            self.deliver(delivery)

    async def _hold(self) -> None:
        """The first live events wait a moment for the subscription that clients send when
        they connect: without it, some of its events would come before their past."""
        await asyncio.sleep(HOLD_S)
        held, self._held = self._held, None
        for delivery in held or ():
            self.deliver(delivery)

    async def _write(self) -> None:
        while (delivery := await self._outbox.take()) is not None:
            await self._socket.send_text(delivery.text)

    async def _overflow(self) -> None:
        await self._outbox.overflowed.wait()
        raise Closed(TOO_SLOW, "too slow a reader")

    async def _expire(self) -> None:
        while (left := self._caller.expires_at + LEEWAY_S - time.time()) > 0:
            self._renewed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._renewed.wait()
            except TimeoutError:
                continue
        raise Closed(BAD_TOKEN, "the token has expired")

    async def _read(self) -> None:
        while True:
            message = await _message(self._socket)
            if message is None:
                await self._say("error", code="invalid_message", message="not a JSON object")
                continue
            await self._act(message)

    async def _act(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "auth", "token": str(token)}:
                self._caller = await _verified(self._parts, token, self._caller.user_id)
                self._renewed.set()
            case {"type": "subscribe", "execution_id": str(execution_id)}:
                await self._subscribe(execution_id, message.get("last_seq"))
            case {"type": "unsubscribe", "execution_id": str(execution_id)}:
                self._drop(execution_id)
            case {"type": "ping"}:
                await self._say("pong")
            case _:
                await self._say(
                    "error",
                    code="unknown_message",
                    message="expected auth, subscribe, unsubscribe or ping",
                )

    async def _subscribe(self, execution_id: str, last_seq: Any) -> None:
        if last_seq is not None and (type(last_seq) is not int or last_seq < 0):
            await self._refuse(execution_id, "invalid_message", "last_seq is no `seq`")
            return
        if len(self._watches) >= MAX_WATCHES and execution_id not in self._watches:
            await self._refuse(execution_id, "too_many_subscriptions", f"at most {MAX_WATCHES}")
            return
        self._drop(execution_id)
        # from here on the execution's live events wait for its past
        watch = Watch(
            self._parts.feed,
            self._parts.history,
            self._outbox,
            self._caller.user_id,
            execution_id,
        )
        self._watches[execution_id] = watch
        self._release()
        replay = asyncio.create_task(self._replay(watch, last_seq))
        self._replays[execution_id] = replay
        replay.add_done_callback(lambda task: self._forget_replay(execution_id, task))

    async def _replay(self, watch: Watch, last_seq: int | None) -> None:
        parts, user_id, execution_id = self._parts, watch.user_id, watch.execution_id
        try:
            execution = await current(parts, user_id, execution_id)
            if last_seq is None:
                shown = await execution_out(parts.store, parts.settings, execution)
                last_seq = await parts.store.missing_from(execution_id) - 1
                await self._outbox.put_patiently(snapshot(shown, last_seq))
            await watch.replay(last_seq, execution.status)
        except (PilotError, Problem) as error:
            self._watches.pop(execution_id, None)
            problem = from_error(error)
            await self._refuse(execution_id, problem.code, str(problem.detail))

    def _drop(self, execution_id: str) -> None:
        self._watches.pop(execution_id, None)
        replay = self._replays.pop(execution_id, None)
        if replay is not None:
            replay.cancel()

    def _forget_replay(self, execution_id: str, task: asyncio.Task[None]) -> None:
        if self._replays.get(execution_id) is task:
            del self._replays[execution_id]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect):
            log.error("a replay failed", exc_info=error)

    async def _refuse(self, execution_id: str, code: str, message: str) -> None:
        await self._say("error", code=code, message=message, execution_id=execution_id)

    async def _say(self, kind: str, **fields: str) -> None:
        await self._socket.send_text(json.dumps({"type": kind, **fields}))


def _chosen_subprotocol(socket: WebSocket) -> str | None:
    """A browser that offers subprotocols fails unless one of them is chosen."""
    offered: list[str] = socket.scope.get("subprotocols") or []
    plain = [name for name in offered if not name.startswith("bearer.")]
    return next(iter(plain or offered), None)


async def _authenticated(socket: WebSocket, parts: Parts, user_id: str) -> Caller:
    """The caller: by header, by subprotocol `bearer.<jwt>`, or by the first message."""
    scheme, _, header = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await _verified(parts, header.strip(), user_id)
    for name in socket.scope.get("subprotocols") or []:
        if name.startswith("bearer."):
            return await _verified(parts, name.removeprefix("bearer."), user_id)
    try:
        async with asyncio.timeout(AUTH_LIMIT_S):
            message = await _message(socket)
    except TimeoutError:
        raise Closed(BAD_TOKEN, "no token came") from None
    match message:
        case {"type": "auth", "token": str(token)}:
            return await _verified(parts, token, user_id)
    raise Closed(BAD_TOKEN, "the first message must be auth")


async def _verified(parts: Parts, token: str, user_id: str) -> Caller:
    try:
        caller = await parts.verifier.verify(token)
    except InvalidTokenError as error:
        raise Closed(BAD_TOKEN, error.message) from None
    except KeysUnavailableError:
        raise Closed(TRY_LATER, "the keys of the token's issuer cannot be read") from None
    if caller.user_id != user_id:
        raise Closed(NOT_YOUR_USER, "not your user")
    return caller


async def _message(socket: WebSocket) -> dict[str, Any] | None:
    """The next message; None where it is no JSON object."""
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code", 1000), received.get("reason"))
    text = received.get("text")
    if text is None:
        text = (received.get("bytes") or b"").decode(errors="replace")
    if len(text) > MAX_MESSAGE_CHARS:
        raise Closed(TOO_BIG, "the message is too large")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Closes; a reader that does not even take this in costs no more than two seconds."""
    if socket.application_state is not WebSocketState.CONNECTED:
        return
    try:
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await socket.close(code, reason[:100])
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        pass
