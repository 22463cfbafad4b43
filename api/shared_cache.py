"""What API processes need not each find out: texts in Redis, for a time.

A cache and nothing else: without REDIS_URL it holds nothing, and while Redis is away or slow it
is passed over, as if nothing were there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from pilot.caches import PREFIX
from pilot.settings import Settings

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 0.1
RETRY_S = 5.0
"""How long a Redis that did not answer is left alone."""


class SharedCache:
    """`get` and `put` never raise."""

    def __init__(self, url: str | None) -> None:
        self._redis: Any = None
        self._away: tuple[type[BaseException], ...] = ()
        self._ask_after = 0.0
        if url is not None:
            from pilot.events.redis import connection, parse_redis_url  # noqa: PLC0415 (for some)
            from pilot.events.streams import AWAY  # noqa: PLC0415

            self._redis = connection(parse_redis_url(url), answer_limit_s=ANSWER_LIMIT_S)
            self._away = AWAY

    @classmethod
    def of(cls, settings: Settings) -> SharedCache:
        return cls(None if settings.redis_url is None else settings.redis_url.get_secret_value())

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = await self._ask(lambda redis: redis.get(PREFIX + key))
        return found

    async def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        await self._ask(lambda redis: redis.set(PREFIX + key, value, px=round(ttl_s * 1000)))

    async def forget(self, key: str) -> None:
        await self._ask(lambda redis: redis.delete(PREFIX + key))

    async def _ask(self, question: Any) -> Any:
        if self._redis is None or time.monotonic() < self._ask_after:
            return None
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await question(self._redis)
        except self._away as error:
            log.warning("the cache in Redis is passed over: %s", str(error) or type(error).__name__)
            self._ask_after = time.monotonic() + RETRY_S
            return None

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
