"""Errors, traces and log lines of the whole stack, as a Sentry and a collector receive them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest
from temporalio.client import Client

from pilot.settings import Settings
from pilot.temporal import connect
from tests.receivers import Receiver, receiver
from tests.stack import Stack, execute, finished, save

PROMPT = "the user's own words"
SECRET = "sk-live-0123456789abcdef"
T = TypeVar("T")

# A node type that fails as no node should: with an error of its own making, which quotes all
# that it was given.
BROKEN = """
import os
from activities.attempt import Attempt, node_activity
from pilot.graph.task import NodeResult
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry

class BrokenConfig(NodeConfig):
    prompt: str = ""

SPEC = NodeSpec(
    type="broken", title="Broken", description="Fails.", category="data", icon="bug",
    config=BrokenConfig, policy=Policy(retry=Retry(max_attempts=1), timeout_s=10),
)

@node_activity("broken", BrokenConfig)
async def broken(attempt: Attempt[BrokenConfig]) -> NodeResult:
    prompt, secret = attempt.config.prompt, os.environ["BROKEN_SECRET"]
    raise RuntimeError(f"cannot do {prompt} with {secret}")
"""
ENTRY_POINTS = """
[pilot.nodes]
broken = broken_node:SPEC
[pilot.activities]
broken = broken_node:broken
"""


def chain(*middle: dict[str, Any]) -> dict[str, Any]:
    nodes = [{"id": "start", "type": "start"}, *middle, {"id": "output", "type": "output"}]
    return {
        "nodes": nodes,
        "edges": [{"source": a["id"], "target": b["id"]} for a, b in pairwise(nodes)],
    }


@pytest.fixture(scope="module")
async def received() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture(scope="module")
async def told(
    received: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """`pilot dev` that tells the receiver everything, with the broken node type."""
    site = tmp_path_factory.mktemp("site")
    (site / "broken_node.py").write_text(BROKEN)
    metadata = site / "broken_node-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-node\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=":")
        running = await asyncio.to_thread(
            Stack,
            tmp_path_factory.mktemp("told"),
            SENTRY_DSN=received.dsn,
            SENTRY_ENVIRONMENT="staging",
            SENTRY_RELEASE="pilot@test",
            OTEL_EXPORTER_OTLP_ENDPOINT=received.otlp,
            PILOT_LOG_FORMAT="json",
            BROKEN_SECRET=SECRET,
        )
    yield running
    await asyncio.to_thread(running.stop)


async def eventually(find: Callable[[], T]) -> T:
    """What `find` gives once it gives something."""
    async with asyncio.timeout(25):
        while not (found := find()):
            await asyncio.sleep(0.1)
    return found


def quiet(received: Receiver) -> None:
    """Nothing of the runs' data has left, in no form."""
    for body in received.raw:
        for data in (PROMPT, SECRET):
            assert data.encode() not in body
            assert json.dumps(data)[1:-1].encode() not in body


async def test_a_node_that_fails_inside_plot_is_told_with_its_ids_and_nothing_of_its_data(
    told: Stack, received: Receiver
) -> None:
    graph = chain({"id": "it", "type": "broken", "config": {"prompt": PROMPT}})
    async with told.client("ada") as client:
        execution = await finished(client, await execute(client, await save(client, graph)))
    assert execution["error"]["code"] == "internal_error"

    def found() -> dict[str, Any] | None:
        for event in received.events:
            if event["tags"].get("execution_id") == execution["id"]:
                return event
        return None

    event = await eventually(found)
    tags = event["tags"]
    assert (tags["node_id"], tags["node_type"], tags["user_id"]) == ("it", "broken", "ada")
    assert tags["component"] == "worker"
    assert tags["workflow_id"] == execution["workflow_id"]
    assert event["user"] == {"id": "ada"}
    assert (event["environment"], event["release"]) == ("staging", "pilot@test")
    exception = event["exception"]["values"][-1]
    assert exception["type"] == "RuntimeError"
    frame = exception["stacktrace"]["frames"][-1]
    assert frame["function"] == "broken"
    assert "raise RuntimeError" in frame["context_line"]
    assert "vars" not in frame
    assert not {"request", "extra", "breadcrumbs"} & set(event)
    quiet(received)
    # and the error belongs to the request's trace
    spans = await eventually(lambda: _of_execution(received, execution["id"]))
    assert event["contexts"]["trace"]["trace_id"] == spans[0].trace_id


async def test_what_a_graphs_author_did_wrong_is_not_told(told: Stack, received: Receiver) -> None:
    before = len(received.events)
    failing = chain({"id": "never", "type": "code", "config": {"source": "1 / 0"}})
    async with told.client("ada") as client:
        execution = await finished(client, await execute(client, await save(client, failing)))
        assert execution["status"] == "failed"
        assert (await client.get("/api/v1/workflows/nothing")).status_code == 404
        assert (await client.post("/api/v1/workflows", json={"nodes": 1})).status_code == 422
    # whatever was told on the way has been received when the next error is
    await _break(told, received)
    assert len(received.events) == before + 1


