"""The reconciler on real parts: each way in which a row and its run can come apart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities import reconcile
from activities.reconcile import Reconciler
from activities.slots import Slots
from pilot import closing, runs
from pilot.errors import NotFoundError
from pilot.events import sink
from pilot.graph.compile import compile_plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.payloads.objects import Objects
from pilot.reconciler import ensure_schedule, last_pass
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.sql import SqlStore
from tests.graph.graphs import graph, node
from tests.s3_server import S3Server
from tests.workflows_def.conftest import Runner
from workflows_def.iterations import ITEMS_TYPE
from workflows_def.messages import WORKFLOW_TYPE
from workflows_def.reconcile import (
    RECONCILE_ACTIVITY,
    ReconcileExecutions,
    ReconcilePage,
    ReconcileRequest,
)

UNSANDBOXED = UnsandboxedWorkflowRunner()
MOST = 2
LONG_AGO = timedelta(minutes=10)
SPIN = {"source": "def main():\n    while True:\n        pass", "limits": {"time_s": 120}}
SLOW = graph([node("s", "start"), node("k", "code", config=SPIN), node("o", "output")],
             "s>k", "k>o")  # fmt: skip
QUICK = graph([node("s", "start"), node("o", "output")], "s>o")


class World:
    """A store of its own beside the session's worker, and the reconciler between them."""

    def __init__(self, runner: Runner, store: SqlStore) -> None:
        self.runner, self.store = runner, store
        self.slots = Slots(store, runner.client, runner.task_queue, most=MOST)
        self.reconciler = Reconciler(store, runner.client, self.slots)

    async def row(self, what: Any = QUICK, *, keyed: bool = False, age: timedelta = LONG_AGO,
                  input: Any = None, owner: str = "u") -> Execution:  # fmt: skip
        workflow = await self.store.create_workflow(
            owner, name="w", description="", graph=what.to_json()
        )
        id = uuid.uuid5(uuid.NAMESPACE_URL, workflow.id) if keyed else uuid.uuid4()
        row = Execution(str(id), owner, workflow.id, 1, ExecutionStatus.QUEUED, input,
                        datetime.now(UTC) - age)  # fmt: skip
        # of "u" there are as many as the tests make
        row, _ = await self.store.create_execution(row, most=None if owner == "u" else MOST)
        return row

    async def start(self, row: Execution, what: Any) -> Any:
        run = runs.run_of(row, "w", compile_plan(what, specs()))
        await runs.start(
            self.runner.client, run, self.runner.task_queue, limit=timedelta(seconds=5)
        )
        return self.runner.client.get_workflow_handle(row.temporal_workflow_id)

    async def page(self, request: ReconcileRequest | None = None) -> ReconcilePage:
        found: ReconcilePage = await ActivityEnvironment().run(
            self.reconciler.reconcile, request or ReconcileRequest()
        )
        return found

    async def fresh(self, row: Execution) -> Execution:
        return await self.store.get_execution(row.owner, row.id)

    async def states(self, row: Execution) -> dict[str, str]:
        return {run.node_id: run.status for run in await self.store.node_runs("u", row.id)}

    async def gapless(self, row: Execution) -> None:
        seqs = [event.seq for event in await self.store.events("u", row.id)]
        assert seqs == list(range(1, len(seqs) + 1))


@pytest.fixture
async def world(runner: Runner, worker_settings: Settings) -> Any:
    """The worker's own store, emptied of open rows by the tests themselves."""
    store = await SqlStore.open(worker_settings.store_url)
    yield World(runner, store)
    await store.close()


async def test_a_row_without_key_that_was_never_started_fails(world: World) -> None:
    row = await world.row()
    assert (await world.page()).repaired["never_started"] >= 1
    row = await world.fresh(row)
    assert row.status is ExecutionStatus.FAILED
    assert row.error is not None
    assert row.error["code"] == "never_started"
    assert await world.states(row) == {"s": "skipped", "o": "skipped"}
    await world.gapless(row)


