"""The bus of several API processes and workers: a short stream of events a user, on Redis.

A worker appends entries of several events each (XADD), trimmed to a length and expiring soon
after the last one. An API process reads the streams of those users only whom it has watchers
of (`pilot.events.streams`). Redis is never waited for and holds nothing that counts: while it
is away, watchers are kept up to date from the store and the runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from pilot.errors import SettingsError
from pilot.events import kept_texts
from pilot.events.bus import Subscription
from pilot.events.model import Envelope
from pilot.events.streams import (
    ANSWER_LIMIT_S,
    AWAY,
    BLOCK_MS,
    FIELD,
    FIRST_BACKOFF_S,
    MAX_BACKOFF_S,
    StreamReader,
    stream_of,
)
from pilot.events.texts import SoFar
from pilot.events.waiting import BufferedPublisher, Line

log = logging.getLogger(__name__)

MAX_ENTRIES = 256
"""Of a user's stream, approximately; with entries of 16 KB that is 4 MB at most."""
ENTRY_BYTES = 16 * 1024
STREAM_TTL_S = 60
"""How long a stream outlives its last entry: for readers that were away for a moment."""
WRITE_BYTES = 256 * 1024


def parse_redis_url(url: str) -> str:
    """The URL, if it is one of Redis; `SettingsError`, without its password, if not."""
    scheme = urlsplit(url).scheme
    if scheme not in ("redis", "rediss", "unix"):
        raise SettingsError(
            f"REDIS_URL begins with {scheme + '://' if scheme else 'no scheme'!r}: "
            "it should be redis://, rediss:// (over TLS) or unix://"
        )
    try:
        Redis.from_url(url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None
    return url


def connection(url: str, *, answer_limit_s: float = ANSWER_LIMIT_S) -> Redis:
    """A client that connects when it is first used and leaves all trying again to us."""
    return Redis.from_url(url, **connection_options(answer_limit_s))


def connection_options(answer_limit_s: float) -> dict[str, Any]:
    """Of every connection; an answer is waited for `answer_limit_s` seconds."""
    return {
        "socket_connect_timeout": ANSWER_LIMIT_S,
        "socket_timeout": answer_limit_s,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "client_name": "pilot",
    }


class RedisPublisher(BufferedPublisher):
    """A worker's end: writes with backoff where Redis is away. Durable events that perhaps did
    not arrive are written again: `seq` tells doubles."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.redis = connection(parse_redis_url(url))
        self.connected = True

    async def ping(self) -> None:
        """One round trip. Raises one of `AWAY`."""
        await self.redis.ping()

    async def close(self) -> None:
        await super().close()
        await self.redis.aclose()

    async def _keep_sending(self) -> None:
        backoff = FIRST_BACKOFF_S
        while not (self._closing and not self._lines):
            await self._ready.wait()
            self._ready.clear()
            while self._lines:
                if await self._write(self._lines.take(WRITE_BYTES)):
                    backoff = FIRST_BACKOFF_S
                    continue
                if self._closing:
                    return
                await asyncio.sleep(backoff)
                self._lines.drop_live()
                backoff = min(backoff * 2, MAX_BACKOFF_S)

    async def _write(self, lines: list[Line]) -> bool:
        pipeline = self.redis.pipeline(transaction=False)
        kept_texts.write(
            pipeline, [(line.user_id, line.event) for line in lines if line.event is not None]
        )
        by_user: dict[str, list[Line]] = {}
        for line in lines:
            by_user.setdefault(line.user_id, []).append(line)
        for user_id, theirs in by_user.items():
            stream = stream_of(user_id)
            for entry in _entries(theirs):
                pipeline.xadd(stream, {FIELD: entry}, maxlen=MAX_ENTRIES, approximate=True)
            pipeline.expire(stream, STREAM_TTL_S)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except AWAY as error:
            self._say(f"does not answer: {error}")
            self._lines.put_back(lines)
            return False
        refusals = [answer for answer in answers if isinstance(answer, ResponseError)]
        # what Redis refuses (it is full, say) it would refuse again: readers repair it
        self._say(f"refuses events: {refusals[0]}" if refusals else None)
        return True

    def _say(self, trouble: str | None) -> None:
        """Notes how it goes; each change is logged once."""
        if trouble is not None and self.connected:
            log.warning("Redis %s", trouble)
        elif trouble is None and not self.connected:
            log.info("Redis takes events again")
        self.connected = trouble is None


def _entries(lines: Sequence[Line]) -> Iterator[bytes]:
    """One user's lines, joined to entries of some 16 KB."""
    entry: list[bytes] = []
    size = 0
    for line in lines:
        if entry and size + len(line.text) > ENTRY_BYTES:
            yield b"\n".join(entry)
            entry, size = [], 0
        entry.append(line.text)
        size += len(line.text)
    if entry:
        yield b"\n".join(entry)


class RedisBus:
    """An API process's end: reads the streams of the users whom its subscribers follow."""

    def __init__(self, url: str) -> None:
        self._url = parse_redis_url(url)
        self._publisher = RedisPublisher(url)
        self._readers: set[StreamReader] = set()

    @property
    def connected(self) -> bool:
        return all(reader.connected for reader in self._readers)

    @property
    def condition(self) -> str:
        if not self.connected:
            return "Redis does not answer: progress is read from the store"
        streams = sum(reader.streams for reader in self._readers)
        return f"Redis, {streams} streams read"

    async def ping(self) -> None:
        """One round trip. Raises one of `AWAY`."""
        await self._publisher.ping()

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        await self._publisher.publish(envelopes)

    async def texts(self, user_id: str, execution_id: str) -> list[SoFar]:
        try:
            return await kept_texts.read(self._publisher.redis, user_id, execution_id)
        except AWAY as error:
            log.debug("the texts so far cannot be read: %s", error)
            return []

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        reader = StreamReader(self._reading_connection)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            await reader.stop()

    async def close(self) -> None:
        for reader in self._readers:
            reader.close()
        await self._publisher.close()

    def _reading_connection(self) -> Redis:
        return connection(self._url, answer_limit_s=BLOCK_MS / 1_000 + ANSWER_LIMIT_S)
