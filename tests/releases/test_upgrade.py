"""A deploy in the middle of runs: what an earlier release began, today's code finishes, and the
other way round for a roll-back."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from pilot.store.sql import SqlStore
from tests.fleet import Fleet, Part
from tests.openai_server import OpenAIServer, Reply, calls, openai_server
from tests.outside import Outside, outside
from tests.releases.freeze import released, unpack
from tests.releases.running import USER, events_of, plans_of, start
from tests.stack import execute, save, until
from workflows_def.messages import QUERY_SNAPSHOT, SIGNAL_PAUSE, SIGNAL_RESUME, Snapshot

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(400),
]

WITHIN_S = 90
"""A worker that was killed is noticed by its heartbeat's end, 10 s, and the machine is busy."""

FAN = 30
Handle = WorkflowHandle[Any, Any]


@pytest.fixture(scope="module")
async def models() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture(scope="module")
async def fleet(
    models: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """Temporal and a store that today's code has migrated."""
    folder = tmp_path_factory.mktemp("releases")
    async with Fleet(folder, workers=0, PILOT_LLM_API_BASE=models.base_url) as fleet:
        yield fleet


@pytest.fixture(scope="module")
async def client(fleet: Fleet) -> Client:
    return await fleet.temporal_client()


@pytest.fixture(scope="module")
async def store(fleet: Fleet) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite:///{fleet.data_dir / 'pilot.db'}")
    yield store
    await store.close()


@pytest.fixture
async def world() -> AsyncIterator[Outside]:
    async with outside() as world:
        yield world


def chain(*nodes: dict[str, Any]) -> dict[str, Any]:
    ids = ["start", *(node["id"] for node in nodes), "output"]
    return {
        "nodes": [{"id": "start", "type": "start"}, *nodes, {"id": "output", "type": "output"}],
        "edges": [{"source": a, "target": b} for a, b in itertools.pairwise(ids)],
    }


def http(id: str, url: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "type": "http", "config": {"url": url}, **fields}


def graphs(world: Outside) -> dict[str, dict[str, Any]]:
    """A run for each thing that may be under way when a release comes."""
    listed = {"id": "listed", "type": "code", "config": {"source": "def main(x):\n    return [x]"}}
    ask = {"prompt_template": "go", "tools": [{"node": "tool"}], "on_unknown": "retry"}
    fan = [
        http(f"f{i}", world.url("ok" if i % 2 else "hold", f"fan{i}"), timeout_s=120)
        for i in range(FAN)
    ]
    wide = {
        "nodes": [{"id": "start", "type": "start"}, *fan, {"id": "output", "type": "output"}],
        "edges": [
            {"source": a, "target": b}
            for node in fan
            for a, b in (("start", node["id"]), (node["id"], "output"))
        ],
    }
    tools = chain({"id": "ask", "type": "llm", "config": ask})
    tools["nodes"].append(http("tool", world.url("hold", "tool")))
    patient = {"max_attempts": 50, "initial_s": 2, "backoff": 1, "max_s": 2}
    return {
        "held": chain(
            http("done", world.url("ok", "done")), http("get", world.url("hold", "get")), listed
        ),
        "retrying": chain(http("get", world.url("fail", "retried"), retry=patient), listed),
        "paused": chain(
            http("first", world.url("hold", "first")), http("then", world.url("ok", "then"))
        ),
        "tools": tools,
        "fan": wide,
    }


async def statuses(handle: Handle) -> dict[str, str]:
    snapshot: Snapshot = await handle.query(QUERY_SNAPSHOT, result_type=Snapshot)
    return {"": snapshot.status, **{node.id: node.status for node in snapshot.nodes}}


async def reached(handle: Handle, **wanted: str) -> None:
    """Waits until nodes have these statuses (`execution` stands for the run)."""
    names = {"" if name == "execution" else name: status for name, status in wanted.items()}
    async with asyncio.timeout(WITHIN_S):
        while not names.items() <= (await statuses(handle)).items():
            await asyncio.sleep(0.1)


async def in_the_middle(runs: dict[str, Handle], world: Outside) -> None:
    """Brings every run to where a release finds it."""
    await world.called("first", within_s=WITHIN_S)
    await runs["paused"].signal(SIGNAL_PAUSE)
    world.release("first")
    await reached(runs["paused"], execution="paused", first="succeeded", then="pending")
    await world.called("get", within_s=WITHIN_S)
    await world.called("retried", 2, within_s=WITHIN_S)
    await world.called("tool", within_s=WITHIN_S)
    await reached(runs["fan"], **{f"f{i}": "succeeded" if i % 2 else "running" for i in range(FAN)})
    await until(lambda: all(world.calls[f"fan{i}"] for i in range(FAN)), within_s=WITHIN_S)


async def finish(runs: dict[str, Handle], world: Outside) -> dict[str, Any]:
    """Lets all go on, and gives their results."""
    for name in ("get", "retried", "tool", *(f"fan{i}" for i in range(FAN))):
        world.release(name)
    await runs["paused"].signal(SIGNAL_RESUME)
    async with asyncio.timeout(WITHIN_S):
        return {name: await handle.result() for name, handle in runs.items()}


def check_results(
    results: dict[str, Any], world: Outside, models: OpenAIServer, *, all_at_one: bool = True
) -> None:
    """Each is right, and nothing that had ended before was done again. What was under way was
    where the worker died, if `all_at_one`."""
    calls = {name: len(made) for name, made in world.calls.items()}
    assert results["held"] == [{"name": "get", "call": calls["get"]}]
    assert results["retrying"] == [{"name": "retried", "call": calls["retried"]}]
    assert results["paused"] == {"name": "then", "call": 1}
    assert results["tools"] == "all done"
    assert results["fan"] == {
        f"f{i}": {"name": f"fan{i}", "call": calls[f"fan{i}"]} for i in range(FAN)
    }
    once = ["done", "first", "then", *(f"fan{i}" for i in range(1, FAN, 2))]
    assert {calls[name] for name in once} == {1}
    held = ["get", "tool", *(f"fan{i}" for i in range(0, FAN, 2))]
    assert {calls[name] for name in held} <= ({2} if all_at_one else {1, 2})
    assert len(models.requests) == 2


async def check_events(runs: dict[str, Handle], store: SqlStore) -> None:
    """The events are numbered from 1 to the last, and the store has what Temporal has."""
    for name, handle in runs.items():
        told = await events_of(handle)
        id = handle.id.removeprefix("execution-")
        kept = await store.events(USER, id)
        assert [event.seq for event in kept] == list(range(1, len(told) + 1)), name
        assert [event.to_json() for event in kept] == [event.to_json() for event in told], name
        assert told[-1].type == "execution.succeeded"
        execution = await store.get_execution(USER, id)
        assert execution.status == "succeeded"
        assert execution.output == await handle.result()


@asynccontextmanager
async def handed_over(
    runs: dict[str, Handle],
    world: Outside,
    before: Part,
    number: int,
    after: Part,
    *,
    both: bool = False,
) -> AsyncIterator[dict[str, Any]]:
    """The results of runs that one worker began, or `both`, and after the first one's end the
    other finished, which still answers."""
    try:
        await asyncio.gather(before.start(), *([after.start()] if both else []))
        await in_the_middle(runs, world)
        await before.kill(number)
        if not both:
            await after.start()
        yield await finish(runs, world)
    finally:
        await before.stop()
        await after.stop()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("release", released())
async def test_a_run_goes_on_with_new_code(
    release: str,
    number: signal.Signals,
    fleet: Fleet,
    client: Client,
    store: SqlStore,
    world: Outside,
    models: OpenAIServer,
    tmp_path: Path,
) -> None:
    code = unpack(release, tmp_path)
    models.reset()
    models.script(calls(("tool", {})), Reply("all done"))
    wanted = graphs(world)
    plans = plans_of(code, wanted)
    runs = {name: await start(client, store, graph, plans[name]) for name, graph in wanted.items()}
    old = fleet.worker(number, PYTHONPATH=str(code))
    new = fleet.worker(100 + number)
    async with handed_over(runs, world, old, number, new) as results:
        check_results(results, world, models)
        await check_events(runs, store)


async def begun_now(fleet: Fleet, client: Client, graph: dict[str, Any]) -> Handle:
    """A run that today's API has started, whose start and output nodes have no activity."""
    async with fleet.client() as api:
        id = await execute(api, await save(api, graph))
    handle = client.get_workflow_handle(f"execution-{id}")
    history = await handle.fetch_history()
    [payload] = history.events[0].workflow_execution_started_event_attributes.input.payloads
    plan = json.loads(payload.data)["plan"]
    assert [node["id"] for node in plan["nodes"] if node.get("hands_on")] == ["start", "output"]
    return handle


@pytest.mark.slow
@pytest.mark.parametrize("stays", ["old", "new"])
@pytest.mark.parametrize("release", released()[-1:])
async def test_both_releases_run_side_by_side(
    release: str,
    stays: str,
    fleet: Fleet,
    client: Client,
    store: SqlStore,
    world: Outside,
    models: OpenAIServer,
    tmp_path: Path,
) -> None:
    """Runs of either, until the one worker is killed."""
    code = unpack(release, tmp_path)
    models.reset()
    models.script(calls(("tool", {})), Reply("all done"))
    wanted = graphs(world)
    plans = plans_of(code, wanted)
    of_before = itertools.cycle([stays == "new", stays == "old"])
    runs = {
        name: await start(client, store, graph, plans[name])
        if next(of_before)
        else await begun_now(fleet, client, graph)
        for name, graph in wanted.items()
    }
    number = 300 if stays == "old" else 302
    new, old = fleet.worker(number), fleet.worker(number + 1, PYTHONPATH=str(code))
    before, after = (new, old) if stays == "old" else (old, new)
    async with handed_over(runs, world, before, signal.SIGKILL, after, both=True) as results:
        check_results(results, world, models, all_at_one=False)
        await check_events(runs, store)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("release", released()[-1:])
async def test_a_roll_back_finishes_what_new_code_began(
    release: str,
    number: signal.Signals,
    fleet: Fleet,
    client: Client,
    store: SqlStore,
    world: Outside,
    models: OpenAIServer,
    tmp_path: Path,
) -> None:
    """Of runs that use nothing that is new to it."""
    code = unpack(release, tmp_path)
    models.reset()
    models.script(calls(("tool", {})), Reply("all done"))
    runs = {name: await begun_now(fleet, client, graph) for name, graph in graphs(world).items()}
    new, old = fleet.worker(200 + number), fleet.worker(220 + number, PYTHONPATH=str(code))
    async with handed_over(runs, world, new, number, old) as results:
        check_results(results, world, models)
        await check_events(runs, store)
