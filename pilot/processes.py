"""Child processes that end with their parent, whatever ends the parent.

On Linux the kernel kills them (prctl(2), PR_SET_PDEATHSIG). Elsewhere children that are
Python watch a pipe whose other end only the parent holds (`pilot.child`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

PARENT_PIPE = "PILOT_PARENT_PIPE"
"""The environment variable with the number of the inherited read end of the pipe."""

POLL_S = 0.05
MAX_LOG_BYTES = 10_000_000
_PR_SET_PDEATHSIG = 1

# Below the range that Linux hands out for outgoing connections and to `bind` with port 0, so
# that a port found free here is not taken by chance a moment later.
_FREE_PORTS = range(20_000, 32_000)

# Loaded before any fork: between fork and exec nothing may import or allocate much.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> Callable[[], None]:
    """A `preexec_fn` that makes the kernel kill the child when the calling thread ends.

    Call and spawn from the main thread: the signal is bound to the thread that forks.
    """
    parent = os.getpid()

    def bind() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died between fork and prctl: then no signal will come.
        if os.getppid() != parent:
            os._exit(1)

    return bind


def python_command(module: str, *arguments: str) -> list[str]:
    """The command line of one of our own modules, under the watch of `pilot.child`.

    `-P` keeps the current folder out of the path: a user's own `api/` is not ours.
    """
    return [sys.executable, "-P", "-m", "pilot.child", module, *arguments]


class Child:
    """A process that can be started again and again.

    Its output is appended to `log`; without one it goes where the parent's goes.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path | None, env: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of the process that was started last."""
        return self._process.pid if self._process is not None else None

    def start(self, *, pass_fds: Sequence[int] = ()) -> None:
        """Spawns it in a session of its own, so that a Ctrl-C reaches the parent alone and
        the parent decides in which order things end."""
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(_open_log(self.log)) if self.log else None
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self._env),
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (the parent has one thread)
                pass_fds=pass_fds,
            )

    async def wait(self) -> int:
        """The exit code, once it ended; what it left of its own children is killed."""
        process = self._process
        if process is None:
            raise RuntimeError(f"{self.name} was never started")
        # Polled: asyncio's own way needs a thread a child, and a parent with threads should
        # not fork.
        while (code := process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        _kill_group(process.pid)
        return code

    async def stop(self, grace_s: float) -> None:
        """Asks it to end, and kills it after `grace_s` seconds."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                await asyncio.wait_for(self.wait(), grace_s)
            except TimeoutError:
                process.kill()
        await self.wait()

    def last_lines(self, count: int = 5) -> list[str]:
        """The end of its log."""
        if self.log is None:
            return []
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 8192))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-count:]


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _open_log(path: Path) -> BinaryIO:
    """Keeps one older log: a stack that serves for weeks must not fill the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """That many different ports of 127.0.0.1 that nobody listens on."""
    found: list[int] = []
    for port in random.sample(_FREE_PORTS, len(_FREE_PORTS)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free port on 127.0.0.1")
