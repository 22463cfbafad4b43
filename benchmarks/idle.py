"""What API and worker start with: `python -m benchmarks.idle [--rounds N]`.

The processor time that their imports take, against the libraries that they are built on, in
processes that take turns; and, on `pilot dev` as it comes, the resident memory of both once they
serve and nothing is asked of them.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.paired import Comparison, compare, keep
from tests.stack import Stack

IMPORTS = {
    # as `api.__main__` has it: what is imported is no garbage
    "API": ("gc.disable(); import api.server", "gc.disable(); import fastapi, uvicorn, sqlalchemy"),
    "worker": ("import worker", "import temporalio.worker, sqlalchemy, pydantic"),
}
MOST_S = {"API": 1.5, "worker": 4.0}
"""What is aimed at."""
SETTLE_S = 15.0
"""By then the worker has loaded the model client that it loads beside its start."""


def seconds(code: str) -> float:
    """Processor seconds of running it in a new process, less the interpreter's own start."""
    told = f"import gc, time; began = time.process_time(); {code}; print(time.process_time()-began)"
    command = [sys.executable, "-c", told]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


async def imports(rounds: int) -> list[Comparison]:
    found = []
    for name, (ours, theirs) in IMPORTS.items():

        async def side(code: str) -> float:
            return await asyncio.to_thread(seconds, code)

        one = await compare(
            f"{name}'s imports / its libraries'",
            lambda ours=ours: side(ours),  # type: ignore[misc]
            lambda theirs=theirs: side(theirs),  # type: ignore[misc]
            rounds=rounds,
        )
        print(f"{one.line()}  [at most {MOST_S[name]:g} s]", flush=True)
        found.append(one)
    return found


async def memory() -> list[Comparison]:
    """Megabytes at rest, as soon as it serves and a while later."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            state = stack.state()
            of = {name: psutil.Process(state[name]["pid"]) for name in ("api", "worker")}
            first = {name: process.memory_info().rss / 1e6 for name, process in of.items()}
            await asyncio.sleep(SETTLE_S)
            for name, process in of.items():
                later = process.memory_info().rss / 1e6
                print(f"{name}: {first[name]:.0f} MB, {later:.0f} MB {SETTLE_S:g} s later")
                found.append(Comparison(f"{name} at rest", "MB", [later], [first[name]]))
        finally:
            stack.stop()
    return found


async def main(rounds: int) -> None:
    print(f"{'':<34} {'ours':>10} {'theirs':>10} {'':<6} {'ratio':>6}  (spread)")
    found = [*await imports(rounds), *await memory()]
    print(f"kept in {keep('idle', found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
