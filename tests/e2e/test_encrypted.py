"""`pilot dev` with PILOT_ENCRYPTION_KEY: runs work, Temporal's files tell nothing, and the Web
UI is shown what the server keeps."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

import httpx
import pytest
from temporalio.client import Client

from pilot.codec import is_encrypted
from pilot.crypto import new_key
from tests.stack import Stack, execute, finished, run_events, save

WORDS = "rosebud-7391"
GRAPH = {
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "code", "type": "code", "config": {"source": "def main(x): return x.upper()"}},
        {"id": "output", "type": "output", "config": {}},
    ],
    "edges": [
        {"source": "start", "target": "code"},
        {"source": "code", "target": "output"},
    ],
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("sealed"), PILOT_ENCRYPTION_KEY=new_key())
    yield running
    running.stop()


async def test_a_run_is_watched_and_read_as_ever(sealed: Stack) -> None:
    async with sealed.client("ada") as client, sealed.events("ada") as socket:
        health = (await client.get("/health")).json()
        assert health["parts"]["encryption"]["detail"] == "secrets and payloads"
        workflow_id = await save(client, GRAPH)
        execution_id = await execute(client, workflow_id, WORDS)
        events = [event async for event in run_events(socket, execution_id)]
        execution = await finished(client, execution_id)
    assert execution["output"] == WORDS.upper()
    assert WORDS in json.dumps(events)
    for path in sealed.data_dir.glob("temporal.db*"):
        assert WORDS.encode() not in path.read_bytes()


async def test_what_a_run_gives_to_a_child_is_sealed_too(sealed: Stack) -> None:
    async with sealed.client("ada") as client:
        called = await save(client, GRAPH)
        call = {"id": "code", "type": "workflow", "config": {"workflow_id": called}}
        nodes = [call if one["id"] == "code" else one for one in GRAPH["nodes"]]
        execution_id = await execute(client, await save(client, {**GRAPH, "nodes": nodes}), WORDS)
        assert (await finished(client, execution_id))["output"] == WORDS.upper()
    for path in sealed.data_dir.glob("temporal.db*"):
        assert WORDS.encode() not in path.read_bytes()


async def test_the_web_ui_knows_its_codec_and_may_use_it(sealed: Stack) -> None:
    state = sealed.state()["temporal"]
    async with httpx.AsyncClient() as anyone:
        told = (await anyone.get(f"{state['ui']}/api/v1/settings")).json()
    endpoint = told["Codec"]["Endpoint"]
    assert endpoint == f"{sealed.url}/api/v1/codec"

    async with sealed.client("ada") as client:
        execution_id = await execute(client, await save(client, GRAPH), WORDS)
        await finished(client, execution_id)
    temporal = await Client.connect(state["address"])
    handle = temporal.get_workflow_handle(f"execution-{execution_id}")
    first = (await handle.fetch_history()).events[0]
    [payload] = first.workflow_execution_started_event_attributes.input.payloads
    assert is_encrypted(payload)
    metadata = {name: b64encode(value).decode() for name, value in payload.metadata.items()}
    body = {"payloads": [{"metadata": metadata, "data": b64encode(payload.data).decode()}]}
    async with httpx.AsyncClient() as page:
        answer = await page.post(f"{endpoint}/decode", json=body, headers={"Origin": state["ui"]})
    assert answer.headers["access-control-allow-origin"] == state["ui"]
    [decoded] = answer.json()["payloads"]
    assert decoded["metadata"]["encoding"] == b64encode(b"json/plain").decode()
