"""A peer's process: started by its own environment's Python, told and asked by lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

LIMIT_S = 300.0
ROOT = Path(__file__).parents[2]


class PeerEndedError(Exception):
    """The process ended where an answer was awaited."""


class Program:
    """`folder` is where the peer keeps what it keeps."""

    def __init__(self, python: Path, name: str, folder: Path) -> None:
        self.name = name
        self._command = (str(python), "-m", f"benchmarks.peers.programs.{name}_peer", str(folder))
        self._said = folder / f"{name}.log"
        self._process: Process | None = None

    async def start(self) -> None:
        with self._said.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=said,
                cwd=ROOT,
                start_new_session=True,
            )
        assert await self._answer() == "ready"

    async def ask(self, *command: Any) -> Any:
        """Raises `PeerEndedError`, and `TimeoutError` after five minutes."""
        self.tell(*command)
        return await self._answer()

    def tell(self, *command: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    async def kill(self) -> None:
        """With what it has started: Prefect has a server beside it."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """Ends it as its user would: no more commands, then some time."""
        if self._process is None:
            return
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 15)
        await self.kill()

    async def _answer(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT_S)
        if not line:
            raise PeerEndedError(f"{self.name}: {self._said.read_text()[-1000:]}")
        return json.loads(line)
