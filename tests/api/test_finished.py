"""What API processes share: an issuer's keys, and executions that have ended."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from api.executions import finished, service
from api.executions.finished import Finished
from api.keysets import HttpKeys, KeysUnavailableError
from api.shared_cache import SharedCache
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution
from pilot.tokens import DevelopmentIssuer, jwks_path
from tests.api.conftest import Api, chain
from tests.redis_server import RedisServer

NOWHERE = "http://127.0.0.1:9/jwks.json"


async def ended(api: Api, owner: str = "ada") -> Execution:
    store = api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph=chain())
    now = datetime.now(UTC)
    row = Execution(str(uuid4()), owner, workflow.id, 1, ExecutionStatus.QUEUED, "in", now)
    await store.create_execution(row)
    last = Event(
        EventType.EXECUTION_SUCCEEDED,
        row.id,
        workflow.id,
        now.isoformat(),
        1,
        status="succeeded",
        data={"output": "out"},
    )
    await store.append_events(row.id, [last])
    return await store.get_execution(owner, row.id)


async def test_an_execution_that_has_ended_is_read_once_for_all_processes(
    api: Api, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await ended(api)
    first, second = SharedCache(redis_url), SharedCache(redis_url)
    one = dataclasses.replace(api.parts, finished=Finished(first))
    body = await service.read_body(one, "ada", row.id)
    assert json.loads(body)["output"] == "out"

    async def not_asked(*_: Any) -> Any:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(type(api.parts.store), "get_execution", not_asked)
    other = dataclasses.replace(api.parts, finished=Finished(second))
    for parts in (one, other, other):
        assert await service.read_body(parts, "ada", row.id) == body
    await first.close()
    await second.close()


async def test_one_that_goes_on_is_read_anew(api: Api) -> None:
    row = await ended(api)
    store = api.parts.store
    still = Execution(
        str(uuid4()), "ada", row.workflow_id, 1, ExecutionStatus.QUEUED, None, row.created_at
    )
    await store.create_execution(still)
    assert json.loads(await service.read_body(api.parts, "ada", still.id))["status"] == "queued"
    assert await api.parts.finished.get(still.id) is None


async def test_who_may_not_see_it_is_asked_first(api: Api) -> None:
    row = await ended(api)
    url = f"/api/v1/executions/{row.id}"
    assert (await api.client("ada").get(url)).json()["output"] == "out"
    assert (await api.client("eve").get(url)).status_code == 404


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "MAX_BYTES", 100)
    kept = Finished(SharedCache(None))
    for name in "abc":
        await kept.put(name, b"x" * 40)
    assert [await kept.get(name) for name in "abc"] == [None, b"x" * 40, b"x" * 40]


async def test_a_process_takes_the_keys_that_another_has_fetched(
    redis_url: str, tmp_path: Any
) -> None:
    issuer = DevelopmentIssuer.open(tmp_path)
    url = f"{NOWHERE}?{uuid4()}"
    shared = SharedCache(redis_url)
    content = jwks_path(tmp_path).read_bytes()
    await shared.put(f"jwks:{url}", b"%.3f\n%s" % (time.time(), content), ttl_s=60)
    assert await HttpKeys(url, shared).key(issuer.kid) is not None
    with pytest.raises(KeysUnavailableError):
        await HttpKeys(url).key(issuer.kid)
    for nonsense in (b"", b"soon\n{}", b"1.0\nnot JSON"):
        await shared.put(f"jwks:{url}", nonsense, ttl_s=60)
        with pytest.raises(KeysUnavailableError):
            await HttpKeys(url, shared).key(issuer.kid)
    await shared.close()


async def test_a_cache_that_is_away_is_passed_over(redis_server: RedisServer) -> None:
    cache = SharedCache(redis_server.url)
    await cache.put("a", b"1", ttl_s=60)
    assert await cache.get("a") == b"1"
    redis_server.kill()
    assert await cache.get("a") is None
    began = time.monotonic()
    for _ in range(100):  # it is not asked again for a while
        await cache.put("a", b"2", ttl_s=60)
        assert await cache.get("a") is None
    assert time.monotonic() - began < 5
    await asyncio.wait_for(cache.close(), 5)
