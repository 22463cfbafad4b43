"""The worker's `/metrics` and the API's, after real runs on the real stack."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.common import MetricMeter

from pilot.metrics import WorkerMetrics
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
    running = Measured(
        tmp_path_factory.mktemp("measured"),
        PILOT_METRICS_ADDRESS=address,
        PILOT_MODEL_LIMITS="gpt-*=7",
    )
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
        ("llm", "succeeded", 1),
        ("code", "failed", 1),
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


@asynccontextmanager
async def failing_task(measured: Measured) -> AsyncIterator[Scrape]:
    """The worker's page, once it counts a failed workflow task."""
    client = await measured.temporal()
    handle = await client.start_workflow(
        "NoSuchWorkflow", None, id=f"none-{uuid4()}", task_queue="pilot"
    )
    try:
        async with asyncio.timeout(30):
            while not (page := await measured.worker()).total(
                "temporal_workflow_task_execution_failed_total",
                "failure_reason=WorkflowError",
                "workflow_type=NoSuchWorkflow",
            ):
                await asyncio.sleep(0.1)
        yield page
    finally:
        await handle.terminate()


async def test_a_workflow_task_that_fails_is_counted_with_its_reason(measured: Measured) -> None:
    async with failing_task(measured) as page:
        assert not page.total("pilot_executions_internal_errors_total")


async def _reconciled(measured: Measured) -> Scrape:
    """The API's page, once the reconciler has passed."""
    client = await measured.temporal()
    await client.get_schedule_handle("pilot-reconcile").trigger()
    async with asyncio.timeout(60):
        while True:
            page = await scrape(f"{measured.url}/metrics")
            if "pilot_reconcile_last_pass_age_seconds" in page.names:
                return page
            await asyncio.sleep(0.2)


async def test_the_api_tells_of_the_workers_and_of_the_reconciler(measured: Measured) -> None:
    page = await scrape(f"{measured.url}/metrics")
    assert page["pilot_worker_pollers"] == 1
    assert page["pilot_up", "part=temporal"] == 1
    assert page["pilot_llm_in_use", "limit=gpt-*"] == 0 == page["pilot_llm_waiting", "limit=gpt-*"]
    page = await _reconciled(measured)
    assert 0 <= page["pilot_reconcile_last_pass_age_seconds"] < 120
    assert page["pilot_reconcile_oldest_unreconciled_age_seconds"] == 0
    assert page["pilot_reconcile_unreconciled"] == 0


class Names(MetricMeter):
    """Collects how the exporter will call the instruments that are made."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def create_counter(self, name: str, *_: Any) -> Any:
        self.found.add(f"{name}_total")

    def create_histogram_float(self, name: str, _about: Any = None, unit: str = "") -> Any:
        self.found |= {f"{name}_{unit}_{part}" for part in ("bucket", "count", "sum")}

    def create_gauge(self, *_: Any) -> Any:
        raise NotImplementedError

    create_histogram = create_gauge_float = create_histogram_timedelta = create_gauge
    create_up_down_counter = with_additional_attributes = create_gauge


@pytest.mark.parametrize("file", ["grafana/pilot.json", "prometheus/alerts.yml"])
async def test_what_the_dashboard_and_the_alerts_name_exists(measured: Measured, file: str) -> None:
    text = (Path(__file__).parents[2] / "deploy" / file).read_text()
    if file.endswith(".json"):
        panels = json.loads(text)["panels"]
        asked = [target["expr"] for panel in panels for target in panel["targets"]]
    else:
        asked = re.findall(r"expr: (.+)", text)
    named = set(re.findall(r"\b(?:pilot|temporal|process)_[a-z_]+", " ".join(asked)))
    assert len(asked) >= 8 and len(named) >= 6
    async with failing_task(measured) as page:
        await _reconciled(measured)
        api = await scrape(f"{measured.url}/metrics")
    ours = Names()
    WorkerMetrics(ours)
    assert named - ours.found - page.names - api.names == set()
    assert ours.found & page.names  # they are called so


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
