"""A real API: uvicorn on a free port, the SQLite store, and, where asked for, Temporal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.__main__ import server
from api.parts import Parts
from pilot.processes import free_ports
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
    running.config.log_config = None
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
