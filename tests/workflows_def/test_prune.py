"""A pass of the retention on real parts: what goes, what is archived, and what stays."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities import prune
from activities.prune import Pruner
from pilot import retention
from pilot.archive import Archive
from pilot.errors import NotFoundError
from pilot.graph.status import FINAL_EXECUTION_STATUSES, ExecutionStatus
from pilot.retention import Policy
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.migrate import migrate
from pilot.store.retention_sql import SqlRetention
from pilot.store.sql import SqlStore
from pilot.temporal import data_converter
from tests.ended import ran
from workflows_def import prune as prune_workflow
from workflows_def.prune import (
    KINDS,
    PRUNE_WORKFLOW,
    PruneBatch,
    PruneOld,
    PruneRequest,
    PruneResult,
)

WEEK = Policy(dict.fromkeys(FINAL_EXECUTION_STATUSES, 7.0))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    yield store
    await store.close()


@pytest.fixture
async def client(temporal_address: str) -> Client:
    """Without the plugin: its worker would have a pruner of its own."""
    return await Client.connect(temporal_address, data_converter=data_converter)


async def made(store: SqlStore, *ages: float, owner: str = "ada") -> list[Execution]:
    """A workflow's executions that ended so many days ago."""
    workflow = await store.create_workflow(owner, name="w", description="", graph={"nodes": []})
    now = datetime.now(UTC)
    return [await ran(store, workflow, timedelta(days=age), now=now) for age in ages]


@asynccontextmanager
async def working(client: Client, pruner: Pruner) -> AsyncIterator[str]:
    queue = f"prune-{uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[PruneOld],
        activities=[pruner.prune],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield queue


async def passed(client: Client, pruner: Pruner) -> PruneResult:
    async with working(client, pruner) as queue:
        result: PruneResult = await asyncio.wait_for(
            client.execute_workflow(
                PRUNE_WORKFLOW, id=queue, task_queue=queue, result_type=PruneResult
            ),
            60,
        )
        return result


async def is_there(store: SqlStore, row: Execution) -> bool:
    try:
        await store.get_execution(row.owner, row.id)
    except NotFoundError:
        return False
    return True


def archived(folder: Path) -> list[dict[str, Any]]:
    assert not list(folder.rglob("*.tmp"))
    return [
        json.loads(line)
        for file in sorted(folder.rglob("*.jsonl.gz"))
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]


async def test_a_pass_deletes_what_is_old(
    client: Client, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "EXECUTIONS_A_BATCH", 2)
    monkeypatch.setattr(prune_workflow, "BATCHES_A_RUN", 2)  # it continues as new
    old = await made(store, 8, 9, 30, 31, 32)
    young = await made(store, 6, 0)
    deleted = await made(store, 8)
    await store.delete_workflow("ada", deleted[0].workflow_id)
    await store.llm_calls.keep_answer("ada", "q", 1, timedelta(days=-1))
    result = await passed(client, Pruner(store, client, WEEK, None))
    assert result.pruned["executions"] == 6
    assert result.pruned["workflows"] == 1
    assert result.pruned["expired"] == 1
    assert (result.archived, result.skipped) == (0, 0)
    assert datetime.fromisoformat(result.at) > datetime.now(UTC) - timedelta(minutes=1)
    assert not any([await is_there(store, row) for row in old])
    assert all([await is_there(store, row) for row in young])
    again = await passed(client, Pruner(store, client, WEEK, None))
    assert again.pruned == {}


async def test_without_a_policy_everything_is_kept(client: Client, store: SqlStore) -> None:
    [row] = await made(store, 10_000)
    result = await passed(client, Pruner(store, client, Policy({}), None))
    assert result.pruned == {}
    assert len(await store.events("ada", row.id)) == 3


