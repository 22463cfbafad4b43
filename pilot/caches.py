"""What Redis keeps of executions and their owners beside the store, and how it is forgotten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

PREFIX = "pilot:cache:"
LIMITS_PREFIX = "pilot:limits"
KEYS_AT_ONCE = 1_000
"""Of those that Redis goes through at a time."""


def execution_key(execution_id: str) -> str:
    """Under which the answer of an execution that has ended is kept, behind `PREFIX`."""
    return f"execution:{execution_id}"


def limited_user(user_id: str) -> str:
    """As whom a user's calls are counted, in a part of the key of its own."""
    return f"user:{user_id}"


def _literally(text: str) -> str:
    """For Redis's patterns."""
    return re.sub(r"([*?\[\]^\\-])", r"\\\1", text)


class Caches:
    """Without Redis's URL there is nothing to forget."""

    def __init__(self, url: str | None) -> None:
        self._redis: Any = None
        if url is not None:
            from pilot.events.redis import connection, parse_redis_url  # noqa: PLC0415 (for some)

            self._redis = connection(parse_redis_url(url))

    async def forget_executions(self, execution_ids: Sequence[str]) -> None:
        """Raises what Redis's client does where it does not answer."""
        if self._redis is not None and execution_ids:
            await self._redis.delete(*(PREFIX + execution_key(one) for one in execution_ids))

    async def forget_owner(self, owner: str) -> None:
        """The stream of their events, and how often they called of late. Raises as
        `forget_executions` does."""
        if self._redis is not None:
            from pilot.events.streams import stream_of  # noqa: PLC0415 (for some)

            await self._redis.delete(stream_of(owner))
            named = f"{LIMITS_PREFIX}*/{_literally(limited_user(owner))}/*"
            async for key in self._redis.scan_iter(named, count=KEYS_AT_ONCE):
                await self._redis.delete(key)

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
