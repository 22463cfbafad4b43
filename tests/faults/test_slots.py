"""Few slots make runs slow, never stuck: no activity of a run waits for another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import WorkflowExecutionStatus

from pilot.settings import Settings
from pilot.temporal import connect
from tests.openai_server import OpenAIServer, Reply, calls, serve
from tests.stack import Stack, execute, finished, save

SLOTS = 4
RUNS = 200


class Outside(OpenAIServer):
    """A model that calls both its tools and then answers, and an HTTP API; neither answers at
    once. `most` is how many requests were under way together."""

    now = most = fetched = 0

    async def completions(self, request: Request) -> Response:
        async with self._under_way():
            body = await request.json()
            asked = body["messages"][-1]["role"] == "user"
            # nothing waits between this and the step's being taken: the body is read already
            self.script(calls(("double", {"x": 2}), ("look", {})) if asked else Reply("done"))
            return await super().completions(request)

    async def fetch(self, request: Request) -> Response:
        async with self._under_way():
            self.fetched += 1
            return JSONResponse({"fetched": True})

    @asynccontextmanager
    async def _under_way(self) -> AsyncIterator[None]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.02)
            yield
        finally:
            self.now -= 1


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[Outside, str]]:
    server = Outside("")
    routes = [
        Route("/v1/chat/completions", server.completions, methods=["POST"]),
        Route("/fetch", server.fetch),
    ]
    async with serve(Starlette(routes=routes)) as port:
        yield server, f"http://127.0.0.1:{port}"


def branches(url: str) -> dict[str, Any]:
    """Four branches at once, one of them a model with two tools."""
    http = {"type": "http", "config": {"url": f"{url}/fetch"}}
    ask = {"prompt_template": "go", "tools": [{"node": "double"}, {"node": "look"}]}
    double = "def main(input):\n    return input['x'] * 2"
    parallel = ("fetch", "again", "count", "ask")
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "fetch", **http},
            {"id": "again", **http},
            {"id": "count", "type": "code", "config": {"source": "sum(range(100))"}},
            {"id": "ask", "type": "llm", "config": ask},
            {"id": "double", "type": "code", "config": {"source": double}},
            {"id": "look", **http},
            {"id": "output", "type": "output", "config": {"value": "{nodes.ask.output}"}},
        ],
        "edges": [{"source": "start", "target": node} for node in parallel]
        + [{"source": node, "target": "output"} for node in parallel],
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_hundred_runs_finish_on_four_slots(tmp_path: Path) -> None:
    async with outside() as (server, url):
        stack = Stack(
            tmp_path,
            PILOT_MAX_ACTIVITIES=str(SLOTS),
            PILOT_MAX_WORKFLOW_TASKS=str(SLOTS),
            PILOT_LLM_API_BASE=f"{url}/v1",
        )
        try:
            async with stack.client() as client:
                workflow_id = await save(client, branches(url))
                ids = [await execute(client, workflow_id) for _ in range(RUNS)]
                runs = [await finished(client, id, within_s=400) for id in ids]
            temporal = await connect(
                Settings(temporal_address=stack.state()["temporal"]["address"])
            )
            for run in runs:
                assert (run["status"], run["error"]) == ("succeeded", None)
                assert run["output"] == "done"
                assert {node["status"] for node in run["nodes"]} == {"succeeded"}
                # the row is final by the activity that records it; the run ends after that
                handle = temporal.get_workflow_handle(run["temporal"]["workflow_id"])
                await asyncio.wait_for(handle.result(), 30)
                described = await handle.describe()
                assert described.status is WorkflowExecutionStatus.COMPLETED
            assert server.fetched == 3 * RUNS
            assert 2 <= server.most <= SLOTS, "the slots were not what bounded the runs"
        finally:
            stack.stop()
