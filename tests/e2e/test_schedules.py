"""Schedules from the command line, and the client that it is made with."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from pilot.client import AsyncClient, Client
from tests.stack import Stack, save

GRAPH: dict[str, Any] = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}],
    "edges": [{"source": "start", "target": "output"}],
}
USER = "scheduler"


def told(stack: Stack, *arguments: str) -> str:
    done = stack.pilot("schedule", *arguments, "--user", USER)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_a_schedule_is_made_paused_run_and_deleted(stack: Stack) -> None:
    async with stack.client(USER) as client:
        workflow = await save(client, GRAPH)
    made = told(
        stack, "create", workflow, "--cron", "0 8 * * mon-fri", "--cron", "@daily",
        "--zone", "Asia/Tokyo", "--name", "mornings", "--input", '{"at": "{scheduled_at}"}',
    )  # fmt: skip
    identity, state, name, times, next_time = made.split("  ")
    assert (state, name, times) == ("active", "mornings", "0 8 * * mon-fri, @daily (Asia/Tokyo)")
    assert next_time.startswith("next 20")
    assert identity in told(stack, "list", "--workflow", workflow)
    assert "paused" in told(stack, "pause", identity, "--note", "holiday")
    assert "paused" in told(stack, "run", identity)
    async with AsyncClient(stack.url, stack.token(USER)) as pilot:
        async with asyncio.timeout(60):
            while not (found := (await pilot.triggers.executions(identity)).items):
                await asyncio.sleep(0.2)
            while not (run := await pilot.executions.get(found[0].id)).status.is_final:
                await asyncio.sleep(0.2)
        assert datetime.fromisoformat(run.output["at"]) <= datetime.now(UTC)
        assert (await pilot.triggers.get(identity)).note == "holiday"
    assert "active" in told(stack, "resume", identity)
    assert json.loads(told(stack, "delete", identity, "--json")) == {
        "id": identity,
        "deleted": True,
    }
    assert identity not in told(stack, "list")
    refused = stack.pilot("schedule", "create", workflow, "--cron", "soon", "--user", USER)
    assert refused.returncode != 0
    assert "five fields" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_the_client_makes_webhooks_and_runs_that_begin_later(stack: Stack) -> None:
    async with stack.client(USER) as http:
        workflow = await save(http, GRAPH)

    def use() -> None:
        with Client(stack.url, stack.token(USER)) as pilot:
            hook = pilot.triggers.webhook(workflow, "hook", {"max_wait_s": 30})
            assert hook.url is not None
            answer = httpx.post(f"{stack.url}{hook.url}?wait=30", json=json.loads("[1]"))
            assert answer.json()["output"]["body"] == [1]
            assert next(one.id for one in pilot.triggers.list(kind="webhook")) == hook.id
            renewed = pilot.triggers.rotate(hook.id)
            assert renewed.token not in (None, hook.token)
            pilot.triggers.delete(hook.id)
            soon = datetime.now(UTC) + timedelta(hours=1)
            later = pilot.execute(workflow, start_at=soon)
            assert (later.start_at, later.queue and later.queue.reason) == (soon, "start_at")
            assert pilot.executions.cancel(later.id).status == "cancelled"
            assert pilot.execute(workflow, delay_s=0.5, wait=30).status == "succeeded"

    await asyncio.to_thread(use)
