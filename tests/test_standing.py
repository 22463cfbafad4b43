"""Owners' turns: how they are read, and what Temporal makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from api.runs import Runs
from pilot.graph.compile import compile_plan
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.standing import MAX_KEY_BYTES, Standing, fairness_key, standing_of, standings
from pilot.store import temporal_workflow_id
from pilot.store.migrate import migrate
from pilot.temporal import connect
from tests.graph.graphs import graph, node
from workflows_def.messages import RunInput

CROWD, FEW = 80, 5
LIMIT_S = 120


def test_what_the_setting_says() -> None:
    found = standings("org_acme=4, batch=0.5@4 , ops=1@1, *=2,")
    assert found == {
        "org_acme": Standing(4.0),
        "batch": Standing(0.5, 4),
        "ops": Standing(1.0, 1),
        "*": Standing(2.0),
    }
    assert standing_of("org_acme", found) == Standing(4.0)
    assert standing_of("who", found) == Standing(2.0)
    assert standing_of("who", {}) == Standing()
    assert Settings(_env_file=None, pilot_priorities="ops=1@1").pilot_priorities == {  # type: ignore[call-arg, arg-type]
        "ops": Standing(1.0, 1)
    }


@pytest.mark.parametrize("wrong", ["ann", "=1", "ann=", "ann=0", "ann=1001", "ann=1@6", "ann=x"])
def test_what_it_cannot_say(wrong: str) -> None:
    with pytest.raises(ValueError, match="pilot_priorities"):
        Settings(_env_file=None, pilot_priorities=wrong)  # type: ignore[call-arg, arg-type]


def test_an_owner_of_any_length_has_a_key_of_their_own() -> None:
    assert fairness_key("user_2x") == "user_2x"
    one, other = fairness_key("ü" * 40), fairness_key("ü" * 41)
    assert one != other
    assert max(len(one.encode()), len(other.encode())) <= MAX_KEY_BYTES


@dataclass
class Queue:
    """Runs that wait; `working` polls for them, two activities at a time."""

    client: Client
    runs: Runs
    working: Callable[[], AbstractAsyncContextManager[object]]

    async def start(self, owner: str) -> WorkflowHandle[object, object]:
        plan = compile_plan(
            graph(
                [
                    node("s", "start"),
                    node("c", "code", config={"source": "input"}),
                    node("o", "output"),
                ],
                "s>c",
                "c>o",
            ),
            specs(),
        )
        run = RunInput(str(uuid4()), "w", "w", 1, owner, plan, input=1)
        await self.runs.start(run)
        return self.client.get_workflow_handle(temporal_workflow_id(run.execution_id))


@asynccontextmanager
async def queue(temporal_address: str, folder: Path, priorities: str) -> AsyncIterator[Queue]:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        temporal_address=temporal_address,
        temporal_task_queue=f"turns-{uuid4()}",
        pilot_data_dir=folder,
        pilot_priorities=priorities,  # type: ignore[arg-type]
    )
    await migrate(settings.store_url)
    async with PilotPlugin.open(settings) as plugin:
        client = await connect(settings, plugins=[plugin])
        runs = Runs(client, settings.temporal_task_queue, settings.pilot_priorities)

        def working() -> Worker:
            return Worker(
                client,
                task_queue=settings.temporal_task_queue,
                max_concurrent_activities=2,
                max_concurrent_workflow_tasks=2,
            )

        yield Queue(client, runs, working)


async def ended_before(queue: Queue, crowd: str, few: str) -> int:
    """Of a crowd of runs that wait, how many end before a few that came last have all ended."""
    first = [await queue.start(crowd) for _ in range(CROWD)]
    last = [await queue.start(few) for _ in range(FEW)]
    ended = 0

    async def end(handle: WorkflowHandle[object, object]) -> None:
        nonlocal ended
        await handle.result()
        ended += 1

    async with queue.working(), asyncio.timeout(LIMIT_S):
        others = [asyncio.create_task(end(handle)) for handle in first]
        await asyncio.gather(*(handle.result() for handle in last))
        before = ended
        await asyncio.gather(*others)
    return before


@pytest.mark.parametrize(
    ("crowd", "few", "priorities", "least", "most"),
    [
        # in the order of coming all of the crowd's would have ended
        ("ann", "bob", "", 0, CROWD * 4 // 5),
        ("ann", "ops", "ops=1@1", 0, CROWD // 2),
        ("ann", "batch", "batch=1@5", CROWD // 2, CROWD),
    ],
    ids=["another owner", "one that comes first", "one that comes last"],
)
async def test_a_few_runs_behind_a_crowd(
    temporal_address: str,
    tmp_path: Path,
    crowd: str,
    few: str,
    priorities: str,
    least: int,
    most: int,
) -> None:
    async with queue(temporal_address, tmp_path, priorities) as waiting:
        before = await ended_before(waiting, crowd, few)
    assert least <= before <= most


async def test_activities_have_their_runs_turn(temporal_address: str, tmp_path: Path) -> None:
    async with queue(temporal_address, tmp_path, "ann=2.5@2") as waiting:
        handle = await waiting.start("ann")
        async with waiting.working(), asyncio.timeout(LIMIT_S):
            await handle.result()
        history = await handle.fetch_history()
    began = history.events[0].workflow_execution_started_event_attributes.priority
    assert (began.fairness_key, began.fairness_weight, began.priority_key) == ("ann", 2.5, 2)
    asked = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    # nothing of their own: what they leave out is the run's
    assert asked and not any(
        one.priority.fairness_key or one.priority.priority_key for one in asked
    )
