"""Temporal dies while runs are at every stage, and comes back on its database file."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from pilot.store import temporal_workflow_id
from tests.faults.counting_server import counting_server
from tests.faults.truth import assert_whole
from tests.fleet import Fleet
from tests.stack import execute, finished, save
from workflows_def.messages import RECORD_ACTIVITY

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

ANSWER_LIMIT_S = 10.0
"""A refusal takes five seconds: so long the client waits for a server that is restarted."""


async def refused(client: httpx.AsyncClient, path: str, **request: Any) -> httpx.Response:
    """A POST that must be answered by 503 and when to come again, soon."""
    began = time.monotonic()
    answer = await client.post(f"/api/v1/{path}", **request)
    assert time.monotonic() - began < ANSWER_LIMIT_S
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "temporal_unavailable"
    return answer


async def pending(fleet: Fleet, execution_id: str, activity: str) -> None:
    """Returns once the run waits for that activity."""
    temporal = await fleet.temporal_client()
    handle = temporal.get_workflow_handle(temporal_workflow_id(execution_id))
    async with asyncio.timeout(20):
        while True:
            description = await handle.describe()
            waits = description.raw_description.pending_activities
            if any(one.activity_type.name == activity for one in waits):
                return
            await asyncio.sleep(0.05)


async def first_event(client: httpx.AsyncClient, execution_id: str) -> str:
    """The type of the first event of an execution's stream."""
    async with client.stream("GET", f"/api/v1/executions/{execution_id}/events") as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                return line.removeprefix("event: ")
    raise AssertionError("the stream ended without an event")


async def test_runs_at_every_stage_outlive_temporal(tmp_path: Path) -> None:
    async with counting_server() as out, Fleet(tmp_path) as fleet, fleet.client() as client:
        quick = await save(client, out.graph("/quick"))
        done = await execute(client, quick)
        await finished(client, done)

        release = {path: out.hold(path) for path in ("/running", "/recording")}
        out.hold("/unwanted")
        running = await execute(client, await save(client, out.graph("/running")))
        out.failing["/retrying"] = 1
        retry = {"initial_s": 4, "max_attempts": 2}
        retrying = await execute(client, await save(client, out.graph("/retrying", retry=retry)))
        recording = await execute(client, await save(client, out.graph("/recording")))
        unwanted = await execute(client, await save(client, out.graph("/unwanted")))
        for path in ("/running", "/retrying", "/recording", "/unwanted"):
            await out.asked(path)

        blocker = sqlite3.connect(fleet.data_dir / "pilot.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        release["/recording"].set()
        await pending(fleet, recording, RECORD_ACTIVITY)
        await fleet.temporal.kill()
        blocker.execute("ROLLBACK")

        key = {"Idempotency-Key": "once"}
        await asyncio.gather(
            refused(client, f"workflows/{quick}/execute", headers=key, json={"input": 1}),
            *(refused(client, f"executions/{running}/{action}") for action in ("pause", "resume")),
        )
        # a cancel is kept in the row, and carried out once Temporal is back
        answer = await client.post(f"/api/v1/executions/{unwanted}/cancel")
        assert answer.status_code == 202, answer.text
        for path in ("workflows", "executions", f"executions/{running}", f"workflows/{quick}"):
            assert (await client.get(f"/api/v1/{path}")).status_code == 200
        assert await first_event(client, done) == "execution.started"
        assert await first_event(client, running) == "execution.started"
        answer = await client.get("/health")
        assert answer.status_code == 200
        parts = answer.json()["parts"]
        assert (answer.json()["status"], parts["store"]["status"]) == ("degraded", "ok")
        assert parts["temporal"]["status"] == "down"
        assert parts["temporal"]["detail"] == "temporal_unavailable"

        await fleet.temporal.start()
        release["/running"].set()
        repeats = await asyncio.gather(*(_repeated(client, quick, key) for _ in range(3)))
        assert len(set(repeats)) == 1
        runs = (running, retrying, recording, repeats[0])
        ended = await asyncio.gather(*(finished(client, one, within_s=60) for one in runs))
        assert [one["status"] for one in ended] == ["succeeded"] * len(runs)
        assert out.counts["/recording"] == 1
        assert out.counts["/retrying"] == 2
        assert out.counts["/quick"] == 2  # before the outage, and once for the key
        # asked again only where Temporal, being away, took the attempt's worker for dead
        fetch = next(node for node in ended[0]["nodes"] if node["id"] == "fetch")
        assert out.counts["/running"] == fetch["attempt"]
        assert (await finished(client, unwanted, within_s=60))["status"] == "cancelled"
        temporal = await fleet.temporal_client()
        for one in (*runs, unwanted):
            await assert_whole(client, temporal, one)


async def _repeated(client: httpx.AsyncClient, workflow_id: str, key: dict[str, str]) -> str:
    """The id of the execution of a key, as a client gets it that repeats until it is taken."""
    path = f"/api/v1/workflows/{workflow_id}/execute"
    async with asyncio.timeout(30):
        while True:
            answer = await client.post(path, json={"input": 1}, headers=key)
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.2)


async def test_a_temporal_that_hangs_is_refused_as_one_that_is_dead(tmp_path: Path) -> None:
    async with counting_server() as out, Fleet(tmp_path) as fleet, fleet.client() as client:
        gate = out.hold("/slow")
        workflow = await save(client, out.graph("/slow"))
        slow = await execute(client, workflow)
        idle = await save(client, out.graph("/queued"))
        async with asyncio.timeout(20):  # until the worker has nothing to write
            while await _status_of(client, slow, "fetch") != "running":
                await asyncio.sleep(0.05)
        os.kill(fleet.workers[0].pid, signal.SIGSTOP)  # nobody takes the next run's first task
        queued = await execute(client, idle)
        os.kill(fleet.temporal.pid, signal.SIGSTOP)
        os.kill(fleet.workers[0].pid, signal.SIGCONT)
        await asyncio.gather(
            refused(client, f"workflows/{workflow}/execute"),
            refused(client, f"executions/{slow}/resume"),
            refused(client, f"executions/{queued}/pause"),
        )
        await fleet.temporal.kill()
        await fleet.temporal.start()
        gate.set()
        for one in (slow, queued):
            assert (await finished(client, one, within_s=60))["status"] == "succeeded"
            await assert_whole(client, await fleet.temporal_client(), one)
        assert out.counts["/queued"] == 1


async def _status_of(client: httpx.AsyncClient, execution_id: str, node_id: str) -> str:
    execution = (await client.get(f"/api/v1/executions/{execution_id}")).json()
    return next((one["status"] for one in execution["nodes"] if one["id"] == node_id), "")
