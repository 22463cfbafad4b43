"""Versions of workers beside each other, as docs/deploy.md has an operator run them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from pilot.dev import fetch_health, is_healthy
from pilot.embedded import temporal_binary
from pilot.errors import SettingsError
from pilot.graph.compile import compile_plan
from pilot.nodes import specs
from pilot.settings import Settings, load_settings
from pilot.store.sql import SqlStore
from tests.fleet import Fleet, Part
from tests.graph.graphs import graph, node
from tests.outside import Outside, outside
from tests.releases.running import TASK_QUEUE, start
from tests.stack import until

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(400),
]

WITHIN_S = 60


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Fleet(tmp_path, workers=0) as fleet:
        yield fleet


def worker(fleet: Fleet, index: int, build_id: str, versioning: str) -> Part:
    """Each way has a task queue and a deployment of its own, named after it."""
    return fleet.worker(
        index,
        TEMPORAL_TASK_QUEUE=queue(versioning),
        PILOT_DEPLOYMENT=versioning,
        PILOT_BUILD_ID=build_id,
        PILOT_VERSIONING=versioning,
    )


def queue(versioning: str) -> str:
    return TASK_QUEUE if versioning == "auto_upgrade" else versioning


async def set_current(fleet: Fleet, deployment: str, build_id: str) -> None:
    """As the operator does; the server hears of a version a moment after its worker polls."""
    command = [temporal_binary(), "worker", "deployment", "set-current-version", "--yes"]
    command += ["--address", fleet.temporal_address]
    command += ["--deployment-name", deployment, "--build-id", build_id]

    def is_set() -> bool:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    await until(is_set, within_s=WITHIN_S, every_s=0.5)


async def builds(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The versions that the run's workflow tasks were done by, in order."""
    history = await handle.fetch_history()
    return [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    ]


@pytest.mark.slow
async def test_runs_move_to_the_current_version_or_stay_on_theirs(fleet: Fleet) -> None:
    ways = ("auto_upgrade", "pinned")
    parts = [
        worker(fleet, 2 * index + number, build_id, way)
        for number, way in enumerate(ways)
        for index, build_id in enumerate(("r1", "r2"))
    ]
    store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
    client = await fleet.temporal_client()
    try:
        async with outside() as world:
            await check(fleet, client, store, world, parts)
    finally:
        await store.close()
        await asyncio.gather(*(part.stop() for part in parts))


async def check(
    fleet: Fleet, client: Client, store: SqlStore, world: Outside, parts: list[Part]
) -> None:
    auto_1, auto_2, pinned_1, pinned_2 = parts

    async def run(way: str, name: str) -> WorkflowHandle[Any, Any]:
        drawn = graph(
            [
                node("s", "start"),
                node("hold", "http", config={"url": world.url("hold", name)}),
                node("then", "http", config={"url": world.url("ok", f"{name}-then")}),
                node("o", "output"),
            ],
            "s>hold", "hold>then", "then>o",
        )  # fmt: skip
        plan = compile_plan(drawn, specs())
        return await start(client, store, drawn.to_json(), plan, task_queue=queue(way))

    await asyncio.gather(auto_1.start(), pinned_1.start())
    for way in ("auto_upgrade", "pinned"):
        await set_current(fleet, way, "r1")
    moving, staying = await run("auto_upgrade", "moving"), await run("pinned", "staying")
    for name in ("moving", "staying"):
        await world.called(name, within_s=WITHIN_S)
    await asyncio.gather(auto_2.start(), pinned_2.start())
    for way in ("auto_upgrade", "pinned"):
        await set_current(fleet, way, "r2")
    later = await run("pinned", "later")
    for name in ("moving", "staying", "later"):
        world.release(name)
    async with asyncio.timeout(WITHIN_S):
        for handle in (moving, staying, later):
            assert (await handle.result())["call"] == 1
    told = await builds(moving)
    assert (told[0], told[-1]) == ("r1", "r2")
    assert set(await builds(staying)) == {"r1"}
    assert set(await builds(later)) == {"r2"}
    assert is_healthy(await fetch_health(int(fleet.url.rpartition(":")[2])))


@pytest.mark.parametrize("name", ["PILOT_DEPLOYMENT", "PILOT_BUILD_ID"])
def test_a_deployment_needs_both_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match="go together"):
        Settings(pilot_env="development").check()


def test_a_dot_in_a_deployment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal writes a version as `<deployment>.<build id>`."""
    monkeypatch.setenv("PILOT_DEPLOYMENT", "pilot.eu")
    with pytest.raises(SettingsError, match="PILOT_DEPLOYMENT"):
        load_settings()
