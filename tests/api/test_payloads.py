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
from tests.stack import pilot

from .conftest import Api, chain
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


@pytest.fixture(scope="module")
async def large(live_api: Api, worker: Any) -> dict[str, Any]:
    """A run of ada's with an output of 2.4 MB, and how it begins."""
    text = "".join(f"{number:07},\n" for number in range(270_000))
    found = await ran(live_api.client(), chain(), text)
    assert found["status"] == "succeeded", found["error"]
    return {**found, "whole": json.dumps(text, ensure_ascii=False).encode()}


async def test_an_output_too_large_for_the_resource_is_read_by_itself(
    live_api: Api, large: dict[str, Any]
) -> None:
    assert large["output"] is None
    shown = large["large_output"]
    assert shown["bytes"] == len(large["whole"])
    assert shown["preview"].startswith("0000000,")
    client = live_api.client()
    answer = await client.get(shown["href"])
    assert (answer.status_code, answer.content) == (200, large["whole"])
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Content-Type"] == "application/json"
    [node] = [one for one in large["nodes"] if one["id"] == "output"]
    assert (await client.get(node["large_output"]["href"])).content == large["whole"]
    # a small one has the same address
    small = await client.get(f"{E}/{large['id']}/nodes/start/output")
    assert small.status_code == 200
    assert (await client.get(f"{E}/{large['id']}/nodes/nobody/output")).status_code == 404
    assert (await live_api.client("bob").get(shown["href"])).status_code == 404


async def test_a_part_is_enough(live_api: Api, large: dict[str, Any]) -> None:
    client, whole = live_api.client(), large["whole"]
    href, size = large["large_output"]["href"], len(large["whole"])

    async def get(**headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.get(href, headers=given)

    tag = (await get()).headers["ETag"]
    for text, begin, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=262140-262150", 262_140, 262_151),
        (f"bytes={size - 5}-", size - 5, size),
        ("bytes=-7", size - 7, size),
        ("bytes=1000000-99999999999", 1_000_000, size),
    ):
        answer = await get(Range=text, If_Range=tag)
        assert answer.status_code == 206
        assert answer.content == whole[begin:end]
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{size}"
    for text in ("bytes=9-0", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x"):
        answer = await get(Range=text)
        assert (answer.status_code, len(answer.content)) == (200, size)
    assert (await get(Range="bytes=0-1", If_Range='"another"')).status_code == 200
    answer = await get(Range=f"bytes={size}-")
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{size}"
    answer = await get(If_None_Match=tag)
    assert (answer.status_code, answer.content) == (304, b"")


async def test_the_command_line_prints_it(live_api: Api, large: dict[str, Any]) -> None:
    for what in ("-", "output"):
        done = await asyncio.to_thread(
            pilot,
            "show",
            large["id"],
            "--output",
            what,
            "--server",
            live_api.url,
            cwd=live_api.settings.pilot_data_dir,
            environment={"PILOT_TOKEN": live_api.token()},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.encode() == large["whole"] + b"\n"


async def test_a_node_is_tried_with_a_large_recorded_value(
    live_api: Api, large: dict[str, Any]
) -> None:
    client = live_api.client()
    tried = await client.post(
        f"{W}/{large['workflow_id']}/nodes/output/test", json={"execution_id": large["id"]}
    )
    assert tried.status_code == 200
    found = tried.json()
    assert (found["status"], found["error"]) == ("succeeded", None)
    assert found["large_output"]["bytes"] == len(large["whole"])


async def test_an_output_that_only_looks_like_a_reference_is_no_way_in(
    live_api: Api, large: dict[str, Any], worker: Any
) -> None:
    """To another run it is what it says; to nothing of its own it leads nowhere."""
    client = live_api.client("eve")
    row = await live_api.parts.store.get_execution("ada", large["id"])
    lie = row.output
    found = await ran(client, chain(), lie)
    assert found["output"] == lie
    answer = await client.get(f"{E}/{found['id']}/output")
    assert (answer.status_code, answer.json()) == (200, lie)


async def test_a_value_that_is_gone_is_told(
    live_api: Api, large: dict[str, Any], objects: Objects
) -> None:
    """The last: it takes it away."""
    await objects.forget(large["id"])
    answer = await live_api.client().get(large["large_output"]["href"])
    assert (answer.status_code, answer.json()["code"]) == (410, "payload_gone")
