"""DBOS with its system database in SQLite."""

from __future__ import annotations

import sys

from dbos import DBOS, SetWorkflowID

from benchmarks.peers.programs.work import add, serve, timed

DBOS(
    config={
        "name": "peer",
        "system_database_url": f"sqlite:///{sys.argv[1]}/dbos.sqlite",
        "application_version": "1",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def step(value: int, log: str | None) -> int:
    return add(value, log)


@DBOS.workflow()
def chain(steps: int, log: str | None) -> int:
    value = 0
    for _ in range(steps):
        value = step(value, log)
    return value


DBOS.launch()  # goes on with what a process of before left


def many(steps: int, runs: int) -> float:
    def run() -> None:
        handles = [DBOS.start_workflow(chain, steps, None) for _ in range(runs)]
        for handle in handles:
            handle.get_result()

    return timed(run)


def keep(id: str, steps: int, log: str) -> int:
    with SetWorkflowID(id):
        return chain(steps, log)


serve(
    {
        "chain": lambda steps: timed(lambda: chain(steps, None)),
        "many": many,
        "keep": keep,
        "resume": lambda id, steps, log: DBOS.retrieve_workflow(id).get_result(),
    }
)
