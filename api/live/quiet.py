"""Tells watchers what an execution that says nothing waits for.

Two things nobody in a worker can tell: an attempt that died with its worker, and that there is no
worker at all. So Temporal is asked, once a second for all, whether any worker lives, and about
each watched execution that has been quiet for some seconds, ever more rarely: at most `MAX_LOOKS`
of them at once. What it says becomes live-only events, each said once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from api.live.tracks import Track
from api.pending import Pending, PendingRuns, Retry
from api.problems import Problem
from pilot.events.model import Envelope, Event, EventType, rfc3339

log = logging.getLogger(__name__)

TICK_S = 0.5
MAX_LOOK_S = 10.0
MAX_LOOKS = 10
NO_WORKER = "no_worker"


class Heard(Protocol):
    """The feed, as this sees it."""

    def tracks(self) -> Iterable[Track]: ...

    def accept(self, envelope: Envelope) -> None: ...


class Quiet:
    def __init__(self, feed: Heard, pending: PendingRuns) -> None:
        self._feed = feed
        self._pending = pending
        self._absent_since: datetime | None = None
        self._looks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Looks until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                try:
                    await self._tick()
                except Exception:  # nothing else would tell from here on
                    log.exception("quiet executions could not be looked after")
        finally:
            for look in self._looks.values():
                look.cancel()

    async def _tick(self) -> None:
        heard = [track for track in self._feed.tracks() if _is_heard(track)]
        if not heard:
            return
        before = self._absent_since
        try:
            self._absent_since = await self._pending.workers.absent_since()
        except Problem as problem:
            log.debug("workers cannot be looked for: %s", problem.code)
            return
        if self._absent_since is None:
            for track in heard:
                self._take_back(track)
        elif before is None:
            for track in heard:
                track.waits.look_soon()
        now = time.monotonic()
        for track in heard:
            if len(self._looks) >= MAX_LOOKS:
                return
            waits = track.waits
            if now < max(track.spoke_at, waits.looked_at) + waits.look_every:
                continue
            if track.execution_id in self._looks:
                continue
            waits.looked_at = now
            waits.look_every = min(waits.look_every * 2, MAX_LOOK_S)
            self._looks[track.execution_id] = asyncio.create_task(self._look(track))

    async def _look(self, track: Track) -> None:
        try:
            pending = await self._pending.of(track.execution_id)
            if pending is not None and not track.final:
                self._tell(track, pending)
        finally:
            del self._looks[track.execution_id]

    def _tell(self, track: Track, pending: Pending) -> None:
        waits = track.waits
        waits.workflow_id = pending.workflow_id
        for retry in pending.retries:
            failed = (retry.node_id, retry.path, retry.attempt - 1)
            if failed not in waits.failed:
                waits.failed.add(failed)
                self._say(track, EventType.NODE_RETRYING, retrying(retry), retry)
        since = pending.no_worker_since
        is_news = waits.has_newcomer or not waits.no_worker
        waits.has_newcomer = False
        if since is not None and self._absent_since is not None and is_news:
            waits.no_worker = True
            data = {"reason": NO_WORKER, "since": rfc3339(since)}
            self._say(track, EventType.EXECUTION_WAITING, data)

    def _take_back(self, track: Track) -> None:
        if track.waits.no_worker:
            track.waits.no_worker = False
            self._say(track, EventType.EXECUTION_RESUMED, {"reason": NO_WORKER})

    def _say(
        self, track: Track, type: EventType, data: dict[str, Any], retry: Retry | None = None
    ) -> None:
        event = Event(
            type,
            track.execution_id,
            track.waits.workflow_id,
            rfc3339(datetime.now(UTC)),
            node_id=None if retry is None else retry.node_id,
            path="" if retry is None else retry.path,
            attempt=None if retry is None else retry.attempt - 1,
            data=data,
        )
        self._feed.accept(Envelope(track.user_id, event))


def retrying(retry: Retry) -> dict[str, Any]:
    """The data of `node.retrying`."""
    data: dict[str, Any] = {"error": retry.error}
    if retry.at is not None:
        data["next_attempt_at"] = rfc3339(retry.at)
    if retry.max_attempts:
        data["max_attempts"] = retry.max_attempts
    return data


def _is_heard(track: Track) -> bool:
    return (
        track.is_heard and not track.final and track.repair is None and track.last_seq is not None
    )
