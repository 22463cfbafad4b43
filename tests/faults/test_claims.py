"""A signal with a key, to what waits in a loop: once, and answered the same, through killed
processes and after the loop has gone on in a new history."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.test_waiting import send
from tests.fleet import Fleet
from tests.stack import execute, finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(300),
]

E = "/api/v1/executions"
ROUNDS = 3


def looping() -> dict[str, Any]:
    """Waits for a signal in each iteration; the output is the sum of what was sent."""
    body = {
        "nodes": [
            {"id": "w", "type": "wait", "config": {"signal": "go"}},
            {"id": "sum", "type": "code", "config": {"source": SUM}},
        ],
        "edges": [{"source": "w", "target": "sum"}],
    }
    config = {"body": body, "initial": 0, "condition": f"index < {ROUNDS}"}
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "n", "type": "loop", "config": config},
            {"id": "output", "type": "output"},
        ],
        "edges": [{"source": "start", "target": "n"}, {"source": "n", "target": "output"}],
    }


SUM = "def main(input, item):\n    return item + input\n"


async def waits_at(client: httpx.AsyncClient, execution: str, place: str) -> None:
    async with asyncio.timeout(90):
        while True:
            body = (await client.get(f"{E}/{execution}")).json()
            [loop] = [one for one in body["nodes"] if one["id"] == "n"]
            if place in loop["meta"].get("waiting", {}).get("nodes", ()):
                return
            await asyncio.sleep(0.05)


async def test_a_key_is_answered_the_same_after_the_loop_went_on_and_its_worker_died(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path, worker_module="tests.faults.short_worker")
    async with fleet, fleet.client() as client:
        temporal = await fleet.temporal_client()
        execution = await execute(client, await save(client, looping()))
        url = f"{E}/{execution}/signals/go"
        told: list[Any] = []
        for turn in range(ROUNDS):
            await waits_at(client, execution, f"n[{turn}].w")
            told.append(await send(client, url, payload=10**turn, key=turn))
            assert [one["path"] for one in told[turn]["deliveries"]] == [f"n[{turn}]"]
            await fleet.workers[0].kill()
            await fleet.workers[0].start()
            if turn + 1 < ROUNDS:
                await waits_at(client, execution, f"n[{turn + 1}].w")
            for earlier in range(turn + 1):
                again = await send(client, url, payload=10**earlier, key=earlier)
                assert again == told[earlier]
        done = await finished(client, execution, within_s=90)
        assert (done["status"], done["output"]) == ("succeeded", 111), done["error"]
        again = await send(client, url, payload=1, key=0)
        assert again == told[0]
        child = temporal.get_workflow_handle(f"execution-{execution}/n")
        first = (await child.fetch_history()).events[0]
        # it did go on in a new history
        assert first.workflow_execution_started_event_attributes.continued_execution_run_id
