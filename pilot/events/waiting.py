"""Lines that wait for a connection: bounded, the dispensable ones given up first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from pilot.events.model import Envelope, Event
from pilot.events.preview import trim
from pilot.events.texts import telling
from pilot.events.wire import encode

MAX_WAITING_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024


class Line(NamedTuple):
    """An encoded envelope. A live-only one cannot be repaired, and need not be. `event` is kept of
    what changes the texts so far, without what they do not need of it."""

    user_id: str
    text: bytes
    is_live: bool
    event: Event | None


class WaitingLines:
    """A queue of lines. Over its bound live-only ones go first, the oldest first, then the
    oldest of the rest, which readers repair by `seq`. `dropped` counts both."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._live_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, envelopes: Sequence[Envelope]) -> None:
        """Encodes and appends them, trimmed."""
        for envelope in envelopes:
            event = trim(envelope.event)
            text = encode(replace(envelope, event=event))
            line = Line(envelope.user_id, text, event.seq is None, telling(event))
            if len(line.text) >= MAX_LINE_BYTES:
                self.dropped += 1
                continue
            self._lines.append(line)
            self._count(line, 1)
        self._bound()

    def take(self, max_bytes: int) -> list[Line]:
        """The next lines, of at most that many bytes but at least one."""
        taken: list[Line] = []
        size = 0
        while self._lines and (not taken or size + len(self._lines[0].text) <= max_bytes):
            line = self._lines.popleft()
            size += len(line.text)
            taken.append(line)
            self._count(line, -1)
        return taken

    def put_back(self, lines: Sequence[Line]) -> None:
        """Lines that perhaps did not arrive go to the front again, but not the live-only ones:
        twice is worse than never for what has no `seq`."""
        durable = [line for line in lines if not line.is_live]
        self.dropped += len(lines) - len(durable)
        for line in reversed(durable):
            self._lines.appendleft(line)
            self._count(line, 1)
        self._bound()

    def drop_live(self) -> None:
        """Gives up every live-only line: late, they would only confuse."""
        self._shed(0)

    def _bound(self) -> None:
        if self._bytes > MAX_WAITING_BYTES:
            # to well below the bound, so that not every line costs a pass over all
            self._shed(MAX_WAITING_BYTES * 3 // 4)
        while self._bytes > MAX_WAITING_BYTES:
            self._count(self._lines.popleft(), -1)
            self.dropped += 1

    def _shed(self, target: int) -> None:
        """Drops the oldest live-only lines until no more than `target` bytes wait."""
        if not self._live_bytes:
            return
        kept: deque[Line] = deque()
        for line in self._lines:
            if line.is_live and self._bytes > target:
                self._count(line, -1)
                self.dropped += 1
            else:
                kept.append(line)
        self._lines = kept

    def _count(self, line: Line, sign: int) -> None:
        self._bytes += sign * len(line.text)
        if line.is_live:
            self._live_bytes += sign * len(line.text)


class BufferedPublisher:
    """A worker's end of a bus. `publish` buffers and returns; a task of its own, `_keep_sending`,
    sends what waits until the publisher is closed and nothing waits any more."""

    def __init__(self) -> None:
        self._lines = WaitingLines()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.connected = False

    @property
    def dropped(self) -> int:
        return self._lines.dropped

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self._lines.add(envelopes)
        self._ready.set()
        if self._task is None and not self._closing:
            self._task = asyncio.create_task(self._keep_sending())

    async def close(self) -> None:
        """Sends what waits if there is a connection (at most one second), then ends."""
        self._closing = True
        self._ready.set()
        if self._task is not None:
            if self.connected:
                await asyncio.wait([self._task], timeout=1.0)
            await ended(self._task)

    async def _keep_sending(self) -> None:
        raise NotImplementedError


async def ended(task: asyncio.Task[None]) -> None:
    """Cancels the task until it has ended. Redis' client uses `asyncio.wait_for`, which until
    Python 3.12 may swallow a cancellation (python/cpython#86296)."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
