"""How often a caller may ask: moving windows of the library `limits`.

Each class of routes has a rate of its own, counted per API key, else per user. An address has a
rate of failed sign-ins: who has used it up is refused before anything of theirs is looked at.
The windows are Redis's where there is one, so that all API processes count together. Redis is
waited for 100 ms at most; while it is away each process counts for itself, and requests go on.

Headers: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-03
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.caller import Caller
from api.live.connections import network_of
from api.problems import Problem
from pilot.caches import LIMITS_PREFIX, limited_user
from pilot.errors import SettingsError
from pilot.settings import Settings

log = logging.getLogger(__name__)

HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
ANSWER_LIMIT_S = 0.1
RETRY_S = 1.0
"""How long a Redis that did not answer is left alone."""
POOL_SIZE = 16
MAX_BLOCKED = 10_000
"""Addresses that a process remembers as used up, the oldest forgotten first."""
OFF = "off"
_SCOPE_KEY = "rate_limit"

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Rate(StrEnum):
    """What a route is counted as."""

    READS = "reads"
    WRITES = "writes"
    EXECUTES = "executes"
    VALIDATIONS = "validations"
    EXPORTS = "exports"


DEFAULTS: Mapping[str, str] = {
    Rate.READS: "1200/minute",
    Rate.WRITES: "300/minute",
    Rate.EXECUTES: "120/minute",
    Rate.VALIDATIONS: "300/minute",
    Rate.EXPORTS: "10/minute",
    "address": "300/minute",
    "hooks": "300/minute",
}
"""In production. In development nothing is limited unless it is set."""


def counted_as(rate: Rate) -> Callable[[Endpoint], Endpoint]:
    """Marks a route's function, where its method does not say what it is counted as."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["rate"] = rate
        return endpoint

    return mark


def rate_of(endpoint: Callable[..., Any], methods: Iterable[str]) -> Rate:
    marked: Rate | None = getattr(endpoint, "rate", None)
    if marked is not None:
        return marked
    return Rate.READS if set(methods) <= {"GET", "HEAD"} else Rate.WRITES


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a window came to: `remaining` of `limit` requests, all of them again in `reset_s`
    seconds."""

    admitted: bool
    limit: int
    remaining: int
    reset_s: float

    @property
    def after_s(self) -> int:
        """In how many whole seconds a refused request may come again."""
        return max(1, math.ceil(self.reset_s))


class Limits:
    """The rates of one API process. `items` are by `Rate`, and `address`; one that is not there
    is not limited. `redis_url` None: the process counts for itself."""

    def __init__(
        self,
        items: Mapping[str, RateLimitItem],
        redis_url: str | None = None,
        *,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._items = items
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = _Shared(redis_url, answer_limit_s) if items and redis_url else None
        self._blocked: dict[str, tuple[float, Outcome]] = {}

    @classmethod
    def open(cls, settings: Settings) -> Limits:
        """Connects to nothing yet. Raises `SettingsError` for a rate that is none."""
        url = settings.redis_url
        return cls(rates(settings), None if url is None else url.get_secret_value())

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()

    async def admit(self, scope: Scope, caller: Caller, rate: Rate) -> None:
        """Counts a request of the caller's. Raises `Problem` (429 `rate_limited`)."""
        item = self._items.get(rate)
        if item is None:
            return
        who = limited_user(caller.user_id) if caller.key_id is None else f"key:{caller.key_id}"
        outcome = await self._hit(item, rate, who)
        scope[_SCOPE_KEY] = outcome
        if not outcome.admitted:
            whose = "You have" if caller.key_id is None else "This API key has"
            raise _too_many(outcome, f"{whose} {item} {rate}")

    def require_address(self, scope: Scope, address: str | None) -> None:
        """Raises `Problem` (429 `rate_limited`) where the address has used its failures up."""
        found = self._blocked.get(network_of(address))
        if found is None:
            return
        left = found[0] - time.monotonic()
        if left > 0:
            outcome = Outcome(False, found[1].limit, 0, left)
            scope[_SCOPE_KEY] = outcome
            raise _too_many(outcome, f"Your address has {self._items['address']} failed sign-ins")
        self._blocked.pop(network_of(address), None)

    async def failed(self, scope: Scope, address: str | None) -> None:
        """Counts a failed sign-in."""
        item = self._items.get("address")
        if item is None:
            return
        network = network_of(address)
        outcome = await self._hit(item, "address", network)
        scope[_SCOPE_KEY] = outcome
        if not outcome.remaining:
            # so that a request that signs in well asks nobody about its address
            while len(self._blocked) >= MAX_BLOCKED:
                del self._blocked[next(iter(self._blocked))]
            self._blocked[network] = (time.monotonic() + outcome.reset_s, outcome)

    async def admit_hook(self, scope: Scope, address: str | None, token: str | None) -> None:
        """Counts what comes to a webhook, for the address that it comes from or, where that is
        admitted, for the token. Raises `Problem` (429 `rate_limited`)."""
        item = self._items.get("hooks")
        if item is None:
            return
        if token is None:
            who, whose = f"address:{network_of(address)}", "Your address has sent"
        else:
            digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
            who, whose = f"token:{digest}", "This webhook was sent"
        outcome = await self._hit(item, "hooks", who)
        scope[_SCOPE_KEY] = outcome
        if not outcome.admitted:
            raise _too_many(outcome, f"{whose} {item}")

    async def _hit(self, item: RateLimitItem, *key: str) -> Outcome:
        if self._shared is not None:
            outcome = await self._shared.hit(item, *key)
            if outcome is not None:
                return outcome
        return await _hit(self._own, item, *key)


