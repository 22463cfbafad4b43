"""Room at models: what an attempt does that finds none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities import throttle
from activities.llm import llm
from activities.resources import Resources, resources
from pilot.graph.task import NodeResult, NodeTask
from pilot.store.migrate import migrate
from pilot.store.places import Caller, Taken
from pilot.store.sql import SqlStore
from pilot.store.usage import WHOLE_ACCOUNT, Limits
from pilot.throttle import ModelLimit
from tests.openai_server import Failure, OpenAIServer, Reply

from .conftest import environment, failure, settings, task

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

LIMITS = "slow*=1, gone=1"
OTHER = Caller("other", "other", "1")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "STAY_S", 0.3)
    monkeypatch.setattr(throttle, "POLL_S", 0.1)
    monkeypatch.setattr(throttle, "RENEW_S", 0.1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    opened = await SqlStore.open(url)
    yield opened
    await opened.close()


@pytest.fixture
async def shared(store: SqlStore, server: OpenAIServer) -> AsyncIterator[Resources]:
    own = settings(
        pilot_llm_api_base=server.base_url,
        pilot_model_limits=LIMITS,
        pilot_allowed_hosts=["127.0.0.1"],
    )
    async with resources(own, usage=store.usage, places=store.places) as opened:
        yield opened


def asking(node_id: str = "node-1", *, yields: bool = True, **config: Any) -> NodeTask:
    node = task("llm", {"prompt_template": "hi", "model": "slow", **config})
    return replace(node, node_id=node_id, yields=yields)


async def ask(node: NodeTask, **options: Any) -> NodeResult:
    return await environment(**options).run(llm, node)


async def hold(store: SqlStore, pattern: str = "slow*") -> None:
    limit = ModelLimit(pattern, 1)
    assert await store.places.take(OTHER, [limit], lease_s=60, present_s=60) is None


def meta_of(error: ApplicationError) -> dict[str, Any]:
    found: dict[str, Any] = error.details[0]["meta"]
    return found


async def test_a_call_has_its_place_while_it_is_made(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    gate = asyncio.Event()
    server.script(Reply("a b", stall_after=1, release=gate))
    asked = asyncio.create_task(ask(asking()))
    async with asyncio.timeout(20):
        while not server.requests:
            await asyncio.sleep(0.01)
    assert await store.places.taken() == {"slow*": Taken(1, 0)}
    gate.set()
    assert (await asked).output == "a b"
    assert await store.places.taken() == {}


async def test_who_finds_no_room_ends_and_says_what_it_waits_for(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    await hold(store)
    error = await failure(llm, asking())
    assert (error.type, error.non_retryable) == ("model_busy", True)
    assert error.message == (
        "waits for room at the model slow: the limit of slow* allows 1 at once"
    )
    waiting = meta_of(error)["waiting"]
    assert {**waiting, "seconds": 0} == {"for": "model", "model": "slow", "ahead": 0, "seconds": 0}
    assert 1 < waiting["seconds"] < 3
    # it is next, so nobody else gets what is free now
    await store.places.give_back(OTHER)
    assert (await failure(llm, asking("late"))).type == "model_busy"
    assert (await ask(asking(), attempt=1)).output == "echo: hi"
    assert len(server.requests) == 1


async def test_what_is_far_behind_comes_back_later(store: SqlStore, shared: Resources) -> None:
    await hold(store)
    seconds = [
        meta_of(await failure(llm, asking(f"node-{i}")))["waiting"]["seconds"] for i in range(4)
    ]
    assert seconds[3] > 2 * seconds[0]


async def test_a_place_that_comes_free_in_time_is_taken(
    store: SqlStore, shared: Resources, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "STAY_S", 60)
    await hold(store)
    asked = asyncio.create_task(ask(asking(), timeout_s=600))
    async with asyncio.timeout(20):
        while (await store.places.taken())["slow*"].waiting == 0:
            await asyncio.sleep(0.01)
    assert not server.requests
    await store.places.give_back(OTHER)
    assert (await asked).output == "echo: hi"


async def test_few_wait_in_their_slots(
    store: SqlStore, shared: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred slots: ten may wait, and the eleventh leaves at once."""
    monkeypatch.setattr(throttle, "STAY_S", 60)
    await hold(store)
    staying = [asyncio.create_task(ask(asking(f"node-{i}"), timeout_s=600)) for i in range(10)]
    async with asyncio.timeout(20):
        while (await store.places.taken())["slow*"].waiting < 10:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert (await failure(llm, asking("node-x"), timeout_s=600)).type == "model_busy"
    assert not any(one.done() for one in staying)
    for one in staying:
        one.cancel()
    await asyncio.gather(*staying, return_exceptions=True)
    # who is cancelled waits no more
    assert (await store.places.taken())["slow*"] == Taken(held=1, waiting=1)


