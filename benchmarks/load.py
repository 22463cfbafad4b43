"""The load of `benchmarks.api`: a process of its own that sends prepared requests over HTTP/1.1.

`python -m benchmarks.load`, told on stdin what to send. **Open loop**: the time of each request is
fixed before the first one is sent, and its latency counts from that time. A server that falls
behind is not spared by a client that waits for it (coordinated omission), and what the generator
itself was late by is told too. **Closed loop**: so many connections, each with one request at a
time.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

COUNTER = b"@@@@@@@@"
"""Stands in a prepared request for a number that no other one has."""
NICE = 10
"""Clients are on machines of their own: here they take what the servers leave."""
SETTLE_S = 30.0
"""How long answers are waited for after the last request was due."""
MAX_CONNECTIONS = 1_000
MAX_LINE_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class Seen:
    """Of one kind of request: how long each answer took, in milliseconds, and their statuses (0:
    no answer)."""

    took_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def note(self, took_s: float, status: int) -> None:
        self.took_ms.append(took_s * 1000)
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Connection(asyncio.Protocol):
    """A kept connection with one request at a time. `done` is called with the answer's status, 0
    where the connection was lost."""

    def __init__(self, idle: deque[Connection]) -> None:
        self._idle = idle
        self._transport: Any = None
        self._buffer = bytearray()
        self._done: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, request: bytes, done: Any) -> None:
        self._done = done
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        status = _answered(self._buffer)
        if status is not None:
            self._buffer.clear()
            self._idle.append(self)
            done, self._done = self._done, None
            done(status)

    def connection_lost(self, _: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self._done is not None:
            self._done(0)


def _answered(buffer: bytearray) -> int | None:
    """The status of the answer that the buffer holds; None while it is not there whole."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    status = int(buffer[9:12])
    if status in (204, 304):
        return status
    head = bytes(buffer[:end]).lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if found:
        is_whole = len(buffer) - end - 4 >= int(rest.partition(b"\r\n")[0])
    else:
        is_whole = buffer.endswith(b"0\r\n\r\n")  # of an answer in chunks
    return status if is_whole else None


class Load:
    """Requests by kind, each kind's in turn."""

    def __init__(self, port: int, requests: Mapping[str, Sequence[str]]) -> None:
        self._port = port
        self._next: dict[str, Iterator[bytes]] = {
            kind: itertools.cycle(one.encode() for one in all) for kind, all in requests.items()
        }
        self._numbers = itertools.count(random.randrange(10_000_000))
        self._idle: deque[Connection] = deque()
        self._open = 0
        self._waiting: deque[tuple[float, str]] = deque()
        self._left = 0
        self._ended = asyncio.Event()
        self.seen = {kind: Seen() for kind in requests}
        self.late_ms: list[float] = []

    def request(self, kind: str) -> bytes:
        return next(self._next[kind]).replace(COUNTER, b"%08d" % next(self._numbers))

    async def connect(self, count: int) -> None:
        """Opens so many more connections."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            self._open += 1
            _, one = await loop.create_connection(
                lambda: Connection(self._idle), "127.0.0.1", self._port
            )
            self._idle.append(one)

    async def open_loop(self, plan: Sequence[tuple[float, str]]) -> None:
        """Sends each request of the plan at its second, on whatever connection is free."""
        loop = asyncio.get_running_loop()
        began = loop.time() + 0.1
        self._left = len(plan)
        for at, kind in plan:
            loop.call_at(began + at, self._due, began + at, kind)
        try:
            async with asyncio.timeout(plan[-1][0] + SETTLE_S):
                await self._ended.wait()
        except TimeoutError:
            for _ in range(self._left):
                self.seen[plan[-1][1]].note(SETTLE_S, 0)

    def _due(self, at: float, kind: str) -> None:
        self._waiting.append((at, kind))
        self._send()
        if self._waiting and self._open < MAX_CONNECTIONS:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._one_more())
            task.add_done_callback(lambda _: None)

    async def _one_more(self) -> None:
        self._open -= 1
        await self.connect(1)
        self._send()

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._idle:
            at, kind = self._waiting.popleft()
            self.late_ms.append((loop.time() - at) * 1000)
            # the one used last: few connections are kept busy, the others stay spare
            self._idle.pop().send(self.request(kind), lambda s, at=at, k=kind: self._done(at, k, s))

    def _done(self, at: float, kind: str, status: int) -> None:
        self.seen[kind].note(asyncio.get_running_loop().time() - at, status)
        self._left -= 1
        if self._left == 0:
            self._ended.set()
        self._send()

    async def closed_loop(self, kind: str, connections: int, seconds: float) -> float:
        """As many requests as there is time for; the seconds that they took."""
        await self.connect(connections)
        loop = asyncio.get_running_loop()
        began = loop.time()
        ends = began + seconds
        under_way = 0

        def again() -> None:
            nonlocal under_way
            under_way += 1
            sent = loop.time()
            self._idle.popleft().send(self.request(kind), lambda status: answered(sent, status))

        def answered(sent: float, status: int) -> None:
            nonlocal under_way
            under_way -= 1
            now = loop.time()
            self.seen[kind].note(now - sent, status)
            if now < ends and self._idle:
                again()
            elif under_way == 0:
                self._ended.set()

        for _ in range(connections):
            again()
        await self._ended.wait()
        return loop.time() - began


@dataclass(frozen=True, slots=True)
class Job:
    """What the process is told: `plan` for an open loop, else the kind, connections and seconds of
    a closed one."""

    port: int
    requests: Mapping[str, Sequence[str]]
    plan: Sequence[tuple[float, str]] | None = None
    closed: tuple[str, int, float] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `late_ms` is by how much requests left later than planned."""

    seconds: float
    seen: Mapping[str, Seen]
    late_ms: Sequence[float]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Outcome:
        seen = {
            kind: Seen(one["took_ms"], {int(s): n for s, n in one["statuses"].items()})
            for kind, one in said["seen"].items()
        }
        return cls(said["seconds"], seen, said["late_ms"])

    @property
    def answers(self) -> int:
        return sum(len(one.took_ms) for one in self.seen.values())


def arrivals(per_s: Mapping[str, float], seconds: float, seed: int) -> list[tuple[float, str]]:
    """A plan: requests of each kind come at random, independently, at so many a second (a Poisson
    process, as that of many users who know nothing of each other)."""
    source = random.Random(seed)
    found = []
    for kind, rate in per_s.items():
        at = source.expovariate(rate)
        while at < seconds:
            found.append((at, kind))
            at += source.expovariate(rate)
    return sorted(found)


async def loaded(job: Job) -> Outcome:
    """Has a process of its own do it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    said, _ = await process.communicate(json.dumps(asdict(job)).encode())
    if process.returncode != 0:
        raise SystemExit("the load's process failed")
    return Outcome.of(json.loads(said))


async def _run(job: Job) -> Outcome:
    load = Load(job.port, job.requests)
    began = time.perf_counter()
    if job.plan is not None:
        await load.connect(32)
        began = time.perf_counter()
        await load.open_loop([(at, kind) for at, kind in job.plan])
        seconds = time.perf_counter() - began
    else:
        assert job.closed is not None
        seconds = await load.closed_loop(*job.closed)
    return Outcome(seconds, load.seen, load.late_ms)


if __name__ == "__main__":
    os.nice(NICE)
    import uvloop

    told = json.loads(sys.stdin.buffer.read())
    print(json.dumps(asdict(uvloop.run(_run(Job(**told))))))
