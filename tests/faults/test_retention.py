"""A worker that is killed while it prunes or forgets: another goes on, and nothing is twice."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilot.store.sql import SqlStore
from tests.ended import ran
from tests.fleet import Fleet
from workflows_def.forget import forget_workflow_id
from workflows_def.prune import SCHEDULE_ID

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(600),
]

OLD, YOUNG = 400, 20
KILLS = 3
GRAPH = {"nodes": [{"id": "start", "type": "start"}], "edges": []}


async def furnished(store: SqlStore, owner: str) -> tuple[set[str], set[str]]:
    """The ids of the owner's old and of their young executions."""
    workflow = await store.create_workflow(owner, name="w", description="", graph=GRAPH)
    now = datetime.now(UTC)
    old = [await ran(store, workflow, timedelta(days=9), now=now) for _ in range(OLD)]
    young = [await ran(store, workflow, timedelta(hours=1), now=now) for _ in range(YOUNG)]
    return {row.id for row in old}, {row.id for row in young}


async def left(store: SqlStore, owner: str) -> set[str]:
    found: set[str] = set()
    cursor = None
    while True:
        page = await store.list_executions(owner, limit=200, cursor=cursor)
        found |= {row.id for row in page.items}
        if (cursor := page.next_cursor) is None:
            return found


def archived(folder: Path) -> Counter[str]:
    lines: list[dict[str, Any]] = [
        json.loads(line)
        for file in folder.rglob("*.jsonl.gz")
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    events = Counter(line["execution_id"] for line in lines if line["kind"] == "event")
    assert set(events.values()) <= {3}
    return Counter(line["id"] for line in lines if line["kind"] == "execution")


async def killed_while(fleet: Fleet, progress: Any) -> None:
    """Kills the worker as often as that, each time once there has been some progress."""
    [worker] = fleet.workers
    for _ in range(KILLS):
        before = await progress()
        async with asyncio.timeout(120):
            while await progress() == before:
                await asyncio.sleep(0.005)
        await worker.kill()
        await worker.start()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(240):
        while not await condition():
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_worker_dies_in_the_middle_of_pruning(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    async with Fleet(tmp_path, PILOT_RETENTION_DAYS="7", PILOT_ARCHIVE_DIR=str(archive)) as fleet:
        store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
        try:
            old, young = await furnished(store, "ada")
            temporal = await fleet.temporal_client()
            await temporal.get_schedule_handle(SCHEDULE_ID).trigger()

            async def gone() -> int:
                return len(old - await left(store, "ada"))

            await killed_while(fleet, gone)
            assert await gone() < OLD, "it was over before the last kill"

            async def is_done() -> bool:
                return await gone() == OLD

            await until(is_done)
            assert await left(store, "ada") == young
            assert archived(archive) == Counter(dict.fromkeys(old, 1))
        finally:
            await store.close()


@pytest.mark.slow
async def test_a_worker_dies_in_the_middle_of_forgetting(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet, fleet.client("ada") as ada:
        store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
        try:
            await furnished(store, "ada")
            bobs = set.union(*await furnished(store, "bob"))
            answer = await ada.delete("/api/v1/me?confirm=ada")
            assert answer.status_code == 202, answer.text

            async def count() -> int:
                return len(await left(store, "ada"))

            await killed_while(fleet, count)
            assert await count(), "it was over before the last kill"

            async def is_done() -> bool:
                return bool((await ada.get("/api/v1/me/deletion")).json()["status"] == "done")

            await until(is_done)
            assert await left(store, "ada") == set()
            assert (await store.list_workflows("ada")).items == []
            assert await left(store, "bob") == bobs
            temporal = await fleet.temporal_client()
            found = await temporal.get_workflow_handle(forget_workflow_id("ada")).describe()
            assert found.run_id  # one run did it all
        finally:
            await store.close()
