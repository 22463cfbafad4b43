"""A link of gRPC that can hold the calls of one method, while all others pass.

async with HeldCalls() as link:
    link.hold_calls("StartWorkflowExecution")
    ... until link.calls_held says that they are here ...
    link.hold("answers")
    link.pass_on()          # the calls arrive, their answers do not
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hpack import Decoder

from tests.faults.held_link import HeldLink, Way

PREFACE_BYTES, HEAD_BYTES = 24, 9
DATA, HEADERS = 0, 1
END_HEADERS, PADDED, PRIORITY = 0x04, 0x08, 0x20


class HeldCalls(HeldLink):
    """`calls_held` is how many calls have come since `hold_calls`.

    Of a call that is held the headers pass, as those of later calls build on them; what it asks
    does not, without which no server answers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_held = 0
        self._method: str | None = None
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []

    def hold_calls(self, method: str) -> None:
        """From now on no call of this method passes."""
        self._method, self.calls_held = method, 0

    def pass_on(self) -> None:
        """Lets the calls pass, those that were held first."""
        for writer, frame in self._held:
            writer.write(frame)
        self._forget()

    def release(self) -> None:
        self._forget()
        super().release()

    def _forget(self) -> None:
        self._method = None
        self._held.clear()

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if way == "answers":
            await super()._pump(way, reader, writer)
            return
        decoder = Decoder()
        calls: set[int] = set()
        with suppress(OSError, asyncio.IncompleteReadError):
            writer.write(await reader.readexactly(PREFACE_BYTES))
            while True:
                head = await reader.readexactly(HEAD_BYTES)
                body = await reader.readexactly(int.from_bytes(head[:3]))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
                if kind == HEADERS:
                    assert flags & (END_HEADERS | PADDED | PRIORITY) == END_HEADERS, flags
                    method = dict(decoder.decode(body))[":path"].rpartition("/")[2]
                    if method == self._method:
                        calls.add(stream)
                        self.calls_held += 1
                elif kind == DATA and stream in calls and self._method is not None:
                    self._held.append((writer, head + body))
                    continue
                await self._open[way].wait()
                writer.write(head + body)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()
