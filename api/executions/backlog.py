"""How many executions may be waiting to begin: one over the operator's number is refused before
anything of it is written."""

from __future__ import annotations

import time

from api.problems import Problem, unavailable
from pilot.settings import Settings
from pilot.store.slots import SlotStore

RETRY_AFTER_S = 10
FRESH_S = 1.0
"""How long a count of all owners' is good for. What this process lets through is added to it."""


class Backlog:
    """One API process's view. Requests that come together may go over a number by as many as they
    are."""

    def __init__(self, slots: SlotStore, settings: Settings) -> None:
        self._slots = slots
        self._of_user = settings.pilot_max_queued_per_user
        self._of_all = settings.pilot_max_queued
        self._count = 0
        self._counted_at = float("-inf")

    async def require_room(self, owner: str) -> None:
        """Raises `Problem`: 429 `too_many_queued` for the owner's own, 503 `overloaded` for all."""
        most = self._of_user
        if most is not None and await self._slots.queued(most, owner) >= most:
            raise Problem(
                429,
                "too_many_queued",
                f"{most:,} of your executions have not begun yet: wait until some have.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        if self._of_all is not None:
            await self._require_room_for_all(self._of_all)

    async def _require_room_for_all(self, most: int) -> None:
        now = time.monotonic()
        if now - self._counted_at >= FRESH_S:
            self._count = await self._slots.queued(most)
            self._counted_at = now
        if self._count >= most:
            raise unavailable(
                "overloaded",
                "More executions wait to begin than this installation takes: try again later.",
                after_s=RETRY_AFTER_S,
            )
        self._count += 1
