"""Whether any worker polls a task queue now, known within seconds of its death.

Temporal remembers a poller for minutes after it was killed, and a worker that lives asks anew
only once a minute. But workers also send heartbeats (every `HEARTBEAT_S`, see `pilot.temporal`),
which the server lists. A heartbeat's time is its worker's own clock, so a worker is taken to live
for as long as that time goes on moving, by the clock of this process; only the first look has to
believe it. Of servers that list no workers (see docs/deploy.md) the pollers have to do.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import WorkerStatus

from api.live.shared_calls import SharedCalls
from api.runs import Runs
from pilot.temporal import HEARTBEAT_S

LOOK_EVERY_S = 1.0
MISSED_BEATS = 3


@dataclass(slots=True)
class _Beat:
    """A worker's last heartbeat: its time by the worker (Unix seconds), when it was first seen
    here (monotonic), and how far apart they come."""

    identity: str
    at: float
    seen_at: float
    every_s: float = HEARTBEAT_S
    is_ending: bool = False

    def is_fresh(self, now: float) -> bool:
        return not self.is_ending and now < self.seen_at + MISSED_BEATS * self.every_s


class Workers:
    """One for the process, of all task queues."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._queues: dict[str, _Queue] = {}

    @property
    def own(self) -> str:
        """The runs' queue."""
        return self._runs.task_queue

    async def absent_since(self, queue: str | None = None) -> datetime | None:
        """Since when there has been no worker of a queue (the runs'); None while there is one.

        Raises `Problem` (503) where Temporal does not answer: then nobody knows.
        """
        name = queue or self.own
        known = self._queues.get(name)
        if known is None:
            known = self._queues[name] = _Queue(self._runs, name)
        return await known.absent_since()


class _Queue:
    """However many ask, the server is asked once a second at most."""

    def __init__(self, runs: Runs, name: str) -> None:
        self._runs = runs
        self._name = name
        self._shared = SharedCalls()
        self._beats: dict[str, _Beat] = {}
        self._looked_at = float("-inf")
        self._absent_since: datetime | None = None

    async def absent_since(self) -> datetime | None:
        if time.monotonic() >= self._looked_at + LOOK_EVERY_S:
            await self._shared("workers", self._look)
        return self._absent_since

    async def _look(self) -> None:
        now = time.monotonic()
        if now < self._looked_at + LOOK_EVERY_S:
            return  # another looked while this one waited for its turn
        await self._listen(now)
        alive = any(beat.is_fresh(now) for beat in self._beats.values()) or await self._polled(now)
        self._looked_at = now
        if alive:
            self._absent_since = None
        elif self._absent_since is None:
            last = max((beat.at for beat in self._beats.values()), default=time.time())
            self._absent_since = datetime.fromtimestamp(min(last, time.time()), UTC)

    async def _listen(self, now: float) -> None:
        known, self._beats = self._beats, {}
        for heartbeat in await self._runs.heartbeats(self._name):
            key, at = heartbeat.worker_instance_key, heartbeat.heartbeat_time.ToNanoseconds() / 1e9
            before = known.get(key)
            if before is None:
                beat = _Beat(heartbeat.worker_identity, at, now - max(time.time() - at, 0.0))
            elif before.at == at:
                beat = before
            else:
                beat = _Beat(before.identity, at, now, before.every_s)
                if now < self._looked_at + 2 * LOOK_EVERY_S:  # else beats between went unseen
                    beat.every_s = max(HEARTBEAT_S, at - before.at)
            beat.is_ending = heartbeat.status not in (
                WorkerStatus.WORKER_STATUS_RUNNING,
                WorkerStatus.WORKER_STATUS_UNSPECIFIED,
            )
            self._beats[key] = beat

    async def _polled(self, now: float) -> bool:
        """Whether somebody polls who sends no heartbeats."""
        silent = {beat.identity for beat in self._beats.values() if not beat.is_fresh(now)}
        return any(identity not in silent for identity in await self._runs.pollers(self._name))