async def test_a_row_with_a_key_is_started_and_runs(world: World) -> None:
    row = await world.row(keyed=True, input={"a": 1})
    assert (await world.page()).repaired["started"] == 1
    handle = world.runner.client.get_workflow_handle(row.temporal_workflow_id)
    assert await asyncio.wait_for(handle.result(), 20) == {"a": 1}
    assert (await world.fresh(row)).status is ExecutionStatus.SUCCEEDED
    assert (await world.page()).repaired == {}


async def test_a_row_that_was_cancelled_before_it_was_started_is_not_started(world: World) -> None:
    row = await world.row(keyed=True)
    await world.store.request_cancel(row.id, datetime.now(UTC))
    assert (await world.page()).repaired["cancelled"] == 1
    row = await world.fresh(row)
    assert row.status is ExecutionStatus.CANCELLED
    assert await world.states(row) == {"s": "skipped", "o": "skipped"}


async def test_what_waits_for_a_slot_is_started_when_there_is_one(world: World) -> None:
    """Whoever had the slots ended without a worker that could have passed them on."""
    owner, make = "queue", world.row
    first, second = [await make(keyed=True, owner=owner) for _ in range(2)]
    held = [await make(owner=owner, input=n) for n in range(3)]
    assert [row.is_held for row in (first, second, *held)] == [False] * 2 + [True] * 3
    cancelled = held.pop(1)
    await world.store.request_cancel(cancelled.id, datetime.now(UTC))
    for row in (first, second):
        await closing.close(world.store, row, closing.NEVER_BEGUN)
    await world.page()
    assert (await world.fresh(cancelled)).status is ExecutionStatus.CANCELLED
    for n, row in zip((0, 2), held, strict=True):
        handle = world.runner.client.get_workflow_handle(row.temporal_workflow_id)
        assert await asyncio.wait_for(handle.result(), 20) == n
    assert (await world.page()).repaired == {}


async def test_those_that_wait_for_a_slot_take_no_room_of_a_page(world: World) -> None:
    lost = await world.row()
    first, second = [await world.row(keyed=True, owner="room") for _ in range(2)]
    held = [await world.row(owner="room", input=n) for n in range(3)]
    page = await world.page(ReconcileRequest(rows=3, releases=False))
    assert (page.checked, page.repaired) == (3, {"never_started": 1, "started": 2})
    assert (await world.fresh(lost)).status is ExecutionStatus.FAILED
    for row in (first, second, *held):
        if row in held:
            await world.page()
        else:
            assert all([(await world.fresh(one)).is_held for one in held])
        handle = world.runner.client.get_workflow_handle(row.temporal_workflow_id)
        await asyncio.wait_for(handle.result(), 20)


async def test_a_pass_looks_once_at_what_waits_for_a_slot(temporal_client: Client) -> None:
    asked: list[ReconcileRequest] = []

    @activity.defn(name=RECONCILE_ACTIVITY)
    async def page(request: ReconcileRequest) -> ReconcilePage:
        asked.append(request)
        return ReconcilePage(cursor=None if len(asked) == 3 else str(len(asked)))

    async with Worker(
        temporal_client,
        task_queue="passes",
        workflows=[ReconcileExecutions],
        activities=[page],
        workflow_runner=UNSANDBOXED,
    ):
        await temporal_client.execute_workflow(
            ReconcileExecutions.run, id=f"pass-{uuid.uuid4()}", task_queue="passes"
        )
    assert [(one.cursor, one.releases) for one in asked] == [
        (None, True),
        ("1", False),
        ("2", False),
    ]


