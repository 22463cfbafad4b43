"""A worker with πlot's plugin, in this process, against the real development server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from pilot.events import sink
from pilot.events.model import Envelope, Event
from pilot.graph.compile import compile_plan
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store.migrate import migrate
from tests.graph.graphs import graph
from tests.openai_server import OpenAIServer, openai_server
from workflows_def.messages import QUERY_SNAPSHOT, WORKFLOW_TYPE, RunInput, Snapshot

LIMIT_S = 90


@dataclass
class Runner:
    """Starts graphs and keeps what the sink was given."""

    client: Client
    task_queue: str
    emitted: list[Event] = field(default_factory=list)

    async def start(
        self,
        nodes: list[dict[str, Any]],
        *edges: str,
        input: Any = None,
        timeout_s: float | None = None,
        workflow_id: str = "w",
        **settings: Any,
    ) -> WorkflowHandle[Any, Any]:
        run = RunInput(
            execution_id=str(uuid.uuid4()),
            workflow_id=workflow_id,
            workflow_name="test",
            workflow_version=1,
            user_id="u",
            plan=compile_plan(graph(nodes, *edges, **settings), specs()),
            input=input,
            timeout_s=timeout_s,
        )
        return await self.client.start_workflow(
            WORKFLOW_TYPE, run, id=f"execution-{run.execution_id}", task_queue=self.task_queue
        )

    async def run(self, nodes: list[dict[str, Any]], *edges: str, input: Any = None) -> Any:
        handle = await self.start(nodes, *edges, input=input)
        return await self.result(handle)

    async def result(self, handle: WorkflowHandle[Any, Any]) -> Any:
        return await asyncio.wait_for(handle.result(), LIMIT_S)

    async def failure(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """The cause of a run that fails."""
        with pytest.raises(WorkflowFailureError) as caught:
            await self.result(handle)
        return caught.value.cause

    async def snapshot(self, handle: WorkflowHandle[Any, Any]) -> Snapshot:
        snapshot: Snapshot = await handle.query(QUERY_SNAPSHOT, True, result_type=Snapshot)
        return snapshot

    async def until(self, handle: WorkflowHandle[Any, Any], node: str, status: str) -> Snapshot:
        """Waits until the node has the status."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                snapshot = await self.snapshot(handle)
                if {one.id: one.status for one in snapshot.nodes}[node] == status:
                    return snapshot
                await asyncio.sleep(0.02)

    def events(self, handle: WorkflowHandle[Any, Any], *, durable: bool = True) -> list[Event]:
        execution_id = handle.id.removeprefix("execution-")
        return [
            event
            for event in self.emitted
            if event.execution_id == execution_id and (event.seq is not None) is durable
        ]


@pytest.fixture(scope="session")
async def models() -> AsyncIterator[OpenAIServer]:
    """The model server of the worker's operator."""
    async with openai_server() as server:
        yield server


@pytest.fixture
def model(models: OpenAIServer) -> OpenAIServer:
    """The same, fresh."""
    models.reset()
    return models


@pytest.fixture(scope="session")
async def worker_settings(
    temporal_address: str, models: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    data_dir: Path = tmp_path_factory.mktemp("worker")
    settings = Settings(
        temporal_address=temporal_address,
        pilot_data_dir=data_dir,
        pilot_env="development",
        pilot_llm_api_base=models.base_url,
    )
    await migrate(settings.store_url)
    return settings


@pytest.fixture(scope="session")
async def runner(temporal_address: str, worker_settings: Settings) -> AsyncIterator[Runner]:
    async with PilotPlugin.open(worker_settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        runner = Runner(client, task_queue=f"test-{uuid.uuid4()}")
        async with Worker(client, task_queue=runner.task_queue):
            await asyncio.sleep(0)
            publish = sink.current()

            def emit(envelope: Envelope) -> None:
                runner.emitted.append(envelope.event)
                if publish is not None:
                    publish(envelope)

            sink.install(emit)
            yield runner
