"""Executions that have ended, as they are shown: their answer never changes again.

Nothing has to be invalidated, as a final row takes no further event. Who may see one is asked
before this is. Kept in this process's memory, and in Redis for the others, where there is one.
What each saves: docs/benchmarks.md.
"""

from __future__ import annotations

from collections import OrderedDict

from api.shared_cache import SharedCache
from pilot.caches import execution_key

MAX_BYTES = 16 * 1024 * 1024
MAX_BODY_BYTES = 1024 * 1024
SHARED_S = 3600.0
MAX_SHARED_BODY_BYTES = 256 * 1024


class Finished:
    """The answers that were asked for last, as JSON."""

    def __init__(self, shared: SharedCache) -> None:
        self._shared = shared
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def get(self, execution_id: str) -> bytes | None:
        body = self._kept.get(execution_id)
        if body is not None:
            self._kept.move_to_end(execution_id)
            return body
        body = await self._shared.get(execution_key(execution_id))
        if body is not None:
            self._keep(execution_id, body)
        return body

    async def put(self, execution_id: str, body: bytes) -> None:
        self._keep(execution_id, body)
        if len(body) <= MAX_SHARED_BODY_BYTES:
            await self._shared.put(execution_key(execution_id), body, ttl_s=SHARED_S)

    def _keep(self, execution_id: str, body: bytes) -> None:
        if len(body) > MAX_BODY_BYTES or execution_id in self._kept:
            return
        self._kept[execution_id] = body
        self._bytes += len(body)
        while self._bytes > MAX_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])

    async def forget(self, execution_id: str) -> None:
        """Of one that was deleted. In other processes it is asked for no more, and goes with
        what is older."""
        body = self._kept.pop(execution_id, None)
        if body is not None:
            self._bytes -= len(body)
        await self._shared.forget(execution_key(execution_id))
