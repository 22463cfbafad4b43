"""Prefect with its own server and SQLite; results of tasks kept, so that a flow that is run anew
after a kill takes what it has."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

folder = sys.argv[1]
os.environ |= {
    "PREFECT_HOME": folder,
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
}

from prefect import flow, task  # noqa: E402 (it reads its settings when imported)
from prefect.cache_policies import INPUTS  # noqa: E402

from benchmarks.peers.programs.work import add, serve, timed  # noqa: E402


@task(cache_policy=INPUTS)
def step(value: int, log: str | None, id: str) -> int:
    return add(value, log)


@flow
def chain(steps: int, log: str | None, id: str) -> int:
    value = 0
    for _ in range(steps):
        value = step(value, log, id)
    return value


def run(steps: int, id: str | None = None, log: str | None = None) -> int:
    return int(chain(steps, log, id or os.urandom(8).hex()))


def many(steps: int, runs: int) -> float:
    with ThreadPoolExecutor(runs) as pool:
        return timed(lambda: list(pool.map(run, [steps] * runs)))


run(1)  # starts the server
serve(
    {
        "chain": lambda steps: timed(lambda: run(steps)),
        "many": many,
        "keep": lambda id, steps, log: run(steps, id, log),
        "resume": lambda id, steps, log: run(steps, id, log),
    }
)
