"""Real parts for every test that needs them: a tuned Temporal server, and the whole stack.

Each is started once a session, on free ports of 127.0.0.1, and dies with the test process.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from xdist.scheduler import LoadFileScheduling

from pilot.embedded import server_command
from pilot.events.bus import Bus, InProcessBus
from pilot.events.redis import RedisBus
from pilot.processes import die_with_parent, free_ports
from pilot.settings import Settings
from pilot.temporal import connect
from tests.redis_server import RedisServer
from tests.stack import Stack

START_LIMIT_S = 30
SHARE_A_PROCESS = ("activities", "events", "workflows_def")
"""Rooms whose tests install what a process has one of (the sink, the activities' resources): they
run one after another, in this order."""


class ByRoom(LoadFileScheduling):  # type: ignore[misc]
    """A file's tests run in one process, and so do all of the rooms above."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        place = PurePath(file).parts[1:]
        return "one process" if len(place) == 1 or place[0] in SHARE_A_PROCESS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom:
    """For `pytest -n`. (xdist's own groups do nothing with pytest 9.2.)"""
    return ByRoom(config, log)


@pytest.fixture(scope="session")
async def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """`host:port` of a tuned development server with πlot's search attributes, in memory."""
    [port] = free_ports(1)
    log = tmp_path_factory.mktemp("temporal") / "temporal.log"
    command = server_command(port=port, ui_port=None)
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: ASYNC220 (forking takes a millisecond)
            command,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (no other thread runs yet)
        )
    address = f"127.0.0.1:{port}"
    try:
        await until_serving(server, address, log)
        yield address
    finally:
        server.kill()
        server.wait()


async def until_serving(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Returns once the server knows the namespace: its port answers a moment earlier."""
    client = await connect(Settings(temporal_address=address), lazy=True)
    async with asyncio.timeout(START_LIMIT_S):
        while True:
            assert server.poll() is None, log.read_text()
            try:
                await client.workflow_service.describe_namespace(
                    DescribeNamespaceRequest(namespace="default"), timeout=timedelta(seconds=1)
                )
            except Exception:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.fixture(scope="session")
async def temporal_client(temporal_address: str) -> Client:
    """A client with πlot's data converter."""
    return await connect(Settings(temporal_address=temporal_address))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`pilot dev`, whole and ready, shared by the session's tests; each is another user."""
    running = Stack(tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that the session's tests share: each uses users of its own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be killed, flushed and started again."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["in process", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    """Each bus that keeps what models say."""
    if request.param == "in process":
        yield InProcessBus()
        return
    bus = RedisBus(request.getfixturevalue("redis_server").url)
    yield bus
    await bus.close()
