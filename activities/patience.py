"""Waiting, inside of an attempt, for a store that is away.

An outage of the database is not the node's fault, so it should not use up the node's attempts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pilot.errors import UnavailableError

T = TypeVar("T")

FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 2.0


async def through_outage(call: Callable[[], Awaitable[T]], limit_s: float) -> T:
    """What `call` gives, tried again while the store is away. Raises `UnavailableError` where it
    is still away after `limit_s` seconds."""
    deadline, pause = time.monotonic() + limit_s, FIRST_PAUSE_S
    while True:
        try:
            return await call()
        except UnavailableError:
            if time.monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, MAX_PAUSE_S)
