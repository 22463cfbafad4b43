"""The plugin on somebody else's client and worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from pilot.converter import LeanPayloadConverter
from pilot.errors import PilotError
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.nodes import specs
from pilot.plugin import PASSTHROUGH, PilotPlugin
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.temporal import register_search_attributes
from pilot.temporal_tls import is_loopback
from workflows_def.messages import WORKFLOW_TYPE, RunInput


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn(sandboxed=False)
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"{name}!"


class Plain(PayloadCodec):
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_anyones_worker_runs_graphs_beside_its_own_work(
    temporal_address: str, tmp_path: Path
) -> None:
    settings = Settings(temporal_address=temporal_address, pilot_data_dir=tmp_path)
    await migrate(settings.store_url)
    graph = Graph.model_validate(
        {
            "nodes": [
                {"id": "start", "type": "start"},
                {"id": "twice", "type": "code", "config": {"source": "def main(x): return x * 2"}},
                {"id": "output", "type": "output"},
            ],
            "edges": [
                {"source": "start", "target": "twice"},
                {"source": "twice", "target": "output"},
            ],
        }
    )
    run = RunInput("e", "w", "a graph", 1, "user", compile_plan(graph, specs()), input=21)
    async with PilotPlugin.open(settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        async with Worker(client, task_queue="theirs", workflows=[Greeting], activities=[greet]):
            answer = await client.execute_workflow(
                WORKFLOW_TYPE, run, id="plugin-graph", task_queue="theirs"
            )
            greeting = await client.execute_workflow(
                Greeting.run, "Ann", id="plugin-own", task_queue="theirs"
            )
    assert (answer, greeting) == (42, "Ann!")


async def test_a_codec_of_theirs_stays(temporal_address: str) -> None:
    theirs = dataclasses.replace(DataConverter.default, payload_codec=Plain())
    client = await Client.connect(
        temporal_address, data_converter=theirs, plugins=[PilotPlugin()], lazy=True
    )
    assert isinstance(client.data_converter.payload_codec, Plain)
    assert client.data_converter.payload_converter_class is LeanPayloadConverter


async def test_a_worker_without_a_store_is_refused(temporal_address: str) -> None:
    client = await Client.connect(temporal_address, plugins=[PilotPlugin()], lazy=True)
    with pytest.raises(PilotError, match=r"PilotPlugin\.open"):
        Worker(client, task_queue="q")


def test_the_sandbox_shares_what_the_sink_needs() -> None:
    ours = PilotPlugin().workflow_runner
    assert callable(ours)
    made = ours(SandboxedWorkflowRunner())
    assert isinstance(made, SandboxedWorkflowRunner)
    assert set(PASSTHROUGH) <= made.restrictions.passthrough_modules
    theirs = UnsandboxedWorkflowRunner()
    assert ours(theirs) is theirs


async def test_search_attributes_are_registered_once(temporal_client: Client) -> None:
    assert await register_search_attributes(temporal_client) == ()


def test_what_counts_as_this_machine() -> None:
    assert all(map(is_loopback, ("127.0.0.1:7233", "localhost:1", "[::1]:7233")))
    assert not any(map(is_loopback, ("10.0.0.1:7233", "ns.tmprl.cloud:7233")))
