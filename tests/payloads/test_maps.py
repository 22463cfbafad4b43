"""A map's outputs, of which the run holds few and the payload store has the list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer

from activities.gathering import Gathering
from api.runs import Runs
from pilot.crypto import new_key
from pilot.keys import payload_keyring
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.payloads.sizes import TEMPORAL_BYTES
from pilot.payloads.values import Kept, Values
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store import Store
from pilot.store.open import open_store
from tests.graph.graphs import node
from tests.payloads.test_runs import history_of, payloads_in, run_of, settings_with, working
from tests.queued import queued
from tests.workflows_def.bodies import OUT, S, children, code, each
from workflows_def.iterations import GATHER_ITEMS_ACTIVITY
from workflows_def.messages import QUERY_SNAPSHOT, Resume, RunInput, Snapshot

CHARS = 50_000
LARGE = code("large", f"def main(item):\n    return str(item) + ' secret' * {CHARS // 7}")
FAILS = code(
    "fails",
    f"def main(item):\n    assert item % 10 != 3, 'bad'\n    return str(item) + 'x' * {CHARS}",
)
SIZE = node("v", "variable", config={"assignments": {"n": "{size(nodes.each.output)}"}})
ITEMS = 60
LIMIT_S = 120


def large(item: int) -> str:
    return str(item) + " secret" * (CHARS // 7)


def until(item: int) -> dict[str, Any]:
    """The same, but for items from there on, which fail."""
    source: str = LARGE["config"]["source"]
    return code(
        "large", source.replace("    return", f"    assert item < {item}, 'bad'\n    return")
    )


def mapping(*bodies: Any, given: list[Any] | None = None, **config: Any) -> RunInput:
    given = list(range(ITEMS)) if given is None else given
    edges = ("s>each", "each>v", "v>count", "each>o")
    count = code("count", "def main(vars): return vars['n']")
    return run_of(S, each(list(bodies), **config), SIZE, count, OUT, edges=edges, given=given)


class World:
    """A worker with its store and a payload store."""

    def __init__(self, settings: Settings, client: Client, store: Store) -> None:
        self.settings, self.client, self.store = settings, client, store

    async def start(self, run: RunInput, *, row: bool = True) -> WorkflowHandle[Any, Any]:
        """A run that has a row, as those that the API starts have."""
        if row:
            graph: dict[str, Any] = {"nodes": []}
            workflow = await self.store.create_workflow(
                "ada", name="w", description="", graph=graph
            )
            await self.store.create_execution(queued(workflow, run.execution_id))
        await Runs(self.client, self.settings.temporal_task_queue).start(run)
        return self.client.get_workflow_handle(f"execution-{run.execution_id}")

    async def result(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """As the run gave it."""
        return await asyncio.wait_for(handle.result(), LIMIT_S)

    async def whole(self, handle: WorkflowHandle[Any, Any]) -> Any:
        """The value that the run gave by reference."""
        execution_id = handle.id.removeprefix("execution-")
        result = await self.result(handle)
        assert Kept.of(result, execution_id) is not None, str(result)[:200]
        return await Values.open(self.settings).whole(result, execution_id)

    async def cause(self, handle: WorkflowHandle[Any, Any]) -> Any:
        with pytest.raises(WorkflowFailureError) as caught:
            await self.result(handle)
        return caught.value.cause


@asynccontextmanager
async def opened(address: str, folder: Path, **fields: Any) -> AsyncIterator[World]:
    fields = {"pilot_payloads": f"folder:{folder / 'p'}", **fields}
    settings = await settings_with(address, folder, **fields)
    store = await open_store(settings)
    try:
        async with working(settings) as client:
            yield World(settings, client, store)
    finally:
        await store.close()


@pytest.fixture
async def world(temporal_address: str, tmp_path: Path) -> AsyncIterator[World]:
    async with opened(temporal_address, tmp_path) as made:
        yield made


def gathered(history: WorkflowHistory) -> int:
    """How often outputs were gathered in a run."""
    return sum(
        event.activity_task_scheduled_event_attributes.activity_type.name == GATHER_ITEMS_ACTIVITY
        for event in history.events
    )


def patches(history: WorkflowHistory) -> int:
    return sum(
        event.marker_recorded_event_attributes.marker_name == "core_patch"
        for event in history.events
    )


async def snapshot(handle: WorkflowHandle[Any, Any]) -> Snapshot:
    found: Snapshot = await handle.query(QUERY_SNAPSHOT, True, result_type=Snapshot)
    return found


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
async def test_many_outputs_are_a_reference_and_in_order(
    temporal_address: str, tmp_path: Path, sealed: bool
) -> None:
    key = new_key() if sealed else None
    async with opened(temporal_address, tmp_path, pilot_encryption_key=key) as world:
        run = mapping(LARGE, parallelism=7, window=8)
        handle = await world.start(run)
        assert await world.whole(handle) == [large(item) for item in range(ITEMS)]
        nodes = {one.id: one for one in (await snapshot(handle)).nodes}
        assert nodes["count"].output == ITEMS  # who refers to it is given the list
        assert nodes["each"].meta["succeeded"] == ITEMS

        history = await history_of(temporal_address, run)
        assert gathered(history) == 1
        assert all(len(one.data) < 20_000 for event in history.events for one in payloads_in(event))
        objects = Objects.open(world.settings)
        assert objects is not None
        files = [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
        assert any(b" secret" in path.read_bytes() for path in files) is not sealed
        assert await objects.forget(run.execution_id) == len(files)
        assert not [path for path in (tmp_path / "p").rglob("*") if path.is_file()]


async def test_a_run_that_gathers_replays(temporal_address: str, world: World) -> None:
    run = mapping(LARGE, window=8)
    await world.result(await world.start(run))
    history = await history_of(temporal_address, run)
    settings = world.settings
    plugin = PilotPlugin(
        keyring=payload_keyring(settings), objects=Objects.open(settings), sizes=sizes_of(settings)
    )
    await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history)


@pytest.mark.parametrize("policy", ["collect", "skip"])
async def test_items_that_failed_are_none_or_left_out(world: World, policy: str) -> None:
    handle = await world.start(mapping(FAILS, on_item_error=policy, window=9))
    left = {3: None} if policy == "collect" else {}
    wanted = [
        left[3] if item % 10 == 3 else str(item) + "x" * CHARS
        for item in range(ITEMS)
        if item % 10 != 3 or left
    ]
    assert await world.whole(handle) == wanted
    meta = {one.id: one for one in (await snapshot(handle)).nodes}["each"].meta
    assert (meta["succeeded"], meta["failed"]) == (54, 6)


async def test_an_item_that_fails_late_fails_the_map(world: World) -> None:
    run = mapping(until(55), parallelism=2, window=5)
    cause = await world.cause(await world.start(run))
    assert (type(cause), cause.type) == (ApplicationError, "code_error")
    assert "item 55" in cause.message


async def test_a_map_that_stops_early_gives_what_came_before(world: World) -> None:
    run = mapping(LARGE, parallelism=1, stop_when="index == 49", window=8)
    handle = await world.start(run)
    assert await world.whole(handle) == [large(item) for item in range(50)]


async def test_a_window_ends_where_it_would_hold_much(world: World) -> None:
    """Its items are few, and a body gives ten times as much."""
    source = "def main(item): return [str(item) + 'y' * 200_000 for _ in range(3)]"
    run = mapping(code("much", source), parallelism=3, given=list(range(24)))
    handle = await world.start(run)
    wanted = [[str(item) + "y" * 200_000] * 3 for item in range(24)]
    assert await world.whole(handle) == wanted
    windows = await children(handle)
    assert 4 <= len(windows) <= 6  # one that has ended four of its items leaves two under way
    firsts = [int(one.rpartition("/")[2]) for one in windows]
    assert firsts == sorted(firsts)


async def test_few_outputs_are_the_value_and_cost_nothing_more(
    temporal_address: str, world: World
) -> None:
    given = list(range((TEMPORAL_BYTES - 100_000) // CHARS))
    run = mapping(LARGE, given=given, window=6)
    assert await world.result(await world.start(run)) == [large(item) for item in given]
    history = await history_of(temporal_address, run)
    assert (gathered(history), patches(history)) == (0, 0)


async def test_a_run_without_a_row_gives_the_value(temporal_address: str, world: World) -> None:
    """What its items came to is nowhere else."""
    run = mapping(LARGE, window=8)
    assert await world.result(await world.start(run, row=False)) == [
        large(item) for item in range(ITEMS)
    ]
    assert gathered(await history_of(temporal_address, run)) == 0


async def test_the_ceiling_is_told_before_anything_is_gathered(
    temporal_address: str, tmp_path: Path
) -> None:
    async with opened(temporal_address, tmp_path, pilot_payloads_max_mb=2) as world:
        run = mapping(LARGE, parallelism=1, window=5)
        cause = await world.cause(await world.start(run))
        assert cause.type == "output_too_large"
        assert "over 2 MB (PILOT_PAYLOADS_MAX_MB)" in cause.message
        history = await history_of(temporal_address, run)
    assert gathered(history) == 0


async def test_a_run_that_goes_on_from_another_gathers_all(world: World) -> None:
    first = mapping(until(40), parallelism=1, window=8)
    cause = await world.cause(await world.start(first))
    assert cause.type == "code_error"
    resume = Resume(first.execution_id, partial=["each"])
    again = replace(mapping(LARGE, parallelism=1, window=8), resume=resume)
    assert await world.whole(await world.start(again)) == [large(item) for item in range(ITEMS)]


async def test_a_cancel_while_outputs_are_gathered(world: World) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    rows = Gathering._rows

    async def held(*arguments: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await rows(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gathering, "_rows", held)
        handle = await world.start(mapping(LARGE, window=8))
        await asyncio.wait_for(reading.wait(), LIMIT_S)
        await handle.cancel()
        assert isinstance(await world.cause(handle), CancelledError)
    statuses = {one.id: one.status for one in (await snapshot(handle)).nodes}
    assert statuses["each"] == "cancelled"
    assert await world.store.iterations.results("ada", handle.id[10:], "each", limit=100)


async def test_rows_that_are_gone_are_told(world: World) -> None:
    run = mapping(LARGE, window=8)
    rows = Gathering._rows

    async def without_one(self: Gathering, request: Any, first: int, end: int) -> Any:
        found = await rows(self, request, first, end)
        return [row for row in found if row.index != 17]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gathering, "_rows", without_one)
        cause = await world.cause(await world.start(run))
    assert cause.type == "recording_gone"
