"""Payload encryption on a real server: nothing of a run is readable there, and all of it runs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from api.runs import Runs
from pilot.codec import (
    ENCODING,
    KEY_ID_KEY,
    SCOPE_KEY,
    EncryptionCodec,
    encrypted,
    is_encrypted,
    run_scope,
    scope_of,
)
from pilot.crypto import Keyring, new_key
from pilot.errors import CiphertextError, UnknownKeyError
from pilot.graph.compile import compile_plan
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store.migrate import migrate
from pilot.temporal import connect, data_converter
from tests.graph.graphs import graph, node
from workflows_def.messages import QUERY_EVENTS, WORKFLOW_TYPE, EventsPage, RunInput

OLD, NEW = new_key(), new_key()
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"told in confidence"')
HERS = run_scope("execution-1")


def codec(keys: str = NEW, scope: str = HERS) -> EncryptionCodec:
    return EncryptionCodec(Keyring.parse(keys), scope)


async def sealed(keys: str = NEW, scope: str = HERS) -> Payload:
    [payload] = await codec(keys, scope).encode([PLAIN])
    return payload


async def test_a_payload_is_sealed_and_says_by_which_key() -> None:
    payload = await sealed()
    assert payload.metadata["encoding"] == ENCODING
    assert payload.metadata[KEY_ID_KEY].decode() == Keyring.parse(NEW).newest
    assert scope_of(payload) == HERS
    assert b"confidence" not in payload.SerializeToString()
    assert b"json/plain" not in payload.SerializeToString()
    assert await codec(scope="").decode([payload]) == [PLAIN]


async def test_what_was_never_sealed_and_old_keys_are_read() -> None:
    given = [PLAIN, await sealed(OLD), await sealed(NEW)]
    assert await codec(f"{NEW},{OLD}").decode(given) == [PLAIN] * 3


async def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UnknownKeyError, match=Keyring.parse(OLD).newest):
        await codec(NEW).decode([await sealed(OLD)])


@pytest.mark.parametrize("change", ["scope", "data", "cut", "version"])
async def test_what_was_altered_or_moved_does_not_open(change: str) -> None:
    payload = await sealed()
    match change:
        case "scope":
            payload.metadata[SCOPE_KEY] = run_scope("execution-2").encode()
        case "data":
            payload.data = payload.data[:-1] + bytes([payload.data[-1] ^ 1])
        case "cut":
            payload.data = payload.data[:-1]
        case "version":
            payload.data = b"\x02" + payload.data[1:]
    with pytest.raises(CiphertextError):
        await codec().decode([payload])


def test_a_converter_with_a_codec_of_its_own_keeps_it() -> None:
    theirs = dataclasses.replace(DataConverter.default, payload_codec=codec(OLD))
    assert encrypted(theirs, Keyring.parse(NEW)) is theirs
    assert encrypted(data_converter, None) is data_converter


async def test_a_context_names_the_run() -> None:
    converter = encrypted(data_converter, Keyring.parse(NEW))
    context = WorkflowSerializationContext(namespace="default", workflow_id="execution-7")
    [payload] = await converter.with_context(context).encode(["x"])
    assert scope_of(payload) == "run:execution-7"


@pytest.fixture(scope="module")
async def settings(temporal_address: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        temporal_address=temporal_address,
        temporal_task_queue=f"sealed-{uuid.uuid4()}",
        pilot_data_dir=tmp_path_factory.mktemp("sealed"),
        pilot_env="development",
        pilot_encryption_key=f"{NEW},{OLD}",
    )
    await migrate(settings.store_url)
    return settings


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A client that seals, and a worker on its queue."""
    async with PilotPlugin.open(settings) as plugin:
        client = await connect(settings, plugins=[plugin])
        async with Worker(client, task_queue=settings.temporal_task_queue):
            yield client


def run_input(source: str, **fields: Any) -> RunInput:
    nodes = [node("s", "start"), node("c", "code", config={"source": source}), node("o", "output")]
    values = {
        "execution_id": str(uuid.uuid4()),
        "workflow_id": "w",
        "workflow_name": "a confidential name",
        "workflow_version": 1,
        "user_id": "ada",
        "plan": compile_plan(graph(nodes, "s>c", "c>o"), specs()),
        "input": "a confidential input",
    }
    return RunInput(**{**values, **fields})


async def raw_history(temporal_address: str, run: RunInput) -> WorkflowHistory:
    """As the server keeps it."""
    plain = await Client.connect(temporal_address)
    return await plain.get_workflow_handle(f"execution-{run.execution_id}").fetch_history()


