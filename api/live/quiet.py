"""Tells watchers what an execution that says nothing waits for.

Two things nobody in a worker can tell: an attempt that died with its worker, and that there is no
worker at all. So Temporal is asked, once a second for all, whether any worker lives (of the runs'
task queue, and of those that hold something of what is watched), and about each watched execution
that has been quiet for some seconds, ever more rarely: at most `MAX_LOOKS` of them at once. What it
says becomes live-only events, each said once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

from api.live.tracks import Track
from api.pending import NoWorker, Pending, PendingRuns, Retry
from api.problems import Problem
from pilot.events.model import Envelope, Event, EventType, rfc3339

log = logging.getLogger(__name__)

TICK_S = 0.5
MAX_LOOK_S = 10.0
MAX_LOOKS = 10
NO_WORKER = "no_worker"
MAX_NAMED = 20


class Heard(Protocol):
    """The feed, as this sees it."""

    def tracks(self) -> Iterable[Track]: ...

    def accept(self, envelope: Envelope) -> None: ...


class Quiet:
    def __init__(self, feed: Heard, pending: PendingRuns) -> None:
        self._feed = feed
        self._pending = pending
        self._absent: frozenset[str] = frozenset()
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
        before = self._absent
        try:
            self._absent = await self._without_worker(heard)
        except Problem as problem:
            log.debug("workers cannot be looked for: %s", problem.code)
            return
        own = self._pending.workers.own
        for track in heard:
            self._take_back(track)
            if (self._absent - before) & {own, *track.waits.queues}:
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

    async def _without_worker(self, heard: Iterable[Track]) -> frozenset[str]:
        workers = self._pending.workers
        queues = {workers.own}.union(*(track.waits.queues for track in heard))
        found = [one for one in sorted(queues) if await workers.absent_since(one) is not None]
        return frozenset(found)

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
        told = frozenset() if waits.has_newcomer else waits.no_worker
        waits.has_newcomer = False
        waits.queues = frozenset(pending.work)
        for one in pending.no_worker:
            if one.queue not in told:
                self._say(track, EventType.EXECUTION_WAITING, without_worker(one))
        # of others nothing waits any more; they are taken back with the last of these
        self._now_told(track, frozenset(one.queue for one in pending.no_worker))

    def _take_back(self, track: Track) -> None:
        self._now_told(track, track.waits.no_worker & self._absent)

    def _now_told(self, track: Track, queues: frozenset[str]) -> None:
        before, track.waits.no_worker = track.waits.no_worker, queues
        if before and not queues:
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


def without_worker(one: NoWorker) -> dict[str, Any]:
    """The data of `execution.waiting`."""
    nodes = list(dict.fromkeys(node_id for node_id, _ in one.nodes))
    data = {"reason": NO_WORKER, "since": rfc3339(one.since), "queue": one.queue}
    return data | ({"nodes": nodes[:MAX_NAMED]} if nodes else {})


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
