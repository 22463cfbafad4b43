"""The remote codec: each reads their own, operators all, and nobody what a lie names."""

from __future__ import annotations

import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from temporalio.api.common.v1 import Payload

from pilot.codec import SCOPE_KEY, EncryptionCodec, is_encrypted, run_scope
from pilot.crypto import Keyring, new_key
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution

from .conftest import Api, serving, settings_for

UI = "http://127.0.0.1:8233"
KEY = new_key()
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"told":"in confidence"}')


@pytest.fixture(scope="module")
async def sealed_api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    settings = settings_for(
        tmp_path_factory.mktemp("codec"),
        pilot_encryption_key=KEY,
        pilot_codec_users=["ops"],
        temporal_ui_url=f"{UI}/",
    )
    async with serving(settings) as running:
        yield running


def as_json(payload: Payload) -> dict[str, Any]:
    return {
        "metadata": {name: b64encode(value).decode() for name, value in payload.metadata.items()},
        "data": b64encode(payload.data).decode(),
    }


def from_json(body: dict[str, Any]) -> Payload:
    metadata = {name: b64decode(value) for name, value in body["metadata"].items()}
    return Payload(metadata=metadata, data=b64decode(body["data"]))


async def decoded(client: httpx.AsyncClient, *payloads: Payload, **headers: str) -> list[Payload]:
    body = {"payloads": [as_json(payload) for payload in payloads]}
    answer = await client.post("/api/v1/codec/decode", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return [from_json(one) for one in answer.json()["payloads"]]


async def execution_of(api: Api, owner: str) -> str:
    """The id of an execution that the store holds."""
    store = api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph={})
    execution = Execution(
        id=str(uuid.uuid4()),
        owner=owner,
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.RUNNING,
        input=None,
        created_at=datetime.now(UTC),
    )
    await store.create_execution(execution)
    return execution.id


async def of_run(execution_id: str, suffix: str = "", key: str = KEY) -> Payload:
    codec = EncryptionCodec(Keyring.parse(key), run_scope(f"execution-{execution_id}{suffix}"))
    [payload] = await codec.encode([PLAIN])
    assert b"confidence" not in payload.SerializeToString()
    return payload


async def test_the_owner_of_a_run_reads_it_and_nobody_else(sealed_api: Api) -> None:
    payload = await of_run(await execution_of(sealed_api, "ada"))
    assert await decoded(sealed_api.client("ada"), payload) == [PLAIN]
    assert await decoded(sealed_api.client("bob"), payload) == [payload]
    body = {"payloads": [as_json(payload)]}
    answer = await sealed_api.client(None).post("/api/v1/codec/decode", json=body)
    assert answer.status_code == 401


async def test_one_request_may_ask_for_several_owners(sealed_api: Api) -> None:
    hers = await of_run(await execution_of(sealed_api, "ada"))
    his = await of_run(await execution_of(sealed_api, "bob"))
    assert await decoded(sealed_api.client("ada"), his, hers, PLAIN, his) == [
        his,
        PLAIN,
        PLAIN,
        his,
    ]


async def test_operators_read_everything(sealed_api: Api) -> None:
    codec = EncryptionCodec(Keyring.parse(KEY))
    [unscoped] = await codec.encode([PLAIN])
    payload = await of_run(await execution_of(sealed_api, "ada"))
    for user in ("ops", "dev"):
        assert await decoded(sealed_api.client(user), payload, unscoped) == [PLAIN, PLAIN]
    assert await decoded(sealed_api.client("ada"), unscoped) == [unscoped]


async def test_a_scope_that_is_a_lie_opens_nothing(sealed_api: Api) -> None:
    payload = await of_run(await execution_of(sealed_api, "ada"))
    mine = await execution_of(sealed_api, "mallory")
    for scope in (run_scope(f"execution-{mine}"), "user:mallory"):
        forged = Payload(metadata=payload.metadata, data=payload.data)
        forged.metadata[SCOPE_KEY] = scope.encode()
        assert await decoded(sealed_api.client("mallory"), forged) == [forged]


async def test_ids_that_only_begin_like_an_execution_are_not_it(sealed_api: Api) -> None:
    mine = await execution_of(sealed_api, "mallory")
    for suffix in ("0", "-x", "_x"):
        payload = await of_run(mine, suffix)
        assert await decoded(sealed_api.client("mallory"), payload) == [payload]
    child = await of_run(mine, "/child")
    assert await decoded(sealed_api.client("mallory"), child) == [PLAIN]


async def test_what_cannot_be_opened_comes_back_as_it_came(sealed_api: Api) -> None:
    mine = await execution_of(sealed_api, "ada")
    foreign_key = await of_run(mine, key=new_key())
    cut = await of_run(mine)
    cut.data = cut.data[:20]
    empty = Payload(metadata={"encoding": b"binary/encrypted"})
    given = [foreign_key, cut, empty]
    assert await decoded(sealed_api.client("ada"), *given) == given


async def test_what_a_user_encodes_only_they_decode(sealed_api: Api) -> None:
    client = sealed_api.client("ada")
    answer = await client.post("/api/v1/codec/encode", json={"payloads": [as_json(PLAIN)]})
    payload = from_json(answer.json()["payloads"][0])
    assert is_encrypted(payload)
    assert await decoded(client, payload) == [PLAIN]
    assert await decoded(sealed_api.client("bob"), payload) == [payload]
    # and a worker reads it
    codec = EncryptionCodec(Keyring.parse(KEY), run_scope("execution-x"))
    assert await codec.decode([payload]) == [PLAIN]


@pytest.mark.parametrize(
    "body", [{"payloads": [{"data": "not base64!"}]}, {"payloads": "x"}, {"payloads": [7]}]
)
async def test_bad_bodies_are_refused(sealed_api: Api, body: Any) -> None:
    answer = await sealed_api.client().post("/api/v1/codec/decode", json=body)
    assert answer.status_code == 422


async def test_the_web_ui_may_call_from_its_origin(sealed_api: Api) -> None:
    client = sealed_api.client(None)
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    answer = await client.options("/api/v1/codec/decode", headers={"Origin": UI, **preflight})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == UI
    assert "x-namespace" in answer.headers["access-control-allow-headers"].lower()
    foreign = await client.options(
        "/api/v1/codec/decode", headers={"Origin": "http://evil.example", **preflight}
    )
    assert "access-control-allow-origin" not in foreign.headers


async def test_the_development_ui_which_has_no_sign_in_is_the_developer(sealed_api: Api) -> None:
    payload = await of_run(await execution_of(sealed_api, "ada"))
    client = sealed_api.client(None)
    assert await decoded(client, payload, Origin=UI) == [PLAIN]
    body = {"payloads": [as_json(payload)]}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": f"{UI}.evil.example"},
        {"Origin": UI, "Authorization": "Bearer nonsense"},
        {},
    ):
        answer = await client.post("/api/v1/codec/decode", json=body, headers=headers)
        assert answer.status_code == 401
    # and for the codec alone
    answer = await client.get("/api/v1/secrets", headers={"Origin": UI})
    assert answer.status_code == 401


async def test_without_a_key_everything_passes(api: Api) -> None:
    assert await decoded(api.client("ada"), PLAIN) == [PLAIN]
    answer = await api.client("ada").post(
        "/api/v1/codec/encode", json={"payloads": [as_json(PLAIN)]}
    )
    assert from_json(answer.json()["payloads"][0]) == PLAIN