async def _break(told: Stack, received: Receiver) -> dict[str, Any]:
    """A request that fails with a 500: the database holds a graph that is none."""
    async with told.client("eve") as client:
        workflow_id = await save(client, chain())
        with closing(sqlite3.connect(told.data_dir / "pilot.db", timeout=30)) as database:
            database.execute(
                "update workflow_versions set graph = ? where workflow_id = ?",
                (json.dumps({"nodes": PROMPT, "edges": SECRET}), workflow_id),
            )
            database.commit()
        answer = await client.post(
            f"/api/v1/workflows/{workflow_id}/execute",
            json={"input": PROMPT},
            headers={"X-Request-ID": f"request-{workflow_id}"},
        )
    assert answer.status_code == 500, answer.text

    def found() -> dict[str, Any] | None:
        for event in received.events:
            if event["tags"].get("request_id") == f"request-{workflow_id}":
                return event
        return None

    return await eventually(found)


async def test_a_request_that_fails_with_a_500_is_told(told: Stack, received: Receiver) -> None:
    event = await _break(told, received)
    assert event["tags"]["component"] == "api"
    assert event["logentry"]["message"] == "%s %s failed"
    assert event["exception"]["values"]
    quiet(received)


async def test_a_workflow_task_that_fails_is_told_once_a_kind(
    told: Stack, received: Receiver
) -> None:
    address = told.state()["temporal"]["address"]
    client: Client = await connect(Settings(_env_file=None, temporal_address=address))
    handle = await client.start_workflow(
        "NoSuchWorkflow", "the user's own words", id="execution-bad", task_queue="pilot"
    )
    try:
        await eventually(lambda: _task_failures(received))
    finally:
        await handle.terminate()
    for event in _task_failures(received):
        assert event["level"] == "error"
        assert event["tags"]["component"] == "worker"
    assert any(event["tags"].get("temporal_run_id") for event in _task_failures(received))
    quiet(received)


def _task_failures(received: Receiver) -> list[dict[str, Any]]:
    return [event for event in received.events if event["tags"].get("failure") == "workflow_task"]


def _of_execution(received: Receiver, execution_id: str) -> list[Any]:
    return [
        span
        for span in received.spans
        if execution_id
        in (
            span.attributes.get("execution_id"),
            str(span.attributes.get("temporalWorkflowID", "")).removeprefix("execution-"),
        )
    ]


async def test_one_trace_goes_from_the_request_to_the_activities(
    told: Stack, received: Receiver
) -> None:
    graph = chain({"id": "n", "type": "code", "config": {"source": "1 + 1"}})
    async with told.client("ada") as client:
        execution = await finished(client, await execute(client, await save(client, graph)))
    names = {
        "StartWorkflow:InterpretGraph",
        "RunWorkflow:InterpretGraph",
        "RunActivity:code",
        "CompleteWorkflow:InterpretGraph",
    }
    own = lambda: _of_execution(received, execution["id"])  # noqa: E731
    await eventually(lambda: names <= {span.name for span in own()})
    [trace_id] = {span.trace_id for span in own() if span.name in names}

    def whole() -> dict[str, Any]:
        return {span.span_id: span for span in received.spans if span.trace_id == trace_id}

    await eventually(lambda: any(span.parent_id == "" for span in whole().values()))
    spans = whole()
    [activity] = [span for span in spans.values() if span.name == "RunActivity:code"]
    path = [activity]
    while path[-1].parent_id:
        path.append(spans[path[-1].parent_id])
    assert path[-1].name == "POST /api/v1/workflows/{workflow_id}/execute"
    assert [span.service for span in (path[0], path[-1])] == ["pilot-worker", "pilot-api"]
    assert activity.attributes["node_id"] == "n"

    # Sentry has the same trace, from both processes
    def transactions() -> set[str]:
        return {
            one["transaction"]
            for one in received.transactions
            if one["contexts"]["trace"]["trace_id"] == trace_id
        }

    await eventually(lambda: {path[-1].name, "RunActivity:code"} <= transactions())
    quiet(received)


def test_every_log_line_is_json_with_its_ids(told: Stack) -> None:
    logs = Path(told.data_dir) / "logs"
    lines = {
        name: [
            json.loads(line)
            for line in (logs / f"{name}.log").read_text().splitlines()
            if not line.startswith("worker polls")
        ]
        for name in ("api", "worker")
    }
    [failed] = [line for line in lines["worker"] if "the broken node" in line["message"]]
    assert (failed["node_id"], failed["user_id"], failed["level"]) == ("it", "ada", "error")
    assert failed["execution_id"]
    [request] = [
        line
        for line in lines["api"]
        if line["logger"] == "uvicorn.access" and "/workflows/nothing " in line["message"]
    ]
    assert request["request_id"]