async def test_a_cancelled_call_gives_its_place_back_at_once(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    server.script(Reply("a b", stall_after=1))
    asked = asyncio.create_task(ask(asking()))
    async with asyncio.timeout(20):
        while not server.requests:
            await asyncio.sleep(0.01)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert await store.places.taken() == {}


async def test_a_place_is_held_on_for_as_long_as_the_call_takes(
    store: SqlStore, shared: Resources, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "LEASE_S", 2)
    gate = asyncio.Event()
    server.script(Reply("a b", stall_after=1, release=gate))
    asked = asyncio.create_task(ask(asking()))
    await asyncio.sleep(3)
    assert (await store.places.taken())["slow*"].held == 1
    gate.set()
    await asked


async def test_a_workflow_that_does_not_wait_is_told_to_try_again(
    store: SqlStore, shared: Resources
) -> None:
    """As that of an older release: the wait then counts as an attempt."""
    await hold(store)
    error = await failure(llm, asking(yields=False))
    assert (error.type, error.non_retryable) == ("model_busy", False)
    assert error.next_retry_delay is not None


async def test_no_room_is_no_reason_for_a_fallback(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    await hold(store)
    error = await failure(llm, asking(fallback_models=["other"]))
    assert error.type == "model_busy"
    assert not server.requests


async def test_a_fallback_without_room_is_passed_over(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    await hold(store, "gone")
    server.script(Failure(503), Reply("third"))
    result = await ask(asking(fallback_models=["gone", "third"]))
    assert result.output == "third"
    told = [one["code"] for one in result.meta["fallback_from"]]
    assert told == ["llm_unavailable", "model_busy"]


async def test_an_answer_is_mended_also_where_there_is_no_room_meanwhile(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    """It waits with what it has got, longer than it would for a first call."""
    schema = {"type": "object", "required": ["a"]}
    first, done = asyncio.Event(), asyncio.Event()

    async def answer(body: dict[str, Any]) -> Reply:
        if len(server.requests) == 1:
            first.set()
            return Reply("{}")
        return Reply('{"a": 1}')

    async def other() -> None:
        limit = ModelLimit("slow*", 1)
        await first.wait()
        while await store.places.take(OTHER, [limit], lease_s=60, present_s=60) is not None:
            await asyncio.sleep(0.005)
        await asyncio.sleep(1)
        await store.places.give_back(OTHER)
        done.set()

    server.answer = answer
    try:
        blocking = asyncio.create_task(other())
        result = await ask(asking(output_schema=schema))
        await blocking
    finally:
        server.answer = None
    assert result.output == {"a": 1}
    assert done.is_set()


async def test_a_budget_is_free_again_for_a_call_that_finds_no_room(
    store: SqlStore, shared: Resources
) -> None:
    await store.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**6))
    await hold(store)
    assert (await failure(llm, asking())).type == "model_busy"
    spent = await store.usage.spent("user-1", None, datetime.now(UTC).date())
    assert (spent.tokens, spent.reserved_tokens) == (0, 0)
    assert await store.usage.calls("exec-1") == []


async def test_without_a_database_no_call_is_made(server: OpenAIServer, tmp_path: Path) -> None:
    store = await SqlStore.open(f"sqlite:///{tmp_path / 'none.db'}")
    own = settings(pilot_llm_api_base=server.base_url, pilot_model_limits=LIMITS)
    async with resources(own, places=store.places):
        error = await failure(llm, asking())
        assert error.type == "model_busy"
        assert "no database" in error.message
        assert not server.requests
        assert (await ask(asking(model="unlimited"))).output == "echo: hi"
    await store.close()


async def test_a_server_of_the_nodes_own_has_its_address_in_the_name(
    store: SqlStore, shared: Resources, server: OpenAIServer
) -> None:
    """An operator's limit on `slow` says nothing of what others call so."""
    await hold(store)
    assert (await ask(asking(api_base=server.base_url))).output == "echo: hi"
    host = server.base_url.removeprefix("http://").partition("/")[0]
    own = settings(pilot_model_limits=f"{host}/*=1", pilot_allowed_hosts=["127.0.0.1"])
    await hold(store, f"{host}/*")
    async with resources(own, places=store.places):
        assert (await failure(llm, asking(api_base=server.base_url))).type == "model_busy"
