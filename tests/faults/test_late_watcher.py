"""Two API processes, and a model that speaks: who comes late, on either, reads what the first one
did, through a killed worker, a flushed Redis and a killed API process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from pilot.client import AsyncClient
from tests.fleet import Fleet
from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.redis_server import RedisServer
from tests.stack import execute, finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(300),
]

WITHIN_S = 90.0
WORDS = [f"word{number}" for number in range(600)]
WHOLE = " ".join(WORDS)
HALF = " ".join(WORDS[:300])
ASK: dict[str, Any] = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "ask",
            "type": "llm",
            "config": {"prompt_template": "Speak.", "on_unknown": "retry"},
        },
        {"id": "output", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "ask"}, {"source": "ask", "target": "output"}],
}


@pytest.fixture(scope="module")
async def models() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture(scope="module")
async def redis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
async def fleet(
    tmp_path_factory: pytest.TempPathFactory, models: OpenAIServer, redis: RedisServer
) -> AsyncIterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    environment = {"REDIS_URL": redis.url, "PILOT_LLM_API_BASE": models.base_url}
    async with Fleet(folder, apis=2, workers=1, **environment) as running:
        yield running


class Reader:
    """Folds tokens to a text, as a page does. `truncated`: it was told that it misses some."""

    def __init__(self) -> None:
        self.text = ""
        self.attempt = 1
        self.truncated = False
        self.ended = False
        self._task: asyncio.Task[None] | None = None

    def take(self, event: dict[str, Any]) -> None:
        data = event.get("data", {})
        if event["type"] == "llm.token":
            if data.get("anew"):
                self.text = ""
                self.truncated = data.get("truncated", False)
            self.text += data["text"]
            self.attempt = event["attempt"]
        elif event["type"] == "node.retrying" and event["attempt"] >= self.attempt:
            self.text = ""
        self.ended = self.ended or event["type"] == "execution.succeeded"

    async def read(self, text: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.text != text:
                await asyncio.sleep(0.02)

    async def read_all(self, text: str) -> None:
        """Until the run's end; no token comes twice or too late."""
        async with asyncio.timeout(WITHIN_S):
            while not self.ended:
                await asyncio.sleep(0.02)
        assert self.text == text

    def over_websocket(self, fleet: Fleet, replica: int, execution: str) -> Reader:
        async def listen() -> None:
            url = fleet.urls[replica].replace("http", "ws", 1)
            headers = {"Authorization": f"Bearer {fleet.token()}"}
            async with connect(f"{url}/ws/tester", additional_headers=headers) as socket:
                await socket.send(json.dumps({"type": "unsubscribe", "all": True}))
                await socket.send(json.dumps({"type": "subscribe", "execution_id": execution}))
                async for message in socket:
                    self.take(json.loads(message))

        return self._begin(listen())

    def over_sse(self, fleet: Fleet, replica: int, execution: str) -> Reader:
        async def listen() -> None:
            headers = {"Authorization": f"Bearer {fleet.token()}"}
            url = f"{fleet.urls[replica]}/api/v1/executions/{execution}/events"
            async with (
                httpx.AsyncClient(timeout=None) as client,
                client.stream("GET", url, headers=headers) as lines,
            ):
                async for line in lines.aiter_lines():
                    if line.startswith("data: "):
                        self.take(json.loads(line.removeprefix("data: ")))

        return self._begin(listen())

    def by_client(self, fleet: Fleet, replica: int, execution: str) -> Reader:
        async def listen() -> None:
            async with AsyncClient(fleet.urls[replica], fleet.token()) as client:
                async for event in client.watch(execution):
                    self.take(event.to_json())

        return self._begin(listen())

    def _begin(self, work: Any) -> Reader:
        self._task = asyncio.create_task(work)
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def late_ones(fleet: Fleet, execution: str) -> list[Reader]:
    """One of each kind on each replica."""
    return [
        way(Reader(), fleet, replica, execution)
        for replica in (0, 1)
        for way in (Reader.over_websocket, Reader.over_sse, Reader.by_client)
    ]


async def stopped(readers: list[Reader]) -> None:
    await asyncio.gather(*(reader.stop() for reader in readers))


async def test_a_late_watcher_reads_what_an_early_one_did(
    fleet: Fleet, models: OpenAIServer
) -> None:
    release = asyncio.Event()
    models.script(Reply(WHOLE, pause_s=0.002, stall_after=300, release=release))
    async with fleet.client() as client:
        execution = await execute(client, await save(client, ASK))
        readers = [Reader().over_websocket(fleet, 0, execution)]
        for replica in (1, 0, 1, 0, 1):  # in the midst of it
            await asyncio.sleep(0.1)
            readers.append(Reader().over_websocket(fleet, replica, execution))
        for reader in readers:
            await reader.read(HALF)
        still = late_ones(fleet, execution)  # while nothing is said
        for reader in still:
            await reader.read(HALF)
        readers += still
        release.set()
        readers += late_ones(fleet, execution)
        for reader in readers:
            await reader.read_all(WHOLE)
            assert not reader.truncated
        assert (await finished(client, execution))["output"] == WHOLE
    await stopped(readers)


async def test_after_a_killed_worker_the_new_attempts_text_is_read(
    fleet: Fleet, models: OpenAIServer
) -> None:
    release = asyncio.Event()
    models.script(
        Reply("lost with its worker " * 20, stall_after=50),
        Reply(WHOLE, stall_after=300, release=release),
    )
    async with fleet.client() as client:
        execution = await execute(client, await save(client, ASK))
        early = Reader().over_websocket(fleet, 0, execution)
        async with asyncio.timeout(WITHIN_S):
            while not early.text.startswith("lost with"):
                await asyncio.sleep(0.02)
        await fleet.workers[0].kill()
        await fleet.workers[0].start()
        await early.read(HALF)
        readers = late_ones(fleet, execution)
        for reader in readers:
            await reader.read(HALF)
        release.set()
        for reader in (early, *readers):
            await reader.read_all(WHOLE)
            assert not reader.truncated
    await stopped([early, *readers])


async def test_a_flush_is_told_and_a_killed_replica_costs_nothing(
    fleet: Fleet, models: OpenAIServer, redis: RedisServer
) -> None:
    release, second = asyncio.Event(), asyncio.Event()
    client_of_redis = Redis.from_url(redis.url)

    async def answer(body: dict[str, Any]) -> Reply:
        return Reply(WHOLE, stall_after=300, release=second if models.requests[1:] else release)

    models.reset()
    models.answer = answer
    async with fleet.client() as client:
        workflow = await save(client, ASK)
        execution = await execute(client, workflow)
        early = Reader().by_client(fleet, 1, execution)
        await early.read(HALF)

        await fleet.apis[0].kill()
        await fleet.apis[0].start()
        readers = late_ones(fleet, execution)
        for reader in readers:
            await reader.read(HALF)
        release.set()
        for reader in (early, *readers):
            await reader.read_all(WHOLE)
            assert not reader.truncated

        execution = await execute(client, workflow)
        watching = Reader().by_client(fleet, 1, execution)
        await watching.read(HALF)
        await client_of_redis.flushall()
        missing = late_ones(fleet, execution)
        second.set()
        for reader in (watching, *missing):
            async with asyncio.timeout(WITHIN_S):
                while not reader.ended:
                    await asyncio.sleep(0.02)
        assert watching.text == WHOLE  # had what was flushed
        for reader in missing:
            assert WHOLE.endswith(reader.text)
    models.answer = None
    await client_of_redis.aclose()
    await stopped([early, watching, *readers, *missing])
