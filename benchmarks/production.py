"""API processes as production has them, for benchmarks: `pilot api` in the environment
`production`, on PostgreSQL (which syncs to disk), with an issuer of RS256 tokens and Temporal's
development server beside them, all on this machine."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psutil

from pilot.crypto import new_key
from pilot.embedded import server_command
from pilot.processes import die_with_parent, free_ports
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from tests.deploy.issuer import Issuer, issuer
from tests.postgres import postgres
from tests.redis_server import RedisServer
from tests.stack import PILOT, clean_environment

START_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Api:
    """A running API. `process` is its server, or the supervisor of several."""

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Backends:
    """What API processes need, all of it running."""

    store: SqlStore
    database_url: str
    temporal_address: str
    redis_url: str
    issuer: Issuer
    encryption_key: str
    folder: Path
    postgres: psutil.Process
    temporal: psutil.Process

    @asynccontextmanager
    async def api(self, **environment: str) -> AsyncIterator[Api]:
        """`pilot api`, ready, with these settings beside production's."""
        [port] = free_ports(1)
        log = self.folder / f"api-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: ASYNC220
                [*PILOT, "api"],
                cwd=self.folder,
                env=clean_environment(**self._environment(port), **environment),
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(),  # noqa: PLW1509
            )
        try:
            await _ready(f"http://127.0.0.1:{port}/readyz", log, process)
            yield Api(port, psutil.Process(process.pid))
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    def _environment(self, port: int) -> dict[str, str]:
        return {
            "PILOT_ENV": "production",
            "PILOT_HOST": "127.0.0.1",
            "PILOT_PORT": str(port),
            "PILOT_DATA_DIR": str(self.folder),
            "PILOT_ENCRYPTION_KEY": self.encryption_key,
            "PILOT_MAX_RUNS_PER_USER": "1000000",
            "PILOT_API_DRAIN_S": "0",
            "CLERK_JWT_ISSUER": self.issuer.url,
            "DATABASE_URL": self.database_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
        }


def cpu_s(process: psutil.Process) -> float:
    """Processor seconds of a process and all that it has started, ended ones included."""
    found = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            found += sum(one.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return found


@asynccontextmanager
async def backends() -> AsyncIterator[Backends]:
    """PostgreSQL on its Unix socket, Temporal, Redis and an issuer, with migrated tables."""
    async with AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        server = parts.enter_context(postgres())
        connection = await asyncpg.connect(server.url)
        await connection.execute("ALTER SYSTEM SET fsync = on")
        await connection.execute("SELECT pg_reload_conf()")
        session = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
        postmaster = session.parent()
        assert postmaster is not None
        await connection.close()
        await migrate(server.url)
        store = await SqlStore.open(server.url)
        parts.push_async_callback(store.close)
        [port] = free_ports(1)
        temporal = subprocess.Popen(  # noqa: ASYNC220
            server_command(port=port, ui_port=None, database=folder / "temporal.db"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )
        parts.callback(temporal.wait)
        parts.callback(temporal.terminate)
        redis = RedisServer(folder)
        redis.start()
        parts.callback(redis.kill)
        yield Backends(
            store=store,
            database_url=server.url,
            temporal_address=f"127.0.0.1:{port}",
            redis_url=redis.url,
            issuer=await parts.enter_async_context(issuer()),
            encryption_key=new_key(),
            folder=folder,
            postgres=postmaster,
            temporal=psutil.Process(temporal.pid),
        )


async def _ready(url: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(START_LIMIT_S):
        while True:
            if process.poll() is not None:
                raise SystemExit(log.read_text())  # noqa: ASYNC240
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
