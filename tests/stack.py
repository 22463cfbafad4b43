"""The real stack for tests: `pilot dev` as a subprocess on free ports, in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket

from pilot.processes import die_with_parent
from pilot.tokens import mint

START_LIMIT_S = 60
STOP_LIMIT_S = 20
PILOT = [sys.executable, "-P", "-m", "pilot.cli"]
ANY_PORTS = ["--port", "0", "--temporal-port", "0", "--ui-port", "0"]
FINAL = ("succeeded", "failed", "cancelled", "timed_out")


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without what a developer may have configured for a real deployment."""
    foreign = ("CLERK_", "SUPABASE_", "OPENROUTER_", "TEMPORAL_", "PILOT_", "SENTRY_", "OTEL_")
    names = ("DATABASE_URL", "REDIS_URL", "DEBUG", "BACKEND_CORS_ORIGINS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and name not in names
    }
    return {**kept, **extra}


def pilot(
    *arguments: str,
    cwd: Path,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`pilot ARGUMENTS` run to its end."""
    return subprocess.run(
        [*PILOT, *arguments],
        cwd=cwd,
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Served:
    """An API at `url` that takes tokens of the issuer in `data_dir`."""

    url: str
    data_dir: Path

    def token(self, user: str = "tester") -> str:
        return mint(self.data_dir, user)

    def client(self, user: str = "tester") -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token(user)}"},
            timeout=30,
        )

    def events(self, user: str = "tester") -> connect_websocket:
        """The user's WebSocket, to be entered with `async with`."""
        return connect_websocket(
            f"ws{self.url.removeprefix('http')}/ws/{user}",
            additional_headers={"Authorization": f"Bearer {self.token(user)}"},
            max_size=None,
        )


class Stack(Served):
    """A running `pilot dev`. Its http nodes may call loopback."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        began = time.monotonic()
        with (folder / "pilot-dev.err").open("ab") as errors:
            self.process = subprocess.Popen(
                [*PILOT, "dev", *ANY_PORTS, "--data-dir", str(self.data_dir)],
                cwd=folder,
                env=clean_environment(PILOT_ALLOWED_HOSTS="127.0.0.1", **environment),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (forks, and execs at once)
            )
        line = self._first_line()
        self.ready_after_s = time.monotonic() - began
        self.ready_line = line.rstrip("\n")
        assert line.startswith("pilot ready http://127.0.0.1:"), (line, self.errors())
        self.url = line.split()[-1]

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            return self.process.stdout.readline() if selector.select(START_LIMIT_S) else ""

    def errors(self) -> str:
        """What it said on stderr."""
        return (self.folder / "pilot-dev.err").read_text()

    def state(self) -> dict[str, Any]:
        """`pilot.json`."""
        state: dict[str, Any] = json.loads((self.data_dir / "pilot.json").read_text())
        return state

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pilot(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return pilot(*arguments, "--data-dir", str(self.data_dir), cwd=self.folder, timeout=timeout)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signals it and returns the exit code, once it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_LIMIT_S)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


async def save(client: httpx.AsyncClient, graph: dict[str, Any]) -> str:
    """The id of a new workflow that has no issues."""
    answer = await client.post("/api/v1/workflows", json={"name": "a workflow", **graph})
    assert answer.status_code == 201, answer.text
    assert answer.json()["issues"] == [], answer.text
    return str(answer.json()["id"])


async def execute(client: httpx.AsyncClient, workflow_id: str, value: Any = None) -> str:
    """The id of a started execution."""
    answer = await client.post(f"/api/v1/workflows/{workflow_id}/execute", json={"input": value})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def finished(
    client: httpx.AsyncClient, execution_id: str, *, within_s: float = 30
) -> dict[str, Any]:
    """The execution once it ended."""
    async with asyncio.timeout(within_s):
        while True:
            answer = await client.get(f"/api/v1/executions/{execution_id}")
            assert answer.status_code == 200, answer.text
            execution: dict[str, Any] = answer.json()
            if execution["status"] in FINAL:
                return execution
            await asyncio.sleep(0.1)


async def run_events(
    socket: ClientConnection, execution_id: str, last_seq: int = 0
) -> AsyncIterator[dict[str, Any]]:
    """Subscribes and yields the execution's events up to the last, in order of `seq`.

    As a client must: before the subscription is in force, the socket carries all that the
    user's runs do now, and the replay repeats it.
    """
    await socket.send(
        json.dumps({"type": "subscribe", "execution_id": execution_id, "last_seq": last_seq})
    )
    early: dict[int, dict[str, Any]] = {}
    async for message in socket:
        event = json.loads(message)
        if event.get("execution_id") != execution_id:
            continue
        if "seq" not in event:
            yield event
            continue
        if event["type"] == "snapshot":
            last_seq, early = event["seq"], {}
            yield event
            continue
        early[event["seq"]] = event
        while last_seq + 1 in early:
            last_seq += 1
            event = early.pop(last_seq)
            yield event
            if event["type"].startswith("execution.") and event["type"].endswith(FINAL):
                return


async def live_events(socket: ClientConnection, execution_id: str) -> AsyncIterator[dict[str, Any]]:
    """The execution's events as a socket that was open before it carries them."""
    async for message in socket:
        event = json.loads(message)
        if event.get("execution_id") == execution_id:
            yield event
            if event["type"].startswith("execution.") and event["type"].endswith(FINAL):
                return


async def until(condition: Any, *, within_s: float, every_s: float = 0.1) -> Any:
    """What `condition()` gives, as soon as it is true."""
    async with asyncio.timeout(within_s):
        while not (value := condition()):
            await asyncio.sleep(every_s)
        return value