async def test_a_workflows_own_retention_and_events_of_their_own(
    client: Client, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "OVERRIDES_A_BATCH", 1)
    ours, theirs = await made(store, 3, 1), await made(store, 3, 1)
    more = await made(store, 3)
    for row in (ours[0], more[0]):
        await store.retention.set_days("ada", row.workflow_id, 2)
    policy = Policy(WEEK.days, events_days=2)
    result = await passed(client, Pruner(store, client, policy, None))
    assert result.pruned == {"overrides": 2, "events": 1}
    assert [await is_there(store, row) for row in (*ours, *theirs, *more)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert await store.events("ada", theirs[0].id) == []
    assert len(await store.node_runs("ada", theirs[0].id)) == 1


async def test_one_whose_run_is_open_in_temporal_is_left_alone(
    client: Client, store: SqlStore
) -> None:
    closed, held = await made(store, 8, 8)
    async with working(client, Pruner(store, client, WEEK, None)):
        handle = await client.start_workflow(
            PRUNE_WORKFLOW, id=held.temporal_workflow_id, task_queue="nobody-polls-it"
        )
        result = await passed(client, Pruner(store, client, WEEK, None))
        assert (result.pruned["executions"], result.skipped >= 1) == (1, True)
        assert [await is_there(store, row) for row in (closed, held)] == [False, True]
        await handle.terminate()
    result = await passed(client, Pruner(store, client, WEEK, None))
    assert result.pruned["executions"] == 1


async def test_each_is_archived_once_whatever_dies_between(
    client: Client, store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt fails after any of its steps; the next one goes on."""
    folder = tmp_path / "archive"
    rows = [*await made(store, 8, 9, 10), *await made(store, 8, owner="a/../b")]
    pruner = Pruner(store, client, WEEK, Archive(folder))
    steps = Counter[str]()

    def failing(name: str, at: int) -> None:
        owner = Archive if name == "write" else SqlRetention
        original = getattr(owner, name)

        async def fails(*args: Any, **more: Any) -> Any:
            result = await original(*args, **more)
            steps[name] += 1
            if steps[name] == at:
                raise OSError("the machine is gone")
            return result

        monkeypatch.setattr(owner, name, fails)

    failing("claim", 1)
    failing("write", 1)
    failing("delete_execution", 2)
    environment = ActivityEnvironment()
    for _ in range(3):
        with pytest.raises(OSError, match="gone"):
            await environment.run(pruner.prune, PruneRequest("executions"))
    batch = await environment.run(pruner.prune, PruneRequest("executions"))
    assert (batch.count, batch.archived) == (2, 0)
    lines = archived(folder)
    kinds = Counter(line["kind"] for line in lines)
    assert kinds == {"execution": 4, "node": 4, "iteration": 4, "wait": 4, "call": 4, "event": 12}
    assert Counter(line["id"] for line in lines if line["kind"] == "execution") == {
        row.id: 1 for row in rows
    }
    [first] = [line for line in lines if line.get("id") == rows[0].id]
    assert (first["owner"], first["status"], first["input"]) == ("ada", "succeeded", "in")
    places = {file.relative_to(folder).parts[:2] for file in folder.rglob("*.jsonl.gz")}
    assert places == {
        ("a%2F%2E%2E%2Fb" if row.owner != "ada" else "ada", str(row.finished_at.date()))
        for row in rows
        if row.finished_at is not None
    }
    assert not any([await is_there(store, row) for row in rows])
    await Archive(folder).forget("ada")
    assert {line["owner"] for line in archived(folder) if "owner" in line} == {"a/../b"}


async def test_events_are_archived_before_they_go_and_once(
    client: Client, store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    rows = await made(store, 3, 4)
    environment = ActivityEnvironment()
    early = Pruner(store, client, Policy({}, events_days=2), Archive(folder))
    original = SqlRetention.prune_events
    dying = [True]

    async def dies(self: SqlRetention, execution_id: str) -> bool:
        result = await original(self, execution_id)
        if dying.pop():
            raise OSError("the machine is gone")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(SqlRetention, "prune_events", dies)
        with pytest.raises(OSError, match="gone"):
            await environment.run(early.prune, PruneRequest("events"))
    batch = await environment.run(early.prune, PruneRequest("events"))
    assert (batch.count, batch.more) == (1, True)
    assert await environment.run(early.prune, PruneRequest("events")) == PruneBatch()
    lines = archived(folder)
    assert Counter(line["kind"] for line in lines) == {"event": 6}
    assert {line["execution_id"] for line in lines} == {row.id for row in rows}
    assert all([await is_there(store, row) for row in rows])
    # their executions follow, without them
    late = Pruner(store, client, Policy(dict.fromkeys(FINAL_EXECUTION_STATUSES, 1.0)),
                  Archive(folder))  # fmt: skip
    await environment.run(late.prune, PruneRequest("executions"))
    kinds = Counter(line["kind"] for line in archived(folder))
    assert kinds == {"execution": 2, "node": 2, "iteration": 2, "wait": 2, "call": 2, "event": 6}
    assert not any([await is_there(store, row) for row in rows])


async def test_the_schedule_is_made_once_and_tells_of_its_last_pass(
    client: Client, store: SqlStore
) -> None:
    await made(store, 8)
    limit = timedelta(seconds=10)
    async with working(client, Pruner(store, client, WEEK, None)) as queue:
        for _ in range(2):
            await retention.ensure_schedule(client, queue, timedelta(days=1))
        handle = client.get_schedule_handle(prune_workflow.SCHEDULE_ID)
        try:
            await handle.trigger()
            async with asyncio.timeout(60):
                while (last := await retention.last_pass(client, limit=limit)) is None:
                    await asyncio.sleep(0.1)
        finally:
            await handle.delete()
    assert last.pruned == {"executions": 1}


def test_the_policy_is_read_from_the_settings() -> None:
    settings = Settings(
        pilot_retention_days=30,
        pilot_retention_status_days="failed=90, timed_out=0.5",  # type: ignore[arg-type]
    )
    policy = Policy.of(settings)
    assert policy.days == {
        ExecutionStatus.SUCCEEDED: 30,
        ExecutionStatus.CANCELLED: 30,
        ExecutionStatus.FAILED: 90,
        ExecutionStatus.TIMED_OUT: 0.5,
    }
    assert policy.longest == 90
    assert Policy.of(Settings(pilot_retention_status_days={"failed": 1})).longest is None
    for wrong in ("failed", "running=3", "failed=0", "failed=x"):
        with pytest.raises(ValueError, match="retention_status_days"):
            Settings(pilot_retention_status_days=wrong)  # type: ignore[arg-type]
    assert KINDS[0] == "executions"
