"""Temporal, and any number of API and worker processes, each the test's own to kill.

    async with Fleet(tmp_path, workers=3) as fleet, fleet.client() as client:
        ... execute ...
        await fleet.workers[1].kill()       # SIGKILL, and reaped when it returns
        await fleet.workers[1].start()      # polls when it returns

Unlike `pilot dev` (`tests.stack.Stack`), nothing is restarted by itself. With several API
processes the loopback bus cannot be: give `REDIS_URL`, or watchers get by on the store and
queries.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from temporalio.client import Client

from pilot.dev import fetch_health
from pilot.embedded import server_command
from pilot.processes import Child, free_ports, python_command
from pilot.settings import Settings
from pilot.temporal import connect
from tests.stack import START_LIMIT_S, Served, clean_environment

GRACE_S = 6.0


class Part:
    """One process of a fleet. `start` returns once it serves, `kill` once it is gone."""

    def __init__(self, child: Child, ready: Callable[[], Awaitable[bool]]) -> None:
        self._child = child
        self._ready = ready

    @property
    def pid(self) -> int:
        assert self._child.pid is not None
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.pid is not None and psutil.pid_exists(self._child.pid)

    def log(self) -> str:
        """What all its processes said, stdout and stderr."""
        path = self._child.log
        assert path is not None
        return path.read_text(errors="replace") if path.exists() else ""

    def spawn(self) -> None:
        """Starts the process and waits for nothing."""
        self._child.start()

    async def ready(self) -> None:
        """Returns once the process that was started last serves."""
        began = time.monotonic()
        while not await self._ready():
            assert time.monotonic() - began < START_LIMIT_S, self.log()[-3000:]
            await asyncio.sleep(0.05)

    async def start(self) -> None:
        self.spawn()
        await self.ready()

    async def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)
        await self._child.wait()

    async def exit_code(self) -> int:
        """Returns once it has ended by itself."""
        return await self._child.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it within a few seconds."""
        await self._child.stop(GRACE_S)


class Fleet(Served):
    """`workers` and `apis` are the processes, each a `Part`; `temporal` is one too. `url` is
    the first API's. `environment` is given to every process of ours on top of what it needs;
    the http nodes of a fleet may call loopback; `api_environment` to the APIs only.
    `database_url` is SQLite in `folder` by default. Of the workers, the first `spawned` (all by
    default) run from the beginning. `worker_module` is what runs as a worker.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        apis: int = 1,
        database_url: str | None = None,
        spawned: int | None = None,
        worker_module: str = "worker",
        api_environment: Mapping[str, str] | None = None,
        **environment: str,
    ) -> None:
        self.api_environment = api_environment or {}
        self.folder = folder
        self._worker_module = worker_module
        self._spawned = workers if spawned is None else spawned
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        temporal, ui, bus, *ports = free_ports(3 + apis)
        self.temporal_address = f"127.0.0.1:{temporal}"
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.url = self.urls[0]
        self.environment = clean_environment(
            **{
                "PILOT_ENV": "development",
                "PILOT_DATA_DIR": str(self.data_dir),
                "PILOT_ALLOWED_HOSTS": "127.0.0.1",
                "TEMPORAL_ADDRESS": self.temporal_address,
                "TEMPORAL_UI_URL": f"http://127.0.0.1:{ui}",
                **({"DATABASE_URL": database_url} if database_url else {}),
                **(_loopback(bus) if apis == 1 and "REDIS_URL" not in environment else {}),
                **environment,
            }
        )
        server = server_command(port=temporal, ui_port=ui, database=self.data_dir / "temporal.db")
        self.temporal = Part(self._child("temporal", server), self._temporal_answers)
        self.apis = [self._api(index, port) for index, port in enumerate(ports)]
        self.workers = [self.worker(index) for index in range(workers)]

    def worker(self, index: int, **environment: str) -> Part:
        """Another worker process, not started; the caller sees to its end."""
        child = self._child(f"worker-{index}", python_command(self._worker_module), environment)

        async def polls() -> bool:
            return f"pid {part.pid})" in part.log()

        part = Part(child, polls)
        return part

    def _api(self, index: int, port: int) -> Part:
        environment = {"PILOT_PORT": str(port), **self.api_environment}
        child = self._child(f"api-{index}", python_command("api"), environment)

        async def answers() -> bool:
            return await fetch_health(port) is not None

        return Part(child, answers)

    def _child(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        env = {**self.environment, **(environment or {})}
        return Child(name, command, log=self.folder / f"{name}.log", env=env)

    async def _temporal_answers(self) -> bool:
        host, _, port = self.temporal_address.rpartition(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        return True

    async def temporal_client(self) -> Client:
        """A client with πlot's data converter."""
        return await connect(Settings(temporal_address=self.temporal_address))

    async def __aenter__(self) -> Self:
        try:
            self.temporal.spawn()
            migration = self._child("migrate", python_command("pilot.cli", "migrate"))
            migration.start()
            assert await migration.wait() == 0, "\n".join(migration.last_lines())
            await self.temporal.ready()
            parts = (*self.apis, *self.workers[: self._spawned])
            for part in parts:
                part.spawn()
            for part in parts:
                await part.ready()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(part.stop() for part in (*self.apis, *self.workers)))
        await self.temporal.stop()


def _loopback(port: int) -> dict[str, str]:
    return {
        "PILOT_BUS_URL": f"tcp://127.0.0.1:{port}",
        "PILOT_BUS_TOKEN": secrets.token_urlsafe(32),
    }
