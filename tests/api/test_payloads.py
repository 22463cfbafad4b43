"""The payload store behind the API: what no longer is too large, and who is shown what."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from google.protobuf.json_format import MessageToJson
from temporalio.api.common.v1 import Payload
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference

from pilot.payloads.driver import KEY, NAME, key_in
from pilot.payloads.objects import Objects

from .conftest import Api
from .test_codec import decoded

W, E = "/api/v1/workflows", "/api/v1/executions"
TEXT = "x" * 1_200_000


@pytest.fixture
def objects(live_api: Api) -> Objects:
    """The API's: development keeps them in the data folder."""
    found = live_api.parts.objects
    assert found is not None
    return found


async def ran(client: httpx.AsyncClient, graph: dict[str, Any], given: Any) -> dict[str, Any]:
    made = await client.post(W, json={"name": "large", **graph})
    assert made.status_code == 201, made.text
    workflow = made.json()["id"]
    begun = await client.post(f"{W}/{workflow}/execute", json={"input": given})
    assert begun.status_code == 202, begun.text
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await client.get(f"{E}/{begun.json()['id']}")).json()
            if found["finished_at"]:
                return found
            await asyncio.sleep(0.1)


async def keys_of(api: Api, execution: str) -> list[str]:
    root = Path(api.settings.pilot_data_dir / "payloads")
    return [str(path.relative_to(root)) for path in root.rglob(f"{execution}/*")]


async def test_a_graph_and_an_input_that_temporal_could_not_carry_are_run(
    live_api: Api, worker: Any, make_chain: Any
) -> None:
    client = live_api.client(f"ada-{uuid4()}")
    texts = {name: name * 1_100_000 for name in "ab"}
    notes = {"id": "v", "type": "variable", "config": {"assignments": texts}}
    found = await ran(client, make_chain(notes), TEXT)
    assert (found["status"], found["output"]) == ("succeeded", TEXT)
    keys = await keys_of(live_api, found["id"])
    assert keys
    assert (await client.delete(f"{E}/{found['id']}")).status_code == 204
    assert await keys_of(live_api, found["id"]) == []


async def test_the_web_ui_is_shown_what_a_history_refers_to(
    live_api: Api, worker: Any, make_chain: Any, objects: Objects
) -> None:
    """Its owner is, and nobody else."""
    user = f"ada-{uuid4()}"
    found = await ran(live_api.client(user), make_chain(), TEXT)
    handle = live_api.parts.runs.client.get_workflow_handle(f"execution-{found['id']}")
    history = await handle.fetch_history()
    given = history.events[0].workflow_execution_started_event_attributes.input.payloads[0]
    key = key_in(given)
    assert key is not None
    [shown] = await decoded(live_api.client(user), given)
    assert json.loads(shown.data)["input"] == TEXT
    assert await decoded(live_api.client("bob"), given) == [Payload(
        metadata=given.metadata, data=given.data
    )]  # fmt: skip
    [dev] = await decoded(live_api.client("dev"), given)  # an operator
    assert dev == shown

    # more than a browser shows, and what is not there any more, come back as they were
    many = [Payload(metadata=given.metadata, data=given.data)] * 8
    sizes = [len(one.data) for one in await decoded(live_api.client(user), *many)]
    assert 1 < sum(size > 1_000_000 for size in sizes) < 8
    await objects.forget(found["id"])
    [gone] = await decoded(live_api.client(user), given)
    assert gone.data == given.data


@pytest.mark.parametrize(
    "key", ["ping", "runs/0/../../secret", "runs/0/" + "0" * 36 + "/" + "0" * 64]
)
async def test_a_reference_that_is_a_lie_shows_nothing(live_api: Api, key: str) -> None:
    reference = ExternalStorageReference(driver_name=NAME, claim_data={KEY: key})
    payload = Payload(
        metadata={
            "encoding": b"json/protobuf",
            "messageType": ExternalStorageReference.DESCRIPTOR.full_name.encode(),
        },
        data=MessageToJson(reference).encode(),
    )
    for user in ("dev", "ada"):
        assert await decoded(live_api.client(user), payload) == [payload]


async def test_health_tells_of_it(live_api: Api) -> None:
    parts = (await live_api.client().get("/health")).json()["parts"]
    assert parts["payloads"]["status"] == "ok"
