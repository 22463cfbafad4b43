"""A worker is killed in the middle of a model's call: nothing is billed twice without leave."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.openai_server import OpenAIServer, Reply, openai_server
from tests.stack import Stack, execute, finished, save, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# The heartbeat's timeout, which is how long a dead worker goes unnoticed, and a restart.
WITHIN_S = 60


def asking(**config: Any) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "ask", "type": "llm", "config": {"prompt_template": "x", **config}},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "target": "output"},
        ],
    }


async def asked(server: OpenAIServer) -> None:
    async with asyncio.timeout(20):
        while not server.requests:
            await asyncio.sleep(0.02)


def kill_worker(stack: Stack) -> None:
    os.kill(stack.state()["worker"]["pid"], signal.SIGKILL)


def calls(stack: Stack) -> list[tuple[str, int]]:
    """The remembered calls: state and attempt."""
    with sqlite3.connect(stack.data_dir / "pilot.db") as database:
        return database.execute("SELECT state, attempt FROM llm_calls").fetchall()


@pytest.mark.parametrize("on_unknown", ["fail", "retry"])
async def test_a_worker_that_dies_while_the_model_is_asked(tmp_path: Path, on_unknown: str) -> None:
    async with openai_server() as server:
        server.script(Reply("a b c", stall_after=1), Reply("again"))
        stack = Stack(tmp_path, PILOT_LLM_API_BASE=server.base_url)
        try:
            async with stack.client() as client:
                workflow = await save(client, asking(on_unknown=on_unknown))
                execution_id = await execute(client, workflow)
                await asked(server)
                assert calls(stack) == [("sent", 1)]
                kill_worker(stack)
                execution = await finished(client, execution_id, within_s=WITHIN_S)
            if on_unknown == "fail":
                assert execution["status"] == "failed"
                assert execution["error"]["code"] == "llm_outcome_unknown"
                assert len(server.requests) == 1
            else:
                assert execution["status"] == "succeeded"
                assert execution["output"] == "again"
                assert len(server.requests) == 2
            assert calls(stack) == []
        finally:
            stack.stop()


async def test_an_answer_that_had_arrived_is_not_asked_for_again(tmp_path: Path) -> None:
    """The worker dies between the answer's arrival and its report: Temporal is held still, so
    that the report cannot be given."""
    async with openai_server() as server:
        server.script(Reply("the answer", pause_s=0.5))
        stack = Stack(tmp_path, PILOT_LLM_API_BASE=server.base_url)
        temporal = stack.state()["temporal"]["pid"]
        try:
            async with stack.client() as client:
                workflow = await save(client, asking())
                execution_id = await execute(client, workflow)
                await asked(server)
                os.kill(temporal, signal.SIGSTOP)
                await until(lambda: calls(stack) == [("answered", 1)], within_s=10)
                kill_worker(stack)
                os.kill(temporal, signal.SIGCONT)
                execution = await finished(client, execution_id, within_s=WITHIN_S)
            assert execution["status"] == "succeeded", execution["error"]
            assert execution["output"] == "the answer"
            [node] = [node for node in execution["nodes"] if node["id"] == "ask"]
            assert (node["attempt"], node["meta"]["recovered"]) == (2, True)
            assert execution["usage"]["completion_tokens"] == 2
            assert len(server.requests) == 1
        finally:
            os.kill(temporal, signal.SIGCONT)
            stack.stop()
