"""What Redis keeps of an owner is forgotten, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from starlette.types import Scope

from api.caller import Caller
from api.limits import Limits, Rate
from pilot.caches import Caches
from pilot.events.streams import stream_of
from pilot.settings import Settings
from tests.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


async def test_an_owner_leaves_no_key(server: RedisServer) -> None:
    ada, friends = "a*da[1]", ("a-b-da[1]", "a*da[1]2", "bob")
    limits = Limits.open(Settings(_env_file=None, redis_url=SecretStr(server.url)))
    redis = Redis.from_url(server.url, decode_responses=True)
    for user in (ada, *friends):
        scope: Scope = {"type": "http"}
        await limits.admit(scope, Caller(user, 0), Rate.READS)
        await limits.admit(scope, Caller(user, 0), Rate.EXECUTES)
        await redis.xadd(stream_of(user), {"e": "1"})
    before = set(await redis.keys())
    assert sum(ada in key for key in before) >= 3
    caches = Caches(server.url)
    await caches.forget_owner(ada)
    left = set(await redis.keys())
    assert left == {key for key in before if any(friend in key for friend in friends)}
    assert len(left) == 9
    for one in (caches, limits):
        await one.close()
    await redis.aclose()
