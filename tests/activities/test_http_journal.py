"""A request that may not be repeated is not, whatever became of the worker that sent it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from activities.http import http
from activities.http_journal import STEP
from activities.resources import resources
from pilot.errors import UnavailableError
from pilot.graph.task import NodeResult
from pilot.store.llm_calls import LlmCallStore
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from tests.stack import until

from .conftest import environment, failure, settings, task
from .http_server import Server, http_server

KEY = "exec-1:node-1:"


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[LlmCallStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    async with resources(settings(pilot_allowed_hosts=["127.0.0.1"]), llm_calls=store.llm_calls):
        yield store.llm_calls
    await store.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with http_server() as running:
        yield running


def post(server: Server, path: str = "/echo", **config: Any) -> Any:
    return task("http", {"url": server.url + path, "method": "POST", **config})


async def run(node: Any, attempt: int = 1) -> NodeResult:
    return await environment(attempt=attempt).run(http, node)


async def lost_in_the_middle(node: Any, server: Server) -> None:
    """An attempt that is cut off as a worker's death does it: nothing more is done."""
    running = asyncio.create_task(run(node))
    await until(lambda: server.requests, within_s=10, every_s=0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_request_whose_outcome_nobody_knows_is_not_sent_again(
    calls: LlmCallStore, server: Server, method: str
) -> None:
    node = post(server, "/slow", method=method)
    await lost_in_the_middle(node, server)
    assert (await calls.of(KEY))[STEP].state == "sent"
    error = await failure(http, node, attempt=2)
    assert (error.type, error.non_retryable) == ("http_outcome_unknown", True)
    assert error.details[0]["meta"]["lost_attempt"] == 1
    assert len(server.requests) == 1


@pytest.mark.parametrize("config", [{"method": "PUT"}, {"retry_unsafe": True}])
async def test_one_that_may_be_repeated_is(
    calls: LlmCallStore, server: Server, config: dict[str, Any]
) -> None:
    await lost_in_the_middle(post(server, "/slow", **config), server)
    assert await calls.of(KEY) == {}
    assert (await run(post(server, **config), attempt=2)).meta["status"] == 200
    assert len(server.requests) == 2


async def test_an_answer_that_had_come_is_used(calls: LlmCallStore, server: Server) -> None:
    node = post(server, body={"a": 1})
    first = await run(node)
    second = await run(node, attempt=2)
    assert second.output == first.output
    assert second.meta["recovered"] is True
    assert second.meta["status"] == 200
    assert len(server.requests) == 1


async def test_a_request_that_was_refused_is_sent_again(
    calls: LlmCallStore, server: Server
) -> None:
    assert not (await failure(http, post(server, "/status/429"))).non_retryable
    assert (await run(post(server), attempt=2)).output["method"] == "POST"


async def test_a_store_that_is_away_holds_up_only_who_must_know(
    calls: LlmCallStore, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise UnavailableError("the database does not answer")

    for name in ("of", "sent", "answered", "forget"):
        monkeypatch.setattr(type(calls), name, away)
    assert (await run(post(server))).meta["status"] == 200
    error = await failure(http, post(server), attempt=2)
    assert (error.type, error.non_retryable) == ("store_unavailable", False)
    assert len(server.requests) == 1
