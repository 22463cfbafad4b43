"""Heartbeats of an activity, by which a dead worker is noticed in seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from temporalio import activity

# A heartbeat's answer is what brings a cancellation, so an activity offers one every second
# even where its timeout is long; the worker's throttle decides how many go out.
MAX_INTERVAL_S = 1.0


@contextlib.asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeats in the background, from the first interval on: what ends sooner needs none, as
    Temporal counts the time without one from the start. Local activities have no heartbeat."""
    info = activity.info()
    if info.is_local or info.heartbeat_timeout is None:
        yield
        return
    interval = min(info.heartbeat_timeout.total_seconds() / 3, MAX_INTERVAL_S)

    async def beat() -> None:
        while True:
            await asyncio.sleep(interval)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
