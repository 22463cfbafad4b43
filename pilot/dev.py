"""`pilot dev`: the whole of πlot on one machine, as a supervisor of real processes.

Temporal's development server, the API and a worker are children; the store is SQLite in the
data folder. The supervisor itself imports none of them: it starts in a tenth of a second,
stays small, and has one thread, as a process that forks should.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot.datadir import (
    ApiState,
    StackState,
    TemporalState,
    WorkerState,
    locked,
    remove_state,
    write_state,
)
from pilot.embedded import server_command
from pilot.errors import PilotError
from pilot.exits import CLIENT_VARIABLES
from pilot.processes import PARENT_PIPE, Child, free_ports, is_free, python_command

READY_LIMIT_S = 60.0
HEALTH_INTERVAL_S = 0.1
HEALTH_LIMIT_S = 5.0
GRACE_S = 6.0

FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.1, 10.0
STEADY_S = 30.0
"""A process that lived this long is restarted without the backoff of its earlier deaths."""
MAX_EARLY_DEATHS = 3
"""So often a part may die before the stack was ever ready."""
CODEC_PATH = "/api/v1/codec"
BAD_SETTINGS = 2
"""The exit code of a part that cannot start with these settings: starting it again is vain."""


@dataclass(frozen=True, slots=True)
class Options:
    """Ports of 127.0.0.1; 0 picks a free one. With `free_ports` one that is in use is replaced
    by a free one instead of refused. `run` is a workflow's file, run once all is ready."""

    data_dir: Path = Path(".pilot")
    port: int = 8000
    temporal_port: int = 7233
    ui_port: int = 8233
    free_ports: bool = False
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    api: int
    temporal: int
    ui: int
    bus: int


class StartError(PilotError):
    """The stack did not come up; the message names the part and ends with its last words."""

    code = "not_ready"


def choose_ports(options: Options) -> Ports:
    """The wanted ports. Raises `PilotError` naming the port and its flag where one is taken."""
    wanted = {
        "--port": options.port,
        "--temporal-port": options.temporal_port,
        "--ui-port": options.ui_port,
    }
    for flag, port in wanted.items():
        if not port or is_free(port):
            continue
        if not options.free_ports:
            raise PilotError(
                f"port {port} is in use: choose another with {flag} (0 picks a free one)",
                code="port_in_use",
            )
        say(f"port {port} is in use: taking a free one")
        wanted[flag] = 0
    spare = iter(free_ports(4))
    api, temporal, ui = (port or next(spare) for port in wanted.values())
    return Ports(api, temporal, ui, bus=next(spare))


def child_environment(options: Options, ports: Ports, base: Mapping[str, str]) -> dict[str, str]:
    """What every child is given on top of the environment and `.env`. Where another server is
    configured for `pilot run`, the first run is of this one all the same."""
    return {
        **{name: value for name, value in base.items() if name not in CLIENT_VARIABLES},
        "PILOT_ENV": "development",
        "PILOT_DATA_DIR": str(options.data_dir.resolve()),
        "PILOT_HOST": "127.0.0.1",
        "PILOT_PORT": str(ports.api),
        "PILOT_BUS_URL": f"tcp://127.0.0.1:{ports.bus}",
        "PILOT_BUS_TOKEN": secrets.token_urlsafe(32),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{ports.temporal}",
        "TEMPORAL_NAMESPACE": "default",
        "TEMPORAL_UI_URL": f"http://127.0.0.1:{ports.ui}",
    }


def needs_codec(env: Mapping[str, str]) -> bool:
    """Whether Temporal's Web UI can read all payloads only with the API's help: the children will
    encrypt them, or store some apart. They read `.env` as well."""
    from dotenv import dotenv_values  # noqa: PLC0415 (only this asks)

    file = dotenv_values(".env")
    payloads = env.get("PILOT_PAYLOADS") or file.get("PILOT_PAYLOADS") or ""
    key = "PILOT_ENCRYPTION_KEY"
    return payloads.strip().lower() != "off" or bool(env.get(key) or file.get(key))