async def test_one_that_was_released_and_never_started_is_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker died between the two. It has no key, but its client was told to wait."""
    monkeypatch.setattr(reconcile, "START_GRACE", timedelta(seconds=2))
    owner = "released"
    running = [await world.row(keyed=True, owner=owner) for _ in range(2)]
    row = await world.row(owner=owner, input="late")
    for one in running:
        await closing.close(world.store, one, closing.NEVER_BEGUN)
    assert (await world.store.slots.release(owner, 2)) is not None
    assert (await world.page()).repaired == {}  # somebody may be about to start it
    await asyncio.sleep(2.1)
    assert (await world.page()).repaired == {"started": 1}
    handle = world.runner.client.get_workflow_handle(row.temporal_workflow_id)
    assert await asyncio.wait_for(handle.result(), 20) == "late"


async def test_young_rows_are_left_alone(world: World) -> None:
    row = await world.row(age=timedelta(seconds=2))
    await world.page()
    assert (await world.fresh(row)).status is ExecutionStatus.QUEUED
    await world.store.append_events(row.id, [])


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        (
            lambda handle: handle.terminate(reason="by hand"),
            ExecutionStatus.CANCELLED,
            "terminated",
        ),
        (
            lambda handle: handle.terminate(reason=closing.NO_WORKER),
            ExecutionStatus.CANCELLED,
            "cancel_escalated",
        ),
        (None, ExecutionStatus.FAILED, "history_lost"),
    ],
)
async def test_a_run_that_could_not_say_its_end(
    world: World,
    end: Callable[[Any], Awaitable[None]] | None,
    status: ExecutionStatus,
    code: str,
) -> None:
    row = await world.row(SLOW)
    if end is None:
        await world.store.set_temporal_run(row.id, "gone")
    else:
        handle = await world.start(row, SLOW)
        await world.runner.until(handle, "k", "running")
        await end(handle)
    assert (await world.page()).repaired[code] == 1
    row = await world.fresh(row)
    assert row.status is status
    assert row.error is not None
    assert row.error["code"] == code
    expected = {"s": "skipped", "k": "skipped", "o": "skipped"}
    if end is not None:
        expected |= {"s": "succeeded", "k": "cancelled"}
    assert await world.states(row) == expected
    await world.gapless(row)
    again = await world.page()
    assert code not in again.repaired, "a second pass finds nothing to do"


async def test_a_run_whose_end_the_store_never_got(world: World) -> None:
    """The database came back from a backup: the run is closed, the row is as it was."""
    row = await world.row(QUICK, input=7)
    publish = sink.current()
    sink.install(None)
    original = SqlStore.missing_from

    async def nothing_missing(self: SqlStore, execution_id: str) -> int:
        return 1_000

    try:
        SqlStore.missing_from = nothing_missing  # type: ignore[method-assign]
        handle = await world.start(row, QUICK)
        assert await asyncio.wait_for(handle.result(), 20) == 7
    finally:
        SqlStore.missing_from = original  # type: ignore[method-assign]
        sink.install(publish)
    assert (await world.fresh(row)).status is ExecutionStatus.QUEUED
    assert (await world.page()).repaired["events_fetched"] == 1
    row = await world.fresh(row)
    assert (row.status, row.output) == (ExecutionStatus.SUCCEEDED, 7)
    await world.gapless(row)


async def test_an_open_run_is_left_to_itself(world: World) -> None:
    row = await world.row(SLOW)
    handle = await world.start(row, SLOW)
    await world.runner.until(handle, "k", "running")
    page = await world.page()
    assert page.oldest_open_at is not None
    assert datetime.fromisoformat(page.oldest_open_at) <= row.created_at
    assert not (await world.fresh(row)).status.is_final
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await asyncio.wait_for(handle.result(), 20)
    assert (await world.fresh(row)).status is ExecutionStatus.CANCELLED


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Unfit:
    """A release that cannot go on with a run."""

    @workflow.run
    async def run(self, _run: Any) -> None:
        raise Exception("another release's history")


async def test_a_run_that_no_release_can_go_on_with(
    world: World, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "STUCK_ATTEMPTS", 2)
    row = await world.row(QUICK)
    queue = f"unfit-{row.id}"
    run = runs.run_of(row, "w", compile_plan(QUICK, specs()))
    client = temporal_client
    async with Worker(client, task_queue=queue, workflows=[Unfit], workflow_runner=UNSANDBOXED):
        await runs.start(client, run, queue, limit=timedelta(seconds=5))
        handle = client.get_workflow_handle(row.temporal_workflow_id)
        async with asyncio.timeout(30):
            while (await world.page()).stuck != 1:
                await asyncio.sleep(0.2)
        assert not (await world.fresh(row)).status.is_final
        monkeypatch.setattr(reconcile, "STUCK_LIMIT", timedelta(0))
        page = await world.page()
        assert page.repaired == {"workflow_task_failing": 1}
        row = await world.fresh(row)
        assert row.status is ExecutionStatus.FAILED
        assert row.error is not None and row.error["code"] == "workflow_task_failing"
        assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    await world.gapless(row)


async def test_a_run_that_lacks_its_payloads_is_left_alone(
    world: World, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the payload store is away, and until Temporal has tried the task again after that."""
    server = S3Server(f"reconciled-{uuid.uuid4()}")
    objects = Objects.open(Settings(_env_file=None, **server.settings))  # type: ignore[call-arg]
    world.reconciler = Reconciler(world.store, temporal_client, world.slots, None, objects)
    monkeypatch.setattr(reconcile, "STUCK_ATTEMPTS", 2)
    monkeypatch.setattr(reconcile, "STUCK_LIMIT", timedelta(0))
    monkeypatch.setattr(reconcile, "LONGEST_PAUSE", timedelta(0))
    row = await world.row(QUICK)
    queue = f"unfit-{row.id}"
    run = runs.run_of(row, "w", compile_plan(QUICK, specs()))
    async with Worker(
        temporal_client, task_queue=queue, workflows=[Unfit], workflow_runner=UNSANDBOXED
    ):
        server.stop()
        await runs.start(temporal_client, run, queue, limit=timedelta(seconds=5))
        async with asyncio.timeout(60):
            while (await world.page()).stuck != 1:
                await asyncio.sleep(0.2)
        server.start()
        monkeypatch.setattr(reconcile, "LONGEST_PAUSE", timedelta(minutes=15))
        page = await world.page()
        assert (page.stuck, page.repaired) == (1, {})
        assert not (await world.fresh(row)).status.is_final
        monkeypatch.setattr(reconcile, "LONGEST_PAUSE", timedelta(0))
        assert (await world.page()).repaired == {"workflow_task_failing": 1}
    server.stop()