def payloads_in(message: Any) -> list[Payload]:
    """Every payload of a message, at any depth, but for search attributes, which the server
    reads."""
    if isinstance(message, Payload):
        return [message]
    found = []
    for field, value in message.ListFields():
        if field.name in ("search_attributes", "header"):
            continue
        if field.type != field.TYPE_MESSAGE:
            continue
        if field.message_type.GetOptions().map_entry:
            items = [item for item in value.values() if hasattr(item, "ListFields")]
        else:
            items = list(value) if field.is_repeated else [value]
        for item in items:
            found += payloads_in(item)
    return found


async def test_a_run_works_and_the_server_reads_nothing_of_it(
    client: Client, temporal_address: str, settings: Settings
) -> None:
    run = run_input("def main(x):\n    print('a confidential print')\n    return x.upper()")
    await Runs(client, settings.temporal_task_queue).start(run)
    handle = client.get_workflow_handle(f"execution-{run.execution_id}")
    assert await asyncio.wait_for(handle.result(), 30) == "A CONFIDENTIAL INPUT"
    page = await handle.query(QUERY_EVENTS, 0, result_type=EventsPage)
    assert "a confidential input" in json.dumps(page.events)
    description = await handle.describe()
    assert await description.static_summary() == "a confidential name"
    assert (await description.memo())["workflow_name"] == "a confidential name"

    history = await raw_history(temporal_address, run)
    text = b"".join(event.SerializeToString() for event in history.events)
    text += description.raw_description.SerializeToString()
    assert b"confidential" not in text.lower()
    payloads = [payload for event in history.events for payload in payloads_in(event)]
    assert len(payloads) > 8
    unsealed = [payload for payload in payloads if not is_encrypted(payload)]
    # what the SDK's core writes into markers and never shows a codec: names and times
    assert all(b"confidential" not in payload.data.lower() for payload in unsealed)
    scopes = {scope_of(payload) for payload in payloads if is_encrypted(payload)}
    assert scopes == {run_scope(f"execution-{run.execution_id}")}


async def test_a_failure_is_sealed_and_comes_back(
    client: Client, temporal_address: str, settings: Settings
) -> None:
    run = run_input("def main(x):\n    raise ValueError('a confidential reason')")
    handle = await client.start_workflow(
        WORKFLOW_TYPE,
        run,
        id=f"execution-{run.execution_id}",
        task_queue=settings.temporal_task_queue,
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), 30)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert "a confidential reason" in str(cause.__dict__) + str(cause)
    history = await raw_history(temporal_address, run)
    text = b"".join(event.SerializeToString() for event in history.events)
    assert b"confidential" not in text.lower()
    assert b"Encoded failure" in text
    assert b"Traceback" not in text
    assert b".py" not in text


async def test_a_run_begun_in_the_clear_or_under_an_old_key_goes_on(
    client: Client, temporal_address: str, settings: Settings
) -> None:
    for key in (None, OLD):
        run = run_input("def main(x): return x.upper()")
        plain = settings.model_copy(update={"pilot_encryption_key": None})
        older = Settings(
            _env_file=None,  # type: ignore[call-arg]
            temporal_address=temporal_address,
            pilot_encryption_key=key,
        )
        starter = await connect(older if key else plain)
        await Runs(starter, settings.temporal_task_queue).start(run)
        handle = client.get_workflow_handle(f"execution-{run.execution_id}")
        assert await asyncio.wait_for(handle.result(), 30) == "A CONFIDENTIAL INPUT"


async def test_sealed_histories_replay(
    client: Client, temporal_address: str, settings: Settings
) -> None:
    run = run_input("def main(x): return x.upper()")
    await Runs(client, settings.temporal_task_queue).start(run)
    handle = client.get_workflow_handle(f"execution-{run.execution_id}")
    await asyncio.wait_for(handle.result(), 30)
    history = await raw_history(temporal_address, run)
    plugin = PilotPlugin(keyring=Keyring.parse(f"{NEW},{OLD}"))
    await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history)


async def test_stored_histories_replay_where_encryption_is_on() -> None:
    plugin = PilotPlugin(keyring=Keyring.parse(NEW))
    replayer = Replayer(workflows=[], plugins=[plugin])
    paths = sorted((Path(__file__).parent / "histories").glob("*/*.json"))
    assert paths
    for path in paths:
        await replayer.replay_workflow(WorkflowHistory.from_json(path.stem, path.read_text()))