class Stack:
    """The children, kept running until `stop`."""

    def __init__(self, options: Options, ports: Ports, env: Mapping[str, str]) -> None:
        self.ports = ports
        self.url = f"http://127.0.0.1:{ports.api}"
        self.ui = env["TEMPORAL_UI_URL"]
        self._data_dir = options.data_dir
        # The write end stays open, here alone, for as long as this process lives.
        self._pipe, self._held = os.pipe()
        python_env = {**env, PARENT_PIPE: str(self._pipe)}
        logs = options.data_dir / "logs"

        def child(name: str, command: list[str], variables: Mapping[str, str]) -> Child:
            return Child(name, command, log=logs / f"{name}.log", env=variables)

        self.temporal = child(
            "temporal",
            server_command(
                port=ports.temporal,
                ui_port=ports.ui,
                database=options.data_dir.resolve() / "temporal.db",
                codec_endpoint=f"{self.url}{CODEC_PATH}" if needs_codec(env) else None,
            ),
            env,
        )
        self.migration = child("migrate", python_command("pilot.cli", "migrate"), python_env)
        self.api = child("api", python_command("api"), python_env)
        self.worker = child("worker", python_command("worker"), python_env)
        self.first_run = Child(
            "run",
            python_command("pilot.cli", "run", str(options.run)),
            log=None,
            env=python_env,
        )
        self._parts = (self.temporal, self.api, self.worker)
        self._keepers: list[asyncio.Task[None]] = []
        self._was_ready = False
        self._deaths = dict.fromkeys((part.name for part in self._parts), 0)

    async def start(self) -> None:
        """Starts everything. Raises `StartError`."""
        self._spawn(self.temporal)
        self._spawn(self.migration)
        if await self.migration.wait() != 0:
            raise _failure("the store could not be prepared", self.migration)
        self._spawn(self.api)
        self._spawn(self.worker)
        self._note()
        self._keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]

    async def until_ready(self) -> None:
        """Returns once the API says that all parts answer. Raises `StartError`."""
        health: dict[str, Any] | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_LIMIT_S):
                while not is_healthy(health := await fetch_health(self.ports.api)):
                    self._raise_if_hopeless()
                    await asyncio.sleep(HEALTH_INTERVAL_S)
                self._was_ready = True
                return
        parts = (
            [self.api]
            if health is None
            else [part for part in self._parts if not _is_up(health, part.name)]
        )
        raise _failure(f"not ready after {READY_LIMIT_S:.0f} s", *(parts or self._parts))

    def _raise_if_hopeless(self) -> None:
        for keeper in self._keepers:
            if keeper.done():
                keeper.result()

    async def run_once(self) -> None:
        """Runs the workflow of the options as `pilot run` does, progress and answer shown."""
        self._spawn(self.first_run)
        if code := await self.first_run.wait():
            say(f"the run ended with exit code {code}")

    async def keep(self) -> None:
        """Restarts what dies, until a part cannot be started at all (`StartError`)."""
        await asyncio.gather(*self._keepers)

    async def stop(self) -> None:
        """Ends every child: first those that still have something to tell Temporal."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(
            *(
                part.stop(GRACE_S)
                for part in (self.migration, self.first_run, self.api, self.worker)
            )
        )
        await self.temporal.stop(GRACE_S)
        os.close(self._held)
        os.close(self._pipe)

    async def _keep(self, part: Child) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            started = time.monotonic()
            code = await part.wait()
            if code == BAD_SETTINGS:
                raise _failure(f"{part.name} cannot start", part)
            if time.monotonic() - started > STEADY_S:
                backoff = FIRST_BACKOFF_S
                self._deaths[part.name] = 0
            self._deaths[part.name] += 1
            if self._deaths[part.name] >= MAX_EARLY_DEATHS and not self._was_ready:
                raise _failure(f"{part.name} ends as soon as it is started", part)
            say(f"{part.name} ended ({_reason(code)}): starting it again")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_S)
            self._spawn(part)
            self._note()

    def _spawn(self, part: Child) -> None:
        part.start(pass_fds=() if part is self.temporal else (self._pipe,))

    def _note(self) -> None:
        write_state(
            self._data_dir,
            StackState(
                ApiState(self.url, self.api.pid),
                WorkerState(self.worker.pid),
                TemporalState(f"127.0.0.1:{self.ports.temporal}", self.ui, self.temporal.pid),
            ),
        )


async def fetch_health(port: int) -> dict[str, Any] | None:
    """The body of `GET /health`, or None while nobody answers. (By hand: an HTTP client would
    take longer to import than the supervisor takes to start.)"""
    request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(HEALTH_LIMIT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request.encode())
                answer = await reader.read(65_536)
                while chunk := await reader.read(65_536):
                    answer += chunk
            finally:
                writer.close()
        body = json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, TimeoutError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def is_healthy(health: dict[str, Any] | None) -> bool:
    return health is not None and health.get("status") == "ok"


def _is_up(health: dict[str, Any], name: str) -> bool:
    part = health.get("parts", {}).get(name, {})
    return name == "api" or part.get("status") == "ok"


def _failure(what: str, *parts: Child) -> StartError:
    """The error with each part's last log lines."""
    lines = [what]
    for part in parts:
        lines.append(f"{part.name} ({part.log}):")
        lines += [f"  {line[:500]}" for line in part.last_lines()] or ["  (nothing logged)"]
    return StartError("\n".join(lines))


def _reason(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def say(text: str) -> None:
    """A line for the person at the terminal; stdout holds the ready line alone."""
    print(text, file=sys.stderr, flush=True)


async def serve(options: Options) -> None:
    """Runs the stack until SIGINT, SIGTERM or SIGHUP. Raises `PilotError` where it cannot."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _cancel_once, task)
    with locked(options.data_dir):
        ports = choose_ports(options)
        stack = Stack(options, ports, child_environment(options, ports, os.environ))
        try:
            await stack.start()
            await stack.until_ready()
            print(f"pilot ready {stack.url}", flush=True)
            if options.run is not None:
                await stack.run_once()
            say(addresses(stack, options.data_dir, await canvas_link(stack, options)))
            await stack.keep()
        except asyncio.CancelledError:
            say("stopping")
        finally:
            await stack.stop()
            remove_state(options.data_dir)


async def canvas_link(stack: Stack, options: Options) -> str:
    """The canvas's address, with a token of the development issuer where that signs in. It stands
    in the fragment, which no browser sends; the page takes it off the address."""
    command = python_command("pilot.cli", "token", "--data-dir", str(options.data_dir))
    minting = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    token, _ = await minting.communicate()
    canvas = f"{stack.url}/app/"
    return f"{canvas}#token={token.decode().strip()}" if minting.returncode == 0 else canvas


def addresses(stack: Stack, data_dir: Path, canvas: str) -> str:
    """Where everything is, for the person at the terminal."""
    return (
        f"  API                {stack.url} (health: /health; a token: pilot token)\n"
        f"  Temporal's Web UI  {stack.ui}\n"
        f"  Canvas             {canvas}\n"
        f"  Data and logs      {data_dir}\n"
        "Serving until Ctrl-C."
    )


def _cancel_once(task: asyncio.Task[None]) -> None:
    if not task.cancelling():
        task.cancel()
