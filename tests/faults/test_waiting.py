"""Runs that wait outlive all that drives them, and what was sent before still counts."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import pytest

from tests.faults.test_versions import kill, own_stack
from tests.stack import Stack, execute, finished, save

__all__ = ["own_stack"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")

E = "/api/v1/executions"
RUNS = 100


def waiting_for_two() -> dict[str, Any]:
    """Of two signals the first is kept; then somebody approves."""
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "two", "type": "wait", "config": {"signal": "go", "count": 2}},
            {"id": "ask", "type": "approval", "config": {"title": "Go on?"}},
            {"id": "yes", "type": "output", "config": {"value": "{nodes.two.output}"}},
            {"id": "no", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "two"},
            {"source": "two", "target": "ask"},
            {"source": "ask", "target": "yes", "source_handle": "approved"},
            {"source": "ask", "target": "no", "source_handle": "rejected"},
        ],
    }


async def state_of(client: httpx.AsyncClient, execution: str, node: str) -> str:
    body = (await client.get(f"{E}/{execution}")).json()
    [state] = [one["status"] for one in body["nodes"] if one["id"] == node]
    return str(state)


async def until_waits(client: httpx.AsyncClient, execution: str, node: str) -> None:
    async with asyncio.timeout(90):
        while await state_of(client, execution, node) != "waiting":
            await asyncio.sleep(0.1)


async def send(client: httpx.AsyncClient, url: str, **body: Any) -> dict[str, Any]:
    """As a client does: again, with its key, until it is answered."""
    key = {"Idempotency-Key": str(body.pop("key"))}
    async with asyncio.timeout(90):
        while True:
            try:
                answer = await client.post(url, json=body, headers=key)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code not in (429, 503):
                assert answer.status_code == 200, answer.text
                done: dict[str, Any] = answer.json()
                return done
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_waiting_runs_go_on_after_everything_died(own_stack: Stack) -> None:
    async with own_stack.client() as client:
        workflow = await save(client, waiting_for_two())
        runs = [await execute(client, workflow) for _ in range(RUNS)]
        for run in runs:
            await until_waits(client, run, "two")
        few = runs[:10]
        for run in few:
            await send(client, f"{E}/{run}/signals/go", payload=1, key="first")
        await kill(own_stack, "worker", "api", "temporal")
        for run in few:
            await send(client, f"{E}/{run}/signals/go", payload=1, key="first")  # counted once
            assert await state_of(client, run, "two") == "waiting"
            await send(client, f"{E}/{run}/signals/go", payload=2, key="second")
            await until_waits(client, run, "ask")
        await kill(own_stack, "worker", "api")
        for run in few:
            answer = {"decision": "approved", "key": "yes"}
            await send(client, f"{E}/{run}/approvals/ask", **answer)
            await send(client, f"{E}/{run}/approvals/ask", **answer)
            done = await finished(client, run, within_s=90)
            assert (done["status"], done["output"]) == ("succeeded", {"yes": [1, 2]}), done["error"]
        others = await asyncio.gather(*(state_of(client, run, "two") for run in runs[10:]))
        assert set(others) == {"waiting"}
