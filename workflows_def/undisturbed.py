"""Waiting for what must come to its end."""

from __future__ import annotations

import asyncio
from typing import Any


async def undisturbed(future: asyncio.Future[Any]) -> None:
    """Waits for the future to end, whatever cancellation comes meanwhile."""
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled():
                raise
    future.result()
