"""Secrets: kept sealed, listed by name, never given back, nobody else's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from pilot.keys import KEY_FILE

from .conftest import Api

VALUE = "sk-very-secret-value-0123456789"
URL = "/api/v1/secrets"


async def stored(client: httpx.AsyncClient, name: str, value: str = VALUE) -> httpx.Response:
    return await client.post(URL, json={"name": name, "value": value})


async def test_a_secret_is_made_replaced_listed_and_removed(api: Api) -> None:
    client = api.client("secretary")
    made = await stored(client, "TOKEN")
    assert made.status_code == 201
    assert made.json().keys() == {"name", "created_at", "updated_at"}
    again = await stored(client, "TOKEN", "another value")
    assert again.status_code == 200
    assert again.json()["created_at"] == made.json()["created_at"]
    assert again.json()["updated_at"] > made.json()["updated_at"]
    await stored(client, "_other")
    listed = (await client.get(URL)).json()
    assert [item["name"] for item in listed["items"]] == ["TOKEN", "_other"]
    assert listed["next_cursor"] is None
    assert listed["items"][0].keys() == {"name", "created_at", "updated_at"}
    assert (await client.delete(f"{URL}/TOKEN")).status_code == 204
    assert (await client.delete(f"{URL}/TOKEN")).status_code == 404
    assert [item["name"] for item in (await client.get(URL)).json()["items"]] == ["_other"]


async def test_another_users_secret_is_not_there(api: Api) -> None:
    ada, bob = api.client("ada-s"), api.client("bob-s")
    await stored(ada, "HERS")
    assert (await bob.get(URL)).json()["items"] == []
    assert (await bob.delete(f"{URL}/HERS")).status_code == 404
    assert (await stored(bob, "HERS", "his")).status_code == 201
    assert len((await ada.get(URL)).json()["items"]) == 1
    assert (await api.client(None).get(URL)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "bad name", "value": VALUE},
        {"name": "", "value": VALUE},
        {"name": "1st", "value": VALUE},
        {"name": "N" * 65, "value": VALUE},
        {"name": "N\n", "value": VALUE},
        {"name": VALUE, "value": "x"},
        {"name": "N", "value": ""},
        {"name": "N", "value": VALUE * 2000},
        {"name": "N", "value": "é" * 16_385 + VALUE},
        {"name": "N", "value": [VALUE]},
        {"name": "N", "value": {"v": VALUE}},
        {"name": "N", "value": 7},
        {"name": "N", "value": VALUE, "extra": VALUE},
        {"value": VALUE},
        [VALUE],
    ],
)
async def test_a_refusal_does_not_repeat_the_value(
    client: httpx.AsyncClient, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await client.post(URL, json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["issues"]
    assert "very-secret" not in answer.text
    assert "very-secret" not in caplog.text


async def test_broken_json_does_not_repeat_the_value(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        URL,
        content=f'{{"name": "N", "value": "{VALUE}"',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    assert "very-secret" not in answer.text


async def test_values_of_the_largest_size_and_any_text(client: httpx.AsyncClient) -> None:
    for number, value in enumerate(("x" * 32_768, "é" * 16_384, "line\nline\u0000 🔑", " ")):
        assert (await stored(client, f"SIZE_{number}", value)).status_code == 201


async def test_nothing_of_the_value_is_in_the_database(api: Api) -> None:
    client = api.client("on-disk")
    await stored(client, "TOKEN")
    folder = Path(api.settings.pilot_data_dir)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "pilot.db" for path in files)
    assert (folder / KEY_FILE).exists()
    assert not any(VALUE.encode() in path.read_bytes() for path in files)


async def test_a_user_has_at_most_two_hundred(api: Api) -> None:
    client = api.client("collector")
    for number in range(200):
        assert (await stored(client, f"N{number}")).status_code == 201
    answer = await stored(client, "ONE_MORE")
    assert answer.status_code == 409
    assert answer.json()["code"] == "too_many_secrets"
    assert len((await client.get(URL)).json()["items"]) == 200


async def test_production_without_a_key_says_so(serve: Any, tmp_path: Path) -> None:
    serving, settings_for = serve
    async with serving(settings_for(tmp_path)) as api:
        object.__setattr__(api.parts, "keyring", None)  # as it is in production without a key
        client = api.client()
        answer = await stored(client, "TOKEN")
        assert answer.status_code == 503
        assert answer.json()["code"] == "encryption_not_configured"
        assert "very-secret" not in answer.text
        assert (await client.get(URL)).json()["items"] == []
        health = (await client.get("/health")).json()
        assert health["parts"]["encryption"]["status"] == "off"
        assert "PILOT_ENCRYPTION_KEY" in health["parts"]["encryption"]["detail"]


async def test_development_needs_no_key(client: httpx.AsyncClient) -> None:
    part = (await client.get("/health")).json()["parts"]["encryption"]
    assert (part["status"], part["detail"]) == ("ok", "secrets")


def asking(make_chain: Any, name: str) -> Any:
    config = {"url": "https://example.com/", "headers": {"A": "b {secrets." + name + "}"}}
    return make_chain({"id": "h", "type": "http", "config": config})


async def test_an_unknown_secret_is_an_issue_everywhere(api: Api, make_chain: Any) -> None:
    client = api.client("issuer")
    await stored(api.client("somebody-else"), "ABSENT")
    graph = asking(make_chain, "ABSENT")
    answers = [
        await client.post("/api/v1/workflows/validate", json=graph),
        await client.post("/api/v1/workflows", json=graph),
    ]
    workflow = answers[1].json()
    at = f"/api/v1/workflows/{workflow['id']}"
    answers.append(await client.get(at))
    answers.append(await client.put(at, json={**graph, "description": "changed"}))
    answers.append(await client.post(f"{at}/execute", json={}))
    assert [answer.status_code for answer in answers] == [200, 201, 200, 200, 422]
    for answer in answers:
        [issue] = answer.json()["issues"]
        assert issue["code"] == "unknown_secret"
        assert issue["severity"] == "error"
        assert (issue["node_id"], issue["field"]) == ("h", "config.headers.A")
        assert (issue["line"], issue["column"]) == (1, 4)
    await stored(client, "ABSENT")
    assert (await client.get(at)).json()["issues"] == []