@workflow.defn(name=ITEMS_TYPE, sandboxed=False)
class UnfitItems:
    """The same, with the items of a map."""

    @workflow.run
    async def run(self) -> None:
        raise Exception("another release's history")


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Mapping:
    """A run whose map is under way."""

    @workflow.run
    async def run(self, _run: Any) -> None:
        id = f"{workflow.info().workflow_id}/each/0"
        await workflow.execute_child_workflow(ITEMS_TYPE, id=id)


async def test_a_map_that_no_release_can_go_on_with(
    world: World, temporal_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "STUCK_ATTEMPTS", 2)
    row = await world.row(QUICK)
    queue = f"unfit-{row.id}"
    run = runs.run_of(row, "w", compile_plan(QUICK, specs()))
    workflows = [Mapping, UnfitItems]
    async with Worker(
        temporal_client, task_queue=queue, workflows=workflows, workflow_runner=UNSANDBOXED
    ):
        await runs.start(temporal_client, run, queue, limit=timedelta(seconds=5))
        async with asyncio.timeout(30):
            while (await world.page()).stuck != 1:
                await asyncio.sleep(0.2)
        monkeypatch.setattr(reconcile, "STUCK_LIMIT", timedelta(0))
        assert (await world.page()).repaired == {"workflow_task_failing": 1}
        assert (await world.fresh(row)).status is ExecutionStatus.FAILED
        child = temporal_client.get_workflow_handle(f"{row.temporal_workflow_id}/each/0")
        async with asyncio.timeout(30):
            while (await child.describe()).status is WorkflowExecutionStatus.RUNNING:
                await asyncio.sleep(0.1)


async def test_the_schedule_runs_passes_and_says_what_they_did(world: World) -> None:
    row = await world.row()
    client, every = world.runner.client, timedelta(seconds=1)
    await asyncio.gather(*(ensure_schedule(client, world.runner.task_queue, every)
                           for _ in range(3)))  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not (await world.fresh(row)).status.is_final:
                await asyncio.sleep(0.1)
            while (found := await last_pass(client, limit=timedelta(seconds=5))) is None:
                await asyncio.sleep(0.1)
        assert found.checked >= 0
        assert found.failed == 0
    finally:
        await client.get_schedule_handle("pilot-reconcile").delete()


async def test_another_users_row_is_not_seen_by_a_name(world: World) -> None:
    row = await world.row()
    await world.page()
    with pytest.raises(NotFoundError):
        await world.store.get_execution("somebody else", row.id)