class _Shared:
    """Windows in Redis."""

    def __init__(self, url: str, answer_limit_s: float) -> None:
        from limits.aio.storage import RedisStorage  # noqa: PLC0415 (for some only, as Redis is)
        from redis.asyncio import BlockingConnectionPool  # noqa: PLC0415

        from pilot.events.redis import connection_options, parse_redis_url  # noqa: PLC0415
        from pilot.events.streams import AWAY  # noqa: PLC0415

        # what waits for a connection waits, and is no reason to think that Redis is away
        self._pool = BlockingConnectionPool.from_url(
            parse_redis_url(url),
            max_connections=POOL_SIZE,
            timeout=answer_limit_s,
            **connection_options(answer_limit_s),
        )
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=LIMITS_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type]
        )
        self._limiter = MovingWindowRateLimiter(storage)
        self._answer_limit_s = answer_limit_s
        self._away = AWAY
        self._answers = True
        self._ask_after = 0.0

    async def hit(self, item: RateLimitItem, *key: str) -> Outcome | None:
        """None: Redis does not answer."""
        now = time.monotonic()
        if now < self._ask_after:
            return None
        if not self._answers:
            self._ask_after = now + RETRY_S  # one request asks for all
        try:
            async with asyncio.timeout(self._answer_limit_s):
                outcome = await _hit(self._limiter, item, *key)
        except self._away as error:
            self._ask_after = time.monotonic() + RETRY_S
            if self._answers:
                why = str(error) or type(error).__name__
                log.warning("Redis does not answer, so each process limits by itself: %s", why)
            self._answers = False
            return None
        if not self._answers:
            log.info("Redis limits again")
        self._answers, self._ask_after = True, 0.0
        return outcome

    async def close(self) -> None:
        await self._pool.disconnect()


async def _hit(limiter: MovingWindowRateLimiter, item: RateLimitItem, *key: str) -> Outcome:
    admitted = await limiter.hit(item, *key)
    window = await limiter.get_window_stats(item, *key)
    return Outcome(
        admitted, item.amount, max(0, window.remaining), max(0.0, window.reset_time - time.time())
    )


def _too_many(outcome: Outcome, what: str) -> Problem:
    after = outcome.after_s
    return Problem(
        429,
        "rate_limited",
        f"{what}: try again in {after} s.",
        headers={"Retry-After": str(after)},
    )


def rates(settings: Settings) -> dict[str, RateLimitItem]:
    """The configured rates, without those that are off. Raises `SettingsError`."""
    found = {}
    for name, default in DEFAULTS.items():
        given: str | None = getattr(settings, f"pilot_rate_{name}")
        text = given or (OFF if settings.is_development else default)
        if text.strip().lower() == OFF:
            continue
        try:
            item = parse(text)
        except ValueError:
            item = None
        if item is None or item.amount < 1 or ";" in text or "," in text or "|" in text:
            raise SettingsError(
                f"PILOT_RATE_{name.upper()} is {text!r}: write one rate, such as `{default}` or "
                f"`10 per 5 seconds`, or `{OFF}`."
            )
        found[str(name)] = item
    return found


class RateHeaders:
    """ASGI middleware: says what is left on whatever a limited request is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            outcome: Outcome | None = scope.get(_SCOPE_KEY)
            if outcome is not None and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                values = (outcome.limit, outcome.remaining, math.ceil(outcome.reset_s))
                for name, value in zip(HEADERS, values, strict=True):
                    headers[name] = str(value)
            await send(message)

        await self._app(scope, receive, told)
