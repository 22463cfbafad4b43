"""The texts so far on Redis: a short list of pieces for each node whose model speaks.

They are written in the pipeline that writes the events themselves, and before these. So a process
that has begun to read the events and reads the lists after that misses no piece, and knows those
that it gets twice by their place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from pilot.events.model import Event
from pilot.events.texts import SILENCING, NodeKey, Piece, SoFar, Text, node_key
from pilot.events.wire import dumps

MAX_PIECES = 4_000
"""Of a node: at twenty a second, three minutes without a pause."""
TTL_S = 600
"""How long a text outlives its last piece, where nothing says that its node has ended."""


def write(pipeline: Pipeline, events: Iterable[tuple[str, Event]]) -> None:
    """Adds to the pipeline what these events of users change in the texts."""
    said: dict[tuple[str, str], dict[NodeKey, list[bytes]]] = {}
    silenced: dict[bytes, None] = {}
    for user_id, event in events:
        run = (user_id, event.execution_id)
        if event.type in SILENCING:
            said.get(run, {}).pop(node_key(event), None)
            silenced[_list_of(*run, node_key(event))] = None
        elif (piece := Piece.of(event)) is not None:
            pieces = said.setdefault(run, {}).setdefault(node_key(event), [])
            if piece.anew:
                pieces.clear()
            pieces.append(piece.encode())
    if silenced:
        pipeline.delete(*silenced)
    for run, nodes in said.items():
        for key, pieces in nodes.items():
            if not pieces:
                continue
            name = _list_of(*run, key)
            pipeline.rpush(name, *pieces)
            pipeline.ltrim(name, -MAX_PIECES, -1)
            pipeline.expire(name, TTL_S)
        if nodes:
            index = _index_of(*run)
            pipeline.sadd(index, *(dumps(key) for key in nodes))
            pipeline.expire(index, TTL_S)


async def read(redis: Redis, user_id: str, execution_id: str) -> list[SoFar]:
    """The texts of a run. Raises one of `AWAY`."""
    index: Any = await redis.smembers(_index_of(user_id, execution_id))
    keys: list[NodeKey] = [(node_id, path) for node_id, path in map(json.loads, index)]
    pipeline = redis.pipeline(transaction=False)
    for key in keys:
        pipeline.lrange(_list_of(user_id, execution_id, key), 0, -1)
    texts = []
    for key, lines in zip(keys, await pipeline.execute() if keys else [], strict=True):
        text = Text()
        for line in lines:
            text.add(Piece.decode(line))
        if lines:
            texts.append(text.so_far(key))
    return texts


def _index_of(user_id: str, execution_id: str) -> bytes:
    return f"pilot:texts:{user_id}:{execution_id}".encode(errors="surrogatepass")


def _list_of(user_id: str, execution_id: str, key: NodeKey) -> bytes:
    return b"%s:%s" % (_index_of(user_id, execution_id), dumps(key))
