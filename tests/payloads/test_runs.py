"""Runs whose values are stored apart: on Temporal's real server, with a real worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from api.runs import Runs
from pilot.crypto import new_key
from pilot.errors import PayloadStoreError
from pilot.graph.compile import compile_plan
from pilot.keys import payload_keyring
from pilot.nodes import specs
from pilot.payloads.driver import key_in
from pilot.payloads.objects import Objects
from pilot.payloads.place import sizes_of
from pilot.payloads.values import Values
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.temporal import connect
from tests.graph.graphs import graph, node
from tests.s3_server import S3Server
from workflows_def.messages import QUERY_EVENTS, EventsPage, RunInput

LARGE = "confidential " * 400_000
"""5.2 MB"""


async def settings_with(temporal_address: str, folder: Path, **fields: Any) -> Settings:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        temporal_address=temporal_address,
        temporal_task_queue=f"apart-{uuid4()}",
        pilot_data_dir=folder,
        **fields,
    )
    await migrate(settings.store_url)
    return settings


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[Client]:
    async with PilotPlugin.open(settings) as plugin:
        client = await connect(settings, plugins=[plugin])
        async with Worker(client, task_queue=settings.temporal_task_queue):
            yield client


def run_of(*nodes: Any, edges: tuple[str, ...], given: Any = None) -> RunInput:
    plan = compile_plan(graph(list(nodes), *edges), specs())
    return RunInput(str(uuid4()), "w", "w", 1, "ada", plan, input=given)


def passing(given: Any) -> RunInput:
    """A run that gives what it is given, by way of a node."""
    nodes = (
        node("s", "start"),
        node("v", "variable", config={"assignments": {"size": "{input.size()}"}}),
        node("o", "output"),
    )
    return run_of(*nodes, edges=("s>v", "v>o"), given=given)


def making(megabytes: float) -> RunInput:
    source = f"def main(): return 'confidential ' * {int(megabytes * 1e6 / 13)}"
    nodes = (
        node("s", "start"),
        node("c", "code", config={"source": source, "limits": {"output_kb": 1536}}),
        node("o", "output"),
    )
    return run_of(*nodes, edges=("s>c", "c>o"))


async def result_of(client: Client, settings: Settings, run: RunInput, limit: float = 60) -> Any:
    await Runs(client, settings.temporal_task_queue).start(run)
    handle = client.get_workflow_handle(f"execution-{run.execution_id}")
    result = await asyncio.wait_for(handle.result(), limit)
    return await Values.open(settings).whole(result, run.execution_id)


async def history_of(temporal_address: str, run: RunInput) -> WorkflowHistory:
    """As the server keeps it."""
    plain = await Client.connect(temporal_address)
    return await plain.get_workflow_handle(f"execution-{run.execution_id}").fetch_history()


def payloads_in(message: Any) -> list[Payload]:
    if isinstance(message, Payload):
        return [message]
    found: list[Payload] = []
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            items = [item for item in value.values() if hasattr(item, "ListFields")]
        else:
            items = list(value) if field.is_repeated else [value]
        for item in items:
            found += payloads_in(item)
    return found


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
async def test_a_large_value_goes_through_a_run_and_its_history_stays_small(
    temporal_address: str, tmp_path: Path, place: dict[str, Any], sealed: bool
) -> None:
    key = new_key() if sealed else None
    settings = await settings_with(temporal_address, tmp_path, pilot_encryption_key=key, **place)
    objects = Objects.open(settings)
    assert objects is not None
    run = passing(LARGE)
    async with working(settings) as client:
        assert await result_of(client, settings, run) == LARGE
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        page = await handle.query(QUERY_EVENTS, 0, result_type=EventsPage)
        assert LARGE in json.dumps(page.events[0])

    history = await history_of(temporal_address, run)
    size = sum(event.ByteSize() for event in history.events)
    assert size < 60_000, size
    keys = {
        found
        for event in history.events
        for payload in payloads_in(event)
        if (found := key_in(payload))
    }
    assert keys  # the input; the output is there by a reference of ours
    keys |= {key async for key, _ in objects._of(run.execution_id)}
    assert len(keys) >= 2
    bodies = [await objects.get(one) for one in keys]
    assert all((b"confidential" in body) is not sealed for body in bodies)

    sizes = sizes_of(settings)
    plugin = PilotPlugin(keyring=payload_keyring(settings), objects=objects, sizes=sizes)
    await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history)


async def test_what_is_written_again_is_the_same_object(
    temporal_address: str, tmp_path: Path, place: dict[str, Any]
) -> None:
    """An attempt that is made again, a workflow task that is: sealed or not, nothing doubles."""
    settings = await settings_with(
        temporal_address, tmp_path, pilot_encryption_key=new_key(), **place
    )
    objects = Objects.open(settings)
    assert objects is not None

    async def written() -> set[str]:
        return {key async for key, _ in objects._of(run.execution_id)}

    run = passing(LARGE)
    async with working(settings) as client:
        runs = Runs(client, settings.temporal_task_queue)
        first = await runs.start(run)
        [given] = await written()
        assert await runs.start(run) == first
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        await asyncio.wait_for(handle.result(), 60)
        page = await handle.query(QUERY_EVENTS, 0, result_type=EventsPage)
        before = await written()
        assert given in before
        for _ in range(3):
            assert await handle.query(QUERY_EVENTS, 0, result_type=EventsPage) == page
        assert await written() == before
    history = await history_of(temporal_address, run)
    referred = {
        key for event in history.events for one in payloads_in(event) if (key := key_in(one))
    }
    assert given in referred <= before
    assert await objects.forget(run.execution_id) == len(before)


async def test_what_is_over_the_ceiling_is_told(temporal_address: str, tmp_path: Path) -> None:
    settings = await settings_with(
        temporal_address,
        tmp_path,
        pilot_payloads=f"folder:{tmp_path / 'p'}",
        pilot_payloads_max_mb=3,
    )
    async with working(settings) as client:
        assert await result_of(client, settings, passing("x" * 2_700_000))
        with pytest.raises(WorkflowFailureError) as caught:
            await result_of(client, settings, passing("x" * 3_100_000))
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "node_input_too_large"
    assert "3 MB (PILOT_PAYLOADS_MAX_MB) fit" in cause.message


async def test_without_a_store_the_limits_are_temporals(
    temporal_address: str, tmp_path: Path
) -> None:
    settings = await settings_with(temporal_address, tmp_path)
    async with working(settings) as client:
        with pytest.raises(WorkflowFailureError) as caught:
            await result_of(client, settings, passing("x" * 1_900_100))
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, "1.9 MB fit" in cause.message) == ("node_input_too_large", True)


async def test_small_values_and_others_workflows_stay_where_they_are(
    temporal_address: str, tmp_path: Path
) -> None:
    settings = await settings_with(
        temporal_address, tmp_path, pilot_payloads=f"folder:{tmp_path / 'p'}"
    )
    async with working(settings) as client:
        assert await result_of(client, settings, passing("x" * 60_000))
        handle = await client.start_workflow(
            "Theirs", "x" * 300_000, id=f"theirs-{uuid4()}", task_queue="nobody's"
        )
        await handle.terminate()
    assert not [path for path in (tmp_path / "p").rglob("*") if path.is_file()]


async def test_a_result_waits_for_a_store_that_is_away(
    temporal_address: str, tmp_path: Path, s3: S3Server
) -> None:
    """The node is not run again for it."""
    settings = await settings_with(temporal_address, tmp_path, **s3.settings)
    run = making(1.2)
    async with working(settings) as client:
        s3.stop()
        await Runs(client, settings.temporal_task_queue).start(run)
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(handle.result())), 3)
        s3.start()
        assert len(await asyncio.wait_for(handle.result(), 60)) > 1_000_000
        events, more = [], True
        while more:
            page = await handle.query(QUERY_EVENTS, len(events), result_type=EventsPage)
            events, more = events + page.events, page.more
    [ended] = [
        event for event in events if event["type"] == "node.succeeded" and event["node_id"] == "c"
    ]
    assert ended["data"]["meta"]["attempt"] == 1


async def test_a_run_waits_for_a_store_that_is_away(
    temporal_address: str, tmp_path: Path, s3: S3Server
) -> None:
    """Its workflow task cannot read what the run was given, and is tried again."""
    settings = await settings_with(temporal_address, tmp_path, **s3.settings)
    run = passing(LARGE)
    starter = await connect(settings)
    await Runs(starter, settings.temporal_task_queue).start(run)
    s3.stop()
    async with working(settings) as client:
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        waiting = asyncio.ensure_future(handle.result())
        await asyncio.sleep(6)
        assert not waiting.done()
        s3.start()
        result = await asyncio.wait_for(waiting, 90)
        assert await Values.open(settings).whole(result, run.execution_id) == LARGE


async def test_a_start_is_refused_while_the_store_is_away(
    temporal_address: str, tmp_path: Path, s3: S3Server
) -> None:
    settings = await settings_with(temporal_address, tmp_path, **s3.settings)
    client = await connect(settings)
    runs = Runs(client, settings.temporal_task_queue)
    run = passing(LARGE)
    s3.stop()
    with pytest.raises(PayloadStoreError):
        await runs.start(run)
    assert not await runs.exists(run.execution_id)
    s3.start()
    assert await runs.start(run)
