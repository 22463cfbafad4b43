"""Task queues of node types: how they are read, what is refused, and where nodes go."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from api.runs import Runs
from pilot.errors import SettingsError
from pilot.graph.compile import compile_plan
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.queues import queues
from pilot.settings import Settings
from pilot.store import temporal_workflow_id
from pilot.store.migrate import migrate
from pilot.temporal import connect
from tests.graph.graphs import graph, node
from tests.workflows_def.bodies import DOUBLE, each
from workflows_def.messages import RunInput

LIMIT_S = 60


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, pilot_env="development", **given)  # type: ignore[call-arg, arg-type]


def test_what_the_setting_says() -> None:
    found = settings(pilot_task_queues="code=pilot-code , llm=heavy,http=heavy,")
    assert found.pilot_task_queues == {"code": "pilot-code", "llm": "heavy", "http": "heavy"}
    found.check()
    assert queues("code=q, code=q") == {"code": "q"}


@pytest.mark.parametrize(
    "wrong", ["code", "code=", "=q", "code=a b", "code=/_sys/q", "code=a,code=b"]
)
def test_what_it_cannot_say(wrong: str) -> None:
    with pytest.raises(ValueError, match="pilot_task_queues"):
        settings(pilot_task_queues=wrong)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cod=q", "no node type 'cod'; those that may have a queue are code, http, llm"),
        ("condition=q", "condition nodes run inside their run's workflow task"),
        ("map=q", "map nodes run inside"),
        ("code=pilot", "'pilot' is TEMPORAL_TASK_QUEUE"),
    ],
)
def test_what_is_refused_at_start(given: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(pilot_task_queues=given).check()


def test_a_worker_serves_all_queues_or_those_it_is_told() -> None:
    routed = "code=pilot-code, llm=heavy, http=heavy"
    everything = settings(pilot_task_queues=routed)
    assert everything.served_queues == ["pilot", "pilot-code", "heavy"]
    some = settings(pilot_task_queues=routed, pilot_worker_queues="heavy, before")
    assert some.served_queues == ["heavy", "before"]
    # one that the setting named before holds no runs either
    assert some.node_queues == {"pilot-code", "heavy", "before"}
    assert settings().served_queues == ["pilot"]
    assert settings(pilot_worker_queues="pilot").node_queues == set()


@dataclass
class World:
    """Clients and workers of one store, with any queues."""

    folder: Path
    temporal: str
    own: str
    heavy: str

    @asynccontextmanager
    async def opened(self, routed: str) -> AsyncIterator[Client]:
        """A client whose workers know these queues."""
        found = settings(
            temporal_address=self.temporal,
            temporal_task_queue=self.own,
            pilot_data_dir=self.folder,
            pilot_task_queues=routed,
        )
        async with PilotPlugin.open(found) as plugin:
            yield await connect(found, plugins=[plugin])

    async def start(
        self, client: Client, routed: Mapping[str, str]
    ) -> WorkflowHandle[object, object]:
        """A run of a code node, and of one in a map."""
        nodes = [
            node("s", "start"),
            node("c", "code", config={"source": "[1, 2]"}),
            each([DOUBLE]),
            node("o", "output"),
        ]
        plan = compile_plan(graph(nodes, "s>c", "c>each", "each>o"), specs())
        run = RunInput(str(uuid.uuid4()), "w", "w", 1, "u", plan)
        await Runs(client, self.own, queues=routed).start(run)
        return client.get_workflow_handle(temporal_workflow_id(run.execution_id))

    async def pollers(self, client: Client, queue: str, kind: TaskQueueType.ValueType) -> int:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=queue),
                task_queue_type=kind,
            )
        )
        return len(answer.pollers)


@pytest.fixture
async def world(temporal_address: str, tmp_path: Path) -> World:
    await migrate(settings(pilot_data_dir=tmp_path).store_url)
    id = uuid.uuid4()
    return World(tmp_path, temporal_address, f"own-{id}", f"heavy-{id}")


async def where(client: Client, handle: WorkflowHandle[object, object]) -> set[tuple[str, str]]:
    """Activity types and the queues they were sent to, of a run and its children."""
    found = set()
    async for one in client.list_workflows(f"WorkflowId STARTS_WITH '{handle.id}'"):
        history = await client.get_workflow_handle(one.id, run_id=one.run_id).fetch_history()
        for event in history.events:
            scheduled = event.activity_task_scheduled_event_attributes
            if event.HasField("activity_task_scheduled_event_attributes"):
                found.add((scheduled.activity_type.name, scheduled.task_queue.name))
    return found


async def listed(client: Client, handle: WorkflowHandle[object, object], count: int) -> None:
    """Until Temporal's list has the run and its children."""
    query = f"WorkflowId STARTS_WITH '{handle.id}'"
    while len([one async for one in client.list_workflows(query)]) < count:
        await asyncio.sleep(0.1)


async def test_only_its_activities_go_to_a_types_queue(world: World) -> None:
    routed = {"code": world.heavy}
    async with world.opened(f"code={world.heavy}") as client, asyncio.timeout(LIMIT_S):
        async with Worker(client, task_queue=world.own):
            handle = await world.start(client, routed)
            async with Worker(client, task_queue=world.heavy):
                assert await handle.result() == [2, 4]
                activity = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
                assert await world.pollers(client, world.heavy, activity) > 0
                workflow = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
                assert await world.pollers(client, world.heavy, workflow) == 0
        await listed(client, handle, 2)
        sent = await where(client, handle)
    assert {queue for name, queue in sent if name == "code"} == {world.heavy}
    assert {queue for name, queue in sent if name != "code"} == {world.own}


async def test_a_run_in_flight_keeps_its_queues(world: World) -> None:
    """The setting goes while a run waits for its node, and the run goes on as it began."""
    async with asyncio.timeout(LIMIT_S):
        async with world.opened(f"code={world.heavy}") as client:
            handle = await world.start(client, {"code": world.heavy})
            async with Worker(client, task_queue=world.own, max_cached_workflows=0):
                while not (await handle.describe()).raw_description.pending_activities:
                    await asyncio.sleep(0.05)
        async with world.opened("") as client:
            later = await world.start(client, {})
            handle = client.get_workflow_handle(handle.id)
            async with Worker(client, task_queue=world.own, max_cached_workflows=0):
                assert await later.result() == [2, 4]
                assert (await handle.describe()).close_time is None
                async with Worker(client, task_queue=world.heavy):
                    assert await handle.result() == [2, 4]
            await listed(client, handle, 2)
            await listed(client, later, 2)
            assert {q for n, q in await where(client, handle) if n == "code"} == {world.heavy}
            assert {q for _, q in await where(client, later)} == {world.own}
