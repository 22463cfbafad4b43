"""A small function as a code node's attempt, against an empty node's attempt.

`python -m benchmarks.code [--rounds N]`. Both sides are whole activities without Temporal: parse,
heartbeat, run, check the result. What is left between them is the sandbox: a subprocess, confined,
and the function's values there and back. A round is the median of `--runs` attempts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.code import code
from activities.output import output
from activities.resources import resources
from benchmarks.paired import Comparison, compare, keep
from pilot.graph.task import NodeTask, Scope
from pilot.settings import Settings

SOURCE = "def main(input):\n    return {'total': input['a'] + input['b']}"
VALUE = {"a": 1, "b": 2}


def task(type: str, config: dict[str, Any]) -> NodeTask:
    return NodeTask("e", "w", "u", "n", type, "n", config, Scope(input=VALUE))


async def main(rounds: int, runs: int) -> None:
    environment = ActivityEnvironment()
    small = task("code", {"source": SOURCE})
    empty = task("output", {"value": "{input}"})

    async def median_ms(activity: Any, node: NodeTask) -> float:
        times = []
        for _ in range(runs):
            began = time.perf_counter()
            await environment.run(activity, node)
            times.append((time.perf_counter() - began) * 1000)
        return statistics.median(times)

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(pilot_env="development", pilot_data_dir=Path(folder))
        async with resources(settings) as shared:
            layers = ", ".join(shared.sandbox.layers) or "none"
            comparison: Comparison = await compare(
                "a small function",
                lambda: median_ms(code, small),
                lambda: median_ms(output, empty),
                rounds=rounds,
                unit="ms",
            )
    print(f"{'':<34} {'code':>10} {'empty':>10} {'':<6} {'ratio':>6}  (spread)")
    print(comparison.line())
    print(f"confined by: {layers}")
    print(f"kept in {keep('code', [comparison]).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.runs))
