"""Several server processes behind one port, and a server that starts anew when its code changes.

The port is opened here, once, and every server inherits it: the kernel gives each connection to
one that accepts, and while one is replaced, connections wait instead of being refused.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pilot
import workflows_def
from api.server import GRACE_S
from pilot.errors import SettingsError
from pilot.processes import PARENT_PIPE, Child, python_command
from pilot.settings import Settings

LISTENER = "PILOT_API_LISTENER"
"""The environment variable with the number of the inherited socket."""
BAD_SETTINGS = 2
BACKLOG = 2_048
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.1, 10.0
STEADY_S = 30.0
LOOK_EVERY_S = 0.5
STOP_LIMIT_S = 3.0
"""Beyond the grace of a server, for its parts to close."""


def is_wanted(settings: Settings) -> bool:
    """Whether servers are to be started by a supervisor, and this is not one of them."""
    return LISTENER not in os.environ and (settings.reloads or settings.pilot_api_workers > 1)


def inherited() -> list[socket.socket] | None:
    """The supervisor's port, in a server that it started."""
    number = os.environ.get(LISTENER)
    return None if number is None else [socket.socket(fileno=int(number))]


def listen(settings: Settings) -> socket.socket:
    """Raises `SettingsError` where the port cannot be had."""
    host, port = settings.pilot_host, settings.pilot_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"PILOT_HOST, PILOT_PORT: cannot listen on {host}:{port} ({error.strerror})"
        ) from error


class Supervisor:
    """Keeps the servers running until SIGTERM or SIGINT."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._pipe, self._held = os.pipe()
        environment = {
            **os.environ,
            LISTENER: str(listener.fileno()),
            PARENT_PIPE: str(self._pipe),
        }
        self._servers = [
            Child(f"api-{number}", python_command("api"), log=None, env=environment)
            for number in range(settings.pilot_api_workers)
        ]

    async def run(self) -> int:
        """The exit code: 0 when it was asked to end, that of bad settings where a server has it."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        for server in self._servers:
            self._start(server)
        tasks = [asyncio.create_task(self._keep(server)) for server in self._servers]
        hopeless = asyncio.gather(*tasks)
        if self._settings.reloads:
            tasks.append(asyncio.create_task(self._reload()))
        waiting = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
            return 0 if asked.is_set() else BAD_SETTINGS
        finally:
            for task in (waiting, *tasks):
                task.cancel()
            await asyncio.gather(waiting, *tasks, hopeless, return_exceptions=True)
            grace_s = self._settings.api_drain_s + GRACE_S + STOP_LIMIT_S
            await asyncio.gather(*(server.stop(grace_s) for server in self._servers))

    def _start(self, server: Child) -> None:
        server.start(pass_fds=(self._listener.fileno(), self._pipe))

    async def _keep(self, server: Child) -> None:
        """Ends only where a server cannot be started with these settings."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            began = time.monotonic()
            code = await server.wait()
            if code == BAD_SETTINGS:
                return
            if code == 0 or time.monotonic() - began > STEADY_S:
                backoff_s = FIRST_BACKOFF_S
            _say(f"{server.name} ended ({code}): starting it again")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)
            self._start(server)

    async def _reload(self) -> None:
        """Asks the servers to end when our code changes; they are started again then."""
        seen = _stamps()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = await asyncio.to_thread(_stamps)
            if now != seen:
                changed = {path for path, _ in seen.items() ^ now.items()}
                _say(f"{', '.join(sorted(path.name for path in changed))} changed")
                seen = now
                for server in self._servers:
                    if server.pid is not None:
                        os.kill(server.pid, signal.SIGTERM)


def _stamps() -> dict[Path, int]:
    """When each file of the code that a server runs was written."""
    rooms = (Path(__file__).parent, *(Path(room.__path__[0]) for room in (pilot, workflows_def)))
    stamps: dict[Path, int] = {}
    for room in rooms:
        for path in room.rglob("*.py"):
            try:
                stamps[path] = path.stat().st_mtime_ns
            except FileNotFoundError:
                continue
    return stamps


def supervise(settings: Settings) -> int:
    """Runs the servers to the end, and returns the process's exit code."""
    with listen(settings) as listener:
        return asyncio.run(Supervisor(settings, listener).run())


def _say(text: str) -> None:
    print(f"api: {text}", file=sys.stderr, flush=True)
