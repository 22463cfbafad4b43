"""Runs over the number that an owner may have at once: each is started as another ends, in order,
whatever dies in between."""

from __future__ import annotations

import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pilot.store.sql import SqlStore
from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import execute, finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(400),
]

RUNS, MOST, GROUPS = 50, 3, 4


def graph(url: str) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "call", "type": "http", "config": {"url": url}},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "call"},
            {"source": "call", "target": "output"},
        ],
    }


def most_at_once(runs: list[dict[str, Any]]) -> int:
    """The most runs that were between their start and their end in the same moment."""
    moments = []
    for run in runs:
        moments.append((datetime.fromisoformat(run["started_at"]), 1))
        moments.append((datetime.fromisoformat(run["finished_at"]), -1))
    most = now = 0
    for _, change in sorted(moments):  # an end before a start of the same moment
        now += change
        most = max(most, now)
    return most


@pytest.mark.slow
async def test_fifty_runs_in_three_slots_while_workers_and_the_api_are_killed(
    tmp_path: Path,
) -> None:
    environment = {
        "PILOT_MAX_RUNS_PER_USER": str(MOST),
        "PILOT_RECONCILE_EVERY_S": "5",
    }
    async with (
        outside() as world,
        Fleet(tmp_path, workers=2, **environment) as fleet,
        fleet.client("ada") as ada,
        fleet.client("bob") as bob,
    ):
        workflow = await save(ada, graph(world.url("hold", "{input}")))
        groups = [f"group-{n * GROUPS // RUNS}" for n in range(RUNS)]
        ids = [await execute(ada, workflow, group) for group in groups]
        await world.called(groups[0], MOST)
        # all slots are taken, and nobody else's: bob's run passes by ada's queue
        theirs = await execute(bob, await save(bob, graph(world.url("ok", "bob"))))
        assert (await finished(bob, theirs, within_s=60))["status"] == "succeeded"
        places = [(await read(ada, one)).get("queue", {}).get("position") for one in ids]
        assert places == [None] * MOST + list(range(1, RUNS - MOST + 1))
        assert len(world.calls) == 2  # of ada's, three of the first group

        for api in fleet.apis:
            await api.kill()
        for n, group in enumerate(dict.fromkeys(groups)):
            await world.called(group, within_s=120)
            part = fleet.workers[n % 2]
            await part.kill()
            world.release(group)  # with one worker, and the runs of the other one to be taken up
            await part.start()
        for api in fleet.apis:
            await api.start()

        runs = [await finished(ada, one, within_s=200) for one in ids]
        assert {run["status"] for run in runs} == {"succeeded"}
        assert most_at_once(runs) <= MOST
        store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
        rows = [await store.get_execution("ada", one) for one in ids[MOST:]]
        await store.close()
        assert all(one.released_at < other.released_at for one, other in pairwise(rows))


async def read(client: Any, execution_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/executions/{execution_id}")
    body: dict[str, Any] = answer.json()
    return body
