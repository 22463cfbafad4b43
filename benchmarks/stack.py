"""What a benchmark runs on: one tuned server and one worker, for both sides."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from pilot import runs
from pilot.embedded import server_command
from pilot.events.publisher import Publisher
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.processes import die_with_parent, free_ports
from pilot.queues import Queues
from pilot.settings import Settings
from pilot.store import Execution, temporal_workflow_id
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from workflows_def.messages import WORKFLOW_TYPE, Resume, RunInput

USER = "benchmark"


@dataclass(frozen=True, slots=True)
class Stack:
    """A client, the store and the task queue that the worker polls."""

    client: Client
    store: SqlStore
    task_queue: str
    publisher: Publisher
    settings: Settings
    plugin: PilotPlugin

    async def start_graph(
        self,
        graph: Graph,
        input: Any,
        *,
        signal: str | None = None,
        resume: Resume | None = None,
        queues: Queues | None = None,
    ) -> WorkflowHandle[Any, Any]:
        """Saves a graph and starts it as the API does: version, row, workflow; with a `signal` that
        it has before it begins, what it takes from another run, and the queues of its nodes."""
        return await self.start_saved(
            await self.save(graph), graph, input, signal=signal, resume=resume, queues=queues
        )

    async def save(self, graph: Graph) -> str:
        """The id of a new stored workflow."""
        workflow = await self.store.create_workflow(
            USER, name="benchmark", description="", graph=graph.to_json()
        )
        return workflow.id

    async def start_saved(
        self,
        workflow_id: str,
        graph: Graph,
        input: Any,
        *,
        signal: str | None = None,
        resume: Resume | None = None,
        queues: Queues | None = None,
    ) -> WorkflowHandle[Any, Any]:
        """Starts a run of a stored graph."""
        run = await self.enter(workflow_id, graph, input, resume=resume, queues=queues)
        return await self.begin(run, signal=signal)

    async def enter(
        self,
        workflow_id: str,
        graph: Graph,
        input: Any,
        *,
        resume: Resume | None = None,
        queues: Queues | None = None,
    ) -> RunInput:
        """A row of its own for a run of a stored graph, and what the run is to begin with."""
        execution = Execution(
            id=str(uuid.uuid4()),
            owner=USER,
            workflow_id=workflow_id,
            workflow_version=1,
            status=ExecutionStatus.QUEUED,
            input=input,
            timeout_s=graph.timeout_s,
            created_at=datetime.now(UTC),
        )
        await self.store.create_execution(execution)
        run = runs.run_of(execution, "benchmark", compile_plan(graph, specs()))
        return replace(run, resume=resume, queues=dict(queues or {}))

    async def begin(
        self, run: RunInput, *, signal: str | None = None, task_queue: str | None = None
    ) -> WorkflowHandle[Any, Any]:
        """Starts a run that has its row."""
        return await self.client.start_workflow(
            WORKFLOW_TYPE,
            run,
            id=temporal_workflow_id(run.execution_id),
            task_queue=task_queue or self.task_queue,
            start_signal=signal,
        )


@asynccontextmanager
async def stack(
    workflows: Sequence[type], redis_url: str | None = None, *, allowed_hosts: Sequence[str] = ()
) -> AsyncIterator[Stack]:
    """Server, store and a worker that runs πlot's interpreter and `workflows` as well."""
    async with (
        idle_stack(redis_url, allowed_hosts=allowed_hosts) as idle,
        Worker(idle.client, task_queue=idle.task_queue, workflows=workflows),
    ):
        yield idle


@asynccontextmanager
async def idle_stack(
    redis_url: str | None = None,
    *,
    allowed_hosts: Sequence[str] = (),
    allowed_ports: Sequence[str] = (),
    max_runs: int | None = None,
) -> AsyncIterator[Stack]:
    """Server and store: what is started waits until a worker polls the task queue. Its events
    are on the bus of `redis_url`, if that is given; http nodes reach public hosts, and those
    allowed. An owner may have `max_runs` at once."""
    with tempfile.TemporaryDirectory() as folder:
        [port] = free_ports(1)
        server = subprocess.Popen(  # noqa: ASYNC220
            server_command(port=port, ui_port=None, database=Path(folder) / "temporal.db"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )
        try:
            settings = Settings(
                temporal_address=f"127.0.0.1:{port}",
                pilot_data_dir=Path(folder),
                pilot_env="development",
                redis_url=SecretStr(redis_url) if redis_url else None,
                pilot_allowed_hosts=list(allowed_hosts),
                pilot_allowed_ports=list(allowed_ports),
                pilot_max_runs_per_user=max_runs,
            )
            await migrate(settings.store_url)
            async with PilotPlugin.open(settings) as plugin:
                client = await _connect(settings.temporal_address, plugin)
                store = await SqlStore.open(settings.store_url)
                assert plugin.publisher is not None
                yield Stack(client, store, "benchmark", plugin.publisher, settings, plugin)
                await store.close()
        finally:
            server.terminate()
            server.wait()


async def _connect(address: str, plugin: PilotPlugin) -> Client:
    for _ in range(200):
        try:
            client = await Client.connect(address, plugins=[plugin])
            await client.count_workflows()
        except Exception:
            await asyncio.sleep(0.05)
        else:
            return client
    raise SystemExit("the Temporal server did not start")


async def history_bytes(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """Events and bytes of a run's history."""
    history = await handle.fetch_history()
    return len(history.events), sum(event.ByteSize() for event in history.events)
