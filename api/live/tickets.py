"""Tickets: what a page puts into a WebSocket's address, where it cannot send headers.

An address is logged by proxies and kept by browsers, so no token belongs into one. A ticket is
good once, for half a minute, and for nothing but a WebSocket of the caller who asked for it. The
tickets are Redis's where there is one, so that any API process takes what another one gave; else
they are of the process.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import secrets
import time
from typing import Any, Protocol

from api.caller import Caller
from pilot.errors import PilotError
from pilot.roles import Role
from pilot.settings import Settings

TICKET_S = 30
ANSWER_LIMIT_S = 2.0
MAX_TICKETS = 10_000
"""That a process remembers by itself, the oldest forgotten first."""
_KEY = "pilot:ticket:"


class TicketsUnavailableError(PilotError):
    code = "tickets_unavailable"


class Tickets(Protocol):
    async def give(self, caller: Caller) -> str:
        """A new ticket. Raises `TicketsUnavailableError`."""
        ...

    async def take(self, ticket: str) -> Caller | None:
        """Whose it was: this one time. Raises `TicketsUnavailableError`."""
        ...

    async def close(self) -> None: ...


def open_tickets(settings: Settings) -> Tickets:
    if settings.redis_url is None:
        return OwnTickets()
    return RedisTickets(settings.redis_url.get_secret_value())


class OwnTickets:
    """The tickets of one process."""

    def __init__(self) -> None:
        self._callers: dict[str, tuple[float, Caller]] = {}

    async def give(self, caller: Caller) -> str:
        while len(self._callers) >= MAX_TICKETS:
            del self._callers[next(iter(self._callers))]
        ticket = _new()
        self._callers[_name(ticket)] = (time.monotonic() + TICKET_S, caller)
        return ticket

    async def take(self, ticket: str) -> Caller | None:
        until, caller = self._callers.pop(_name(ticket), (0.0, None))
        return caller if time.monotonic() < until else None

    async def close(self) -> None:
        self._callers.clear()


class RedisTickets:
    """Tickets in Redis, under their hashes: who reads along there learns none."""

    def __init__(self, url: str) -> None:
        from pilot.events.redis import connection, parse_redis_url  # noqa: PLC0415 (for some only)
        from pilot.events.streams import AWAY  # noqa: PLC0415

        self._redis = connection(parse_redis_url(url), answer_limit_s=ANSWER_LIMIT_S)
        self._away = AWAY

    async def give(self, caller: Caller) -> str:
        ticket = _new()
        await self._asked(self._redis.set(_KEY + _name(ticket), _dumps(caller), ex=TICKET_S))
        return ticket

    async def take(self, ticket: str) -> Caller | None:
        # a script, as GETDEL is of Redis 6.2 and later
        found = await self._asked(self._redis.eval(_TAKE, 1, _KEY + _name(ticket)))
        return None if found is None else _loads(found)

    async def close(self) -> None:
        await self._redis.aclose()

    async def _asked(self, answer: Any) -> Any:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await answer
        except self._away as error:
            raise TicketsUnavailableError("Redis, where tickets are, does not answer") from error


_TAKE = "local v = redis.call('GET', KEYS[1]); redis.call('DEL', KEYS[1]); return v"


def _new() -> str:
    return secrets.token_urlsafe(32)


def _name(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()


def _dumps(caller: Caller) -> str:
    """All but the token, which is nothing to keep."""
    kept = dataclasses.replace(caller, token=None)
    return json.dumps(dataclasses.asdict(kept))


def _loads(text: bytes) -> Caller:
    fields = json.loads(text)
    return Caller(**{**fields, "role": Role(fields["role"])})
