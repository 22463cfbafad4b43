"""Executions that have ended, as they are shown: their answer never changes again.

Nothing has to be invalidated, as a final row takes no further event. Who may see one is asked
before this is. Kept in this process's memory, and in Redis for the others, where there is one.
What each saves: docs/benchmarks.md.
"""

from __future__ import annotations

from api.shared_cache import SharedCache
from pilot.caches import execution_key
from pilot.recent import Recent

MAX_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
SHARED_S = 3600.0
MAX_SHARED_BODY_BYTES = 256 * 1024


class Finished:
    """The answers that were asked for last, as JSON."""

    def __init__(self, shared: SharedCache) -> None:
        self._shared = shared
        self._kept = Recent[str, bytes](MAX_BYTES, MAX_BODY_BYTES)

    async def get(self, execution_id: str) -> bytes | None:
        body = self._kept.get(execution_id)
        if body is not None:
            return body
        body = await self._shared.get(execution_key(execution_id))
        if body is not None:
            self._kept.put(execution_id, body, len(body))
        return body

    async def put(self, execution_id: str, body: bytes) -> None:
        self._kept.put(execution_id, body, len(body))
        if len(body) <= MAX_SHARED_BODY_BYTES:
            await self._shared.put(execution_key(execution_id), body, ttl_s=SHARED_S)

    async def forget(self, execution_id: str) -> None:
        """Of one that was deleted. In other processes it is asked for no more, and goes with
        what is older."""
        self._kept.forget(execution_id)
        await self._shared.forget(execution_key(execution_id))
