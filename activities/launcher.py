"""The launcher of the sandbox's subprocesses: `confinement` in front of Monty's binary.

`pydantic-monty` starts its subprocesses itself, by the path of one executable. We give it a
small script that runs `confinement.py`, which confines its process and then becomes Monty:
the subprocess has the same pid and pipes, and a run costs nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from pydantic_monty._binary import find_monty_binary

from activities import confinement

log = logging.getLogger(__name__)

CHECK_LIMIT_S = 20.0
PROCESS_MEMORY_BYTES = 512 * 1024 * 1024
"""Address space beside the heap: binary, libraries, stacks and the allocator's arenas."""

# Where a loader that cannot be asked may find libraries.
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


@dataclass(frozen=True, slots=True)
class Launcher:
    """The executable for the pool, and the layers that its processes are confined by."""

    path: str
    layers: tuple[str, ...]


@contextlib.asynccontextmanager
async def launcher(memory_bytes: int, binary: str | None = None) -> AsyncIterator[Launcher]:
    """A launcher for programs whose heap is at most `memory_bytes`.

    It is tried first: where this system cannot run it, the binary itself is given, without
    a layer, and the worker's log says why.
    """
    binary = binary or find_monty_binary()
    with tempfile.TemporaryDirectory(prefix="pilot-sandbox-") as folder:
        script = Path(folder) / "launcher"
        options = {
            # a list that grows is there twice while it is copied
            "memory_bytes": 2 * memory_bytes + PROCESS_MEMORY_BYTES,
            "readable": _readable(await _listed(binary)),
        }
        command = (sys.executable, "-I", "-S", confinement.__file__, json.dumps(options), binary)
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        script.chmod(0o700)
        try:
            layers = json.loads(await _output(str(script)))
            await _output(str(script), "--version")
        except (OSError, ValueError, TimeoutError) as error:
            log.warning("code nodes run without the system's confinement: %s", error)
            yield Launcher(binary, ())
        else:
            yield Launcher(str(script), tuple(layers))


async def _listed(binary: str) -> str:
    """What the system's loader says of the binary's libraries (ld.so(8))."""
    try:
        return await _output(binary, LD_TRACE_LOADED_OBJECTS="1")
    except (OSError, ValueError, TimeoutError):
        return ""


def _readable(listing: str) -> list[str]:
    """The files that a start of the binary reads: its libraries and their loader."""
    found = [word for word in listing.split() if word.startswith("/") and Path(word).is_file()]
    if not found:
        loaders = (path for at in _LIBRARY_FOLDERS for path in Path(at).glob("ld-*.so*"))
        found = [*_LIBRARY_FOLDERS, *map(str, loaders)]
    return ["/etc/ld.so.cache", *found]


async def _output(*command: str, **environment: str) -> str:
    """What a command prints. Raises `ValueError` where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=os.sep,
    )
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        said = (errors or output).decode(errors="replace").strip()[-500:]
        raise ValueError(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
    return output.decode()
