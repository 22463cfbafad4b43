"""πlot beside LangGraph, DBOS, Prefect and graphon, each with the store it has for one machine.

`python -m benchmarks.peers [--rounds N] [--only NAME]`. The same chain of steps that add one; each
peer takes its turn beside πlot. A peer's step is a function in its own process; πlot's is a pure
node (a CEL expression, by the worker), or a code node (Python in a confined process, by an
activity): both are said. Then each is killed with SIGKILL in the middle of a chain.

The peers live in an environment of their own (`.tools/peers`), which the first run makes.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.chain import CODE, graph_of
from benchmarks.paired import Comparison, compare, keep, timed
from benchmarks.peers.program import ROOT, PeerEndedError, Program
from benchmarks.stack import Stack, stack
from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import finished, save

PEERS = ("langgraph", "dbos", "prefect", "graphon")
HERE = Path(__file__).parent
ENVIRONMENT = ROOT / ".tools" / "peers"
SIZES = (10, 100)
AT_ONCE = {"prefect": 5}
"""Runs at once; Prefect's own server takes minutes for more."""
MANY = 50
PURE = ("variable", {"assignments": {"v": "{input}"}})
KINDS: dict[str, tuple[str, dict[str, Any]]] = {"pure": PURE, "code": ("code", CODE)}
STEPS, KILL_AT = 20, 10


def environment() -> Path:
    """The Python that has the peers."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / ".installed").exists():
        venv.create(ENVIRONMENT, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", HERE / "requirements.txt"], check=True)
        (ENVIRONMENT / ".installed").touch()
    return python


async def beside(bench: Stack, peer: Program, rounds: int) -> list[Comparison]:
    """πlot's times against one peer's, in turn."""
    many = AT_ONCE.get(peer.name, MANY)

    def asked(*command: Any) -> Callable[[], Awaitable[float]]:
        async def ask() -> float:
            return float(await peer.ask(*command))

        return ask

    found = []
    for kind, (type, config) in KINDS.items():
        graphs = {size: graph_of(type, config, size) for size in SIZES}

        async def one(size: int) -> float:
            async def run() -> None:
                await (await bench.start_graph(graphs[size], 0)).result()  # noqa: B023

            return await timed(run)

        async def at_once() -> float:
            async def run() -> None:
                starts = (bench.start_graph(graphs[10], 0) for _ in range(many))  # noqa: B023
                handles = await asyncio.gather(*starts)
                await asyncio.gather(*(handle.result() for handle in handles))

            return await timed(run)

        for size in SIZES:
            name = f"{size} steps, {kind} : {peer.name}"
            ours = lambda size=size: one(size)  # noqa: E731
            found.append(await compare(name, ours, asked("chain", size), rounds=rounds))
            print(found[-1].line(), flush=True)
        name = f"{many} runs of 10, {kind} : {peer.name}"
        found.append(await compare(name, at_once, asked("many", 10, many), rounds=rounds))
        print(found[-1].line(), flush=True)
    return found


async def survival(peer: Program, folder: Path) -> str:
    """What a peer's run came to whose process was killed in the middle, and started again."""
    log = folder / f"{peer.name}.steps"
    log.touch()
    peer.tell("keep", "the-run", STEPS, str(log))
    while len(log.read_text().splitlines()) < KILL_AT:
        await asyncio.sleep(0.005)
    await peer.kill()
    await peer.start()
    begin = time.perf_counter()
    result = await peer.ask("resume", "the-run", STEPS, str(log))
    took = time.perf_counter() - begin
    steps = len(log.read_text().splitlines())
    if result is None:
        return f"lost, after {steps} steps"
    assert result == STEPS, result
    return f"finished in {took:.1f} s once started again; {steps - STEPS} steps ran twice"


async def our_survival(folder: Path) -> str:
    """The same for πlot's only worker; the API and Temporal are not touched."""
    async with outside() as world, Fleet(folder) as fleet, fleet.client() as client:
        url = world.url("ok", "step")
        graph = graph_of("http", {"url": url}, STEPS).model_dump(mode="json")
        answer = await client.post(f"/api/v1/workflows/{await save(client, graph)}/execute")
        await world.called("step", KILL_AT)
        [worker] = fleet.workers
        await worker.kill()
        await worker.start()
        begin = time.perf_counter()
        run = await finished(client, answer.json()["id"], within_s=120)
        took = time.perf_counter() - begin
        assert run["status"] == "succeeded", run
        again = len(world.calls["step"]) - STEPS
    return f"finished in {took:.1f} s once started again; {again} steps ran twice"


async def main(rounds: int, names: list[str]) -> None:
    python = environment()
    comparisons: list[Comparison] = []
    ends: dict[str, str] = {}
    print(f"{'':<34} {'πlot':>10} {'peer':>10} {'':<6} {'ratio':>6}  (spread)")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            peer = Program(python, name, Path(folder))
            try:
                await peer.start()
                async with stack([]) as bench:
                    comparisons += await beside(bench, peer, rounds)
                ends[name] = await survival(peer, Path(folder))
            except (PeerEndedError, TimeoutError) as error:
                ends[name] = f"ended: {error!r:.200}"
            finally:
                await peer.stop()
    with tempfile.TemporaryDirectory() as folder:
        ends["πlot"] = await our_survival(Path(folder))
    print(f"\nkilled after {KILL_AT} of {STEPS} steps:")
    for name, end in ends.items():
        print(f"  {name:<10} {end}")
    print(f"kept in {keep('peers', comparisons).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=PEERS, action="append")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.rounds, arguments.only or list(PEERS))))
