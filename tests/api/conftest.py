"""A real API: uvicorn on a free port, the SQLite store, and, where asked for, Temporal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.parts import Parts
from api.runs import Runs
from api.server import server
from pilot.processes import die_with_parent, free_ports
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.tokens import DevelopmentIssuer

NOWHERE = "127.0.0.1:9"
BUS_TOKEN = "bus-token"


@dataclass
class Api:
    """A running API process's address, tokens and (it is this process) parts."""

    url: str
    settings: Settings
    parts: Parts
    issuer: DevelopmentIssuer
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def ws(self) -> str:
        return self.url.replace("http://", "ws://")

    def token(self, user: str = "ada", ttl_s: int = 3600) -> str:
        return self.issuer.mint(user, ttl_s)

    def client(self, user: str | None = "ada", **headers: str) -> httpx.AsyncClient:
        if user is not None:
            headers = {"Authorization": f"Bearer {self.token(user)}", **headers}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


def settings_for(data_dir: Path, **fields: Any) -> Settings:
    [port, bus] = free_ports(2)
    return Settings(
        _env_file=None,
        pilot_env="development",
        pilot_data_dir=data_dir,
        pilot_port=port,
        pilot_bus_url=f"tcp://127.0.0.1:{bus}",
        pilot_bus_token=BUS_TOKEN,
        **{"temporal_address": NOWHERE, **fields},
    )


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Api]:
    await migrate(settings.store_url)
    running = server(settings)
    task = asyncio.create_task(running.serve())
    while not running.started:
        assert not task.done(), "the API did not start"
        await asyncio.sleep(0.01)
    api = Api(
        f"http://127.0.0.1:{settings.pilot_port}",
        settings,
        running.config.app.state.parts,
        DevelopmentIssuer.open(settings.pilot_data_dir),
    )
    try:
        yield api
    finally:
        await api.close()
        running.should_exit = True
        await task


@pytest.fixture(scope="session")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """An API whose Temporal server is not there."""
    async with serving(settings_for(tmp_path_factory.mktemp("api"))) as running:
        yield running


@pytest.fixture
def just_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Temporal has just gone: it answered as it was asked, and not when a run is started."""

    async def answers(_self: Runs) -> None:
        return None

    monkeypatch.setattr(Runs, "require_answer", answers)


@pytest.fixture
def client(api: Api) -> httpx.AsyncClient:
    return api.client()


@pytest.fixture(scope="session")
async def live_api(
    tmp_path_factory: pytest.TempPathFactory, temporal_address: str
) -> AsyncIterator[Api]:
    """An API with a Temporal server."""
    settings = settings_for(
        tmp_path_factory.mktemp("live"),
        temporal_address=temporal_address,
        temporal_task_queue="api-tests",
        temporal_ui_url="http://127.0.0.1:8233/",
    )
    async with serving(settings) as running:
        yield running


class Worker:
    """`python -m worker` on the live API's queue, to be killed and started again."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        s = self._settings
        environment = {
            "PATH": os.environ["PATH"],
            "PILOT_ENV": "development",
            "PILOT_DATA_DIR": str(s.pilot_data_dir),
            "TEMPORAL_ADDRESS": s.temporal_address,
            "TEMPORAL_TASK_QUEUE": s.temporal_task_queue,
            "PILOT_BUS_URL": s.pilot_bus_url or "",
            "PILOT_BUS_TOKEN": BUS_TOKEN,
            "PILOT_ALLOWED_HOSTS": "127.0.0.1",
        }
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                env=environment,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(),  # noqa: PLW1509
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
async def worker(live_api: Api, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worker]:
    log = tmp_path_factory.mktemp("worker") / "worker.log"
    running = Worker(live_api.settings, log)
    running.start()
    try:
        async with asyncio.timeout(40):
            while not await live_api.parts.runs.pollers():
                await asyncio.sleep(0.05)
        yield running
    except TimeoutError:
        pytest.fail(log.read_text())
    finally:
        running.kill()


class Gate:
    """A server for http nodes: `/wait/<name>` answers when the test opens `<name>`."""

    def __init__(self) -> None:
        self._open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._came: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.url = ""

    def open(self, name: str) -> None:
        self._open[name].set()

    async def came(self, name: str) -> None:
        async with asyncio.timeout(20):
            await self._came[name].wait()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            name = head.split()[1].decode().rpartition("/")[2]
            self._came[name].set()
            await self._open[name].wait()
            body = f'{{"gate":"{name}"}}'.encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture(scope="session")
async def gate() -> AsyncIterator[Gate]:
    handler = Gate()
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    handler.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield handler
    server.close()


def chain(*nodes: dict[str, Any], name: str = "Chain") -> dict[str, Any]:
    """A workflow: start, the given nodes, output."""
    all_nodes = [
        {"id": "start", "type": "start", "config": {}},
        *nodes,
        {"id": "output", "type": "output", "config": {}},
    ]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(all_nodes)]
    return {"name": name, "nodes": all_nodes, "edges": edges}


@pytest.fixture
def make_chain() -> Any:
    return chain


@pytest.fixture
def serve() -> Any:
    """`async with serve(settings_for(folder, ...)) as api`"""
    return serving, settings_for
