"""The worker's `/metrics` and the API's, after real runs on the real stack."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from pilot.processes import free_ports
from pilot.settings import Settings
from pilot.temporal import connect
from tests.openai_server import openai_server
from tests.scrape import Scrape, scrape
from tests.stack import Stack, clean_environment, execute, finished, save

GRAPH = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "ask",
            "type": "llm",
            "config": {"model": "gpt-4o-mini", "prompt_template": "say {input.word}"},
        },
        {"id": "output", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "ask"}, {"source": "ask", "target": "output"}],
}
FAILING = {
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "never", "type": "code", "config": {"source": "1 / 0"}},
        {"id": "output", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "never"}, {"source": "never", "target": "output"}],
}


class Measured(Stack):
    worker_metrics: str

    async def worker(self) -> Scrape:
        return await scrape(self.worker_metrics)

    async def temporal(self) -> Client:
        address = self.state()["temporal"]["address"]
        return await connect(Settings(_env_file=None, temporal_address=address))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    running = Measured(tmp_path_factory.mktemp("measured"), PILOT_METRICS_ADDRESS=address)
    running.worker_metrics = f"http://{address}/metrics"
    yield running
    running.stop()


async def test_runs_nodes_and_model_calls_are_counted(measured: Measured) -> None:
    before = await measured.worker()
    async with openai_server() as model, measured.client() as client:
        ask = GRAPH["nodes"][1]["config"]
        config = {**ask, "api_base": model.base_url}
        graph = {
            **GRAPH,
            "nodes": [
                GRAPH["nodes"][0],
                {**GRAPH["nodes"][1], "config": config},
                GRAPH["nodes"][2],
            ],
        }
        first = await finished(
            client, await execute(client, await save(client, graph), {"word": "prompt-text"})
        )
        second = await finished(client, await execute(client, await save(client, FAILING), 1))
    assert (first["status"], second["status"]) == ("succeeded", "failed"), first["error"]
    after = await measured.worker()

    def grew(name: str, *labels: str) -> float:
        return after.total(name, *labels) - before.total(name, *labels)

    assert grew("pilot_executions_started_total") == 2
    assert grew("pilot_executions_finished_total", "status=succeeded") == 1
    assert grew("pilot_executions_finished_total", "status=failed") == 1
    for type, status, count in (
        ("start", "succeeded", 2),
        ("llm", "succeeded", 1),
        ("code", "failed", 1),
        ("output", "succeeded", 1),
    ):
        labels = (f"type={type}", f"status={status}")
        assert grew("pilot_node_duration_seconds_count", *labels) == count, labels
        assert grew("pilot_node_duration_seconds_sum", *labels) > 0
    model_name = "model=gpt-4o-mini"
    usage = first["usage"]
    assert grew("pilot_llm_calls_total", model_name) == 1
    assert grew("pilot_llm_tokens_total", model_name, "kind=prompt") == usage["prompt_tokens"] > 0
    assert (
        grew("pilot_llm_tokens_total", model_name, "kind=completion") == usage["completion_tokens"]
    )
    cost = grew("pilot_llm_cost_nanodollars_total", model_name) / 1e9
    assert cost == pytest.approx(float(usage["cost_usd"]))
    # Temporal's own
    assert grew("temporal_activity_execution_latency_seconds_count", "activity_type=llm") == 1
    ids = (first["id"], second["id"], "prompt-text")
    assert not any(part in label for key in after.samples for label in key for part in ids)


async def test_a_workflow_task_that_fails_is_counted_with_its_reason(measured: Measured) -> None:
    client = await measured.temporal()
    handle = await client.start_workflow(
        "NoSuchWorkflow", "the user's own words", id="execution-bad", task_queue="pilot"
    )
    try:
        async with asyncio.timeout(30):
            while not (page := await measured.worker()).total(
                "temporal_workflow_task_execution_failed_total",
                "failure_reason=WorkflowError",
                "workflow_type=NoSuchWorkflow",
            ):
                await asyncio.sleep(0.1)
    finally:
        await handle.terminate()
    assert page.total("pilot_executions_finished_total", "status=failed") <= 1


async def test_the_api_tells_of_the_workers_and_of_the_reconciler(measured: Measured) -> None:
    page = await scrape(f"{measured.url}/metrics")
    assert page["pilot_worker_pollers"] == 1
    assert page["pilot_up", "part=temporal"] == 1
    client = await measured.temporal()
    await client.get_schedule_handle("pilot-reconcile").trigger()
    async with asyncio.timeout(60):
        while "pilot_reconcile_last_pass_age_seconds" not in page.names:
            await asyncio.sleep(0.2)
            page = await scrape(f"{measured.url}/metrics")
    assert 0 <= page["pilot_reconcile_last_pass_age_seconds"] < 120
    assert page["pilot_reconcile_oldest_unreconciled_age_seconds"] == 0
    assert page["pilot_reconcile_unreconciled"] == 0


def test_a_worker_that_cannot_serve_its_metrics_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for bad, reason in ((address, "in use"), ("nonsense", "address")):
            worker = subprocess.run(
                [sys.executable, "-m", "worker"],
                cwd=tmp_path,
                env=clean_environment(PILOT_ENV="development", PILOT_METRICS_ADDRESS=bad),
                capture_output=True,
                text=True,
                timeout=85,
                check=False,
            )
            assert worker.returncode == 1
            assert f"PILOT_METRICS_ADDRESS: {bad}" in worker.stderr
            assert reason in worker.stderr
            assert "Traceback" not in worker.stderr
