"""What is in the payload store goes with what refers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities import prune
from activities.forget import Forgetter
from activities.prune import Pruner
from pilot.errors import PayloadStoreError
from pilot.graph.status import FINAL_EXECUTION_STATUSES
from pilot.payloads.objects import Objects
from pilot.retention import Policy
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from tests.ended import ran
from tests.s3_server import S3Server
from workflows_def.forget import EXECUTIONS, ForgetPart
from workflows_def.messages import WORKFLOW_TYPE
from workflows_def.prune import KINDS, OBJECTS, PruneBatch, PruneRequest

WEEK = Policy(dict.fromkeys(FINAL_EXECUTION_STATUSES, 7.0))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    yield store
    await store.close()


@pytest.fixture
def objects(place: dict[str, Any]) -> Objects:
    return opened(place)


def opened(fields: dict[str, Any]) -> Objects:
    found = Objects.open(Settings(_env_file=None, **fields))  # type: ignore[call-arg]
    assert found is not None
    return found


async def made(store: SqlStore, *ages: float, owner: str = "ada") -> list[Execution]:
    """Executions that ended so many days ago."""
    workflow = await store.create_workflow(owner, name="w", description="", graph={"nodes": []})
    now = datetime.now(UTC)
    return [await ran(store, workflow, timedelta(days=age), now=now) for age in ages]


async def kept(objects: Objects, *keys: str) -> list[bool]:
    found = []
    for key in keys:
        try:
            await objects.get(key)
        except Exception:
            found.append(False)
        else:
            found.append(True)
    return found


async def test_the_objects_of_what_is_pruned_go(
    temporal_client: Client, store: SqlStore, objects: Objects
) -> None:
    old, young = await made(store, 8, 6)
    keys = [await objects.put(row.id, b"x") for row in (old, old, young)]
    keys += [await objects.put(old.id, b"y")]
    pruner = Pruner(store, temporal_client, WEEK, None, objects)
    batch = await ActivityEnvironment().run(pruner.prune, PruneRequest("executions"))
    assert batch.count == 1
    assert await kept(objects, *keys) == [False, False, True, False]


async def test_a_store_that_is_away_keeps_the_rows(
    temporal_client: Client, store: SqlStore, s3: S3Server
) -> None:
    """A row that went first would leave objects that nobody looks for within a day."""
    objects = opened(s3.settings)
    [old] = await made(store, 8)
    key = await objects.put(old.id, b"x")
    pruner = Pruner(store, temporal_client, WEEK, None, objects)
    s3.stop()
    with pytest.raises(PayloadStoreError):
        await ActivityEnvironment().run(pruner.prune, PruneRequest("executions"))
    assert await store.get_execution("ada", old.id)
    s3.start()
    batch = await ActivityEnvironment().run(pruner.prune, PruneRequest("executions"))
    assert (batch.count, await kept(objects, key)) == (1, [False])


async def test_objects_of_no_execution_go_after_a_day(
    temporal_client: Client,
    store: SqlStore,
    objects: Objects,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that died between object and reference, a query of a run that was pruned."""
    [row] = await made(store, 1)
    open_run = str(uuid4())
    handle = await temporal_client.start_workflow(
        WORKFLOW_TYPE, {}, id=f"execution-{open_run}", task_queue="nobody-polls-it"
    )
    nobodys = [f"{digit}{str(uuid4())[1:]}" for digit in "07f"]
    keys = [await objects.put(one, b"x") for one in (row.id, open_run, *nobodys)]
    pruner = Pruner(store, temporal_client, WEEK, None, objects)

    async def passed() -> int:
        count, cursor = 0, None
        while True:
            batch: PruneBatch = await ActivityEnvironment().run(
                pruner.prune, PruneRequest(OBJECTS, cursor)
            )
            count, cursor = count + batch.count, batch.cursor
            if not batch.more:
                return count

    assert await passed() == 0
    assert all(await kept(objects, *keys))
    monkeypatch.setattr(prune, "GRACE", timedelta(0))
    monkeypatch.setattr(prune, "OBJECTS_A_BATCH", 1)
    assert await passed() == 3
    assert await kept(objects, *keys) == [True, True, False, False, False]
    await handle.terminate()
    assert await passed() == 1
    assert await kept(objects, *keys) == [True, False, False, False, False]


async def test_without_a_payload_store_nothing_is_looked_for(
    temporal_client: Client, store: SqlStore
) -> None:
    pruner = Pruner(store, temporal_client, WEEK, None)
    batch = await ActivityEnvironment().run(pruner.prune, PruneRequest(OBJECTS))
    assert batch == PruneBatch()
    assert KINDS[-1] == OBJECTS


async def test_an_owner_is_forgotten_with_all_objects(
    temporal_client: Client, store: SqlStore, objects: Objects
) -> None:
    [hers], [his] = await made(store, 1), await made(store, 1, owner="bob")
    keys = [await objects.put(row.id, b"personal") for row in (hers, his)]
    forgetter = Forgetter(store, temporal_client, None, None, objects)
    await ActivityEnvironment().run(forgetter.forget, ForgetPart("ada", EXECUTIONS))
    assert await kept(objects, *keys) == [False, True]
