"""Events that nobody could give are waited for, when watchers had to go on without them.

What they were shown behind the gap is not all true, so once the store or the run has the missing
ones, they are shown the execution anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from api.live.history import History
from api.live.tracks import Track
from pilot.errors import PilotError

log = logging.getLogger(__name__)

FIRST_LOOK_S, MAX_LOOK_S = 2.0, 60.0
LOOKS_AT_ENDED = 10
"""The end of a run writes what the store lacks: what is missing then will not come."""


async def missed_came(history: History, track: Track, is_tracked: Callable[[], bool]) -> bool:
    """Whether what lies in the track's gap is there now; waits for it as long as somebody listens
    and it may come."""
    delay, looks = FIRST_LOOK_S, 0
    while looks < LOOKS_AT_ENDED:
        await asyncio.sleep(delay)
        delay = min(delay * 2, MAX_LOOK_S)
        looks += track.final
        if not (track.is_heard and is_tracked()):
            return False
        try:
            if await history.has_between(track.execution_id, track.gap_after, track.gap_before):
                return True
        except (PilotError, TimeoutError) as error:
            log.debug("execution %s cannot be read: %s", track.execution_id, error)
    return False
