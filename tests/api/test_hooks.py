"""Webhooks and signals: from outside through the API to a node that waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from limits import parse as rate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.limits import Limits
from pilot import hooks
from pilot.events.wire import dumps
from tests.api.conftest import Api, Worker, chain
from tests.openai_server import serve as serving_app

URL = "/api/v1/workflows"
SCHEMA = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}


class Mailbox:
    """Where a graph sends the address that it is to be answered at."""

    def __init__(self) -> None:
        self.url = ""
        self.letters: list[Any] = []

    async def post(self, request: Request) -> Response:
        body = await request.json()
        self.letters.append(body)
        return JSONResponse({"sent": body})

    async def address(self, before: int) -> str:
        async with asyncio.timeout(30):
            while len(self.letters) <= before:
                await asyncio.sleep(0.02)
        return urlsplit(self.letters[before]["answer_at"]).path


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    async with serving_app(Starlette(routes=[Route("/", box.post, methods=["POST"])])) as port:
        box.url = f"http://127.0.0.1:{port}/"
        yield box


def mailing(box: Mailbox, **wait: Any) -> dict[str, Any]:
    mail = {"url": box.url, "method": "POST", "body": {"answer_at": "{hooks.w}"}}
    return chain(
        {"id": "mail", "type": "http", "config": mail},
        {"id": "w", "type": "wait", "config": {"webhook": True, **wait}},
    )


async def started(client: httpx.AsyncClient, workflow: dict[str, Any], input: Any = None) -> str:
    made = await client.post(URL, json=workflow)
    assert made.status_code == 201, made.text
    assert [one for one in made.json()["issues"] if one["severity"] == "error"] == []
    run = await client.post(f"{URL}/{made.json()['id']}/execute", json={"input": input})
    assert run.status_code == 202, run.text
    return str(run.json()["id"])


async def until(client: httpx.AsyncClient, execution: str, *statuses: str) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            body: dict[str, Any] = (await client.get(f"/api/v1/executions/{execution}")).json()
            if body["status"] in statuses:
                return body
            await asyncio.sleep(0.05)


def node_of(execution: dict[str, Any], id: str) -> dict[str, Any]:
    [found] = [node for node in execution["nodes"] if node["id"] == id]
    return dict(found)


async def test_an_address_is_mailed_and_answered(
    live_api: Api, worker: Worker, mailbox: Mailbox
) -> None:
    ada, outside = live_api.client("ada"), live_api.client(None)
    execution = await started(ada, mailing(mailbox, payload_schema=SCHEMA))
    address = await mailbox.address(0)
    waiting = await until(ada, execution, "waiting")
    assert node_of(waiting, "w")["meta"]["waiting"] == {"for": "webhook"}
    wrong = await outside.post(address, json={"ok": "perhaps"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_payload")
    [issue] = wrong.json()["issues"]
    assert (issue["field"], issue["node_id"]) == ("payload.ok", "w")
    key = {"Idempotency-Key": "delivery-1"}
    taken = await outside.post(address, json={"ok": True}, headers=key)
    assert (taken.status_code, taken.json()) == (200, {"status": "accepted", "message": None})
    done = await until(ada, execution, "succeeded")
    assert done["output"] == {"ok": True}
    again = await outside.post(address, json={"ok": True}, headers=key)
    assert (again.status_code, again.json()["status"]) == (200, "accepted")
    other = await outside.post(address, json={"ok": False}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    late = await outside.post(address, json={"ok": True})
    assert (late.status_code, late.json()["code"]) == (410, "hook_gone")


async def test_each_item_of_a_map_has_an_address_of_its_own(
    live_api: Api, worker: Worker, mailbox: Mailbox
) -> None:
    """They are in child workflows, each in one of its own here."""
    ada, outside = live_api.client("ada"), live_api.client(None)
    body = {"answer_at": "{hooks.w}", "item": "{item}"}
    mail = {"url": mailbox.url, "method": "POST", "body": body}
    inside = {
        "nodes": [
            {"id": "mail", "type": "http", "config": mail},
            {"id": "w", "type": "wait", "config": {"webhook": True}},
        ],
        "edges": [{"source": "mail", "target": "w"}],
    }
    each = {"id": "each", "type": "map", "config": {"body": inside, "window": 1}}
    execution = await started(ada, chain(each), ["a", "b"])
    await mailbox.address(1)
    for letter in mailbox.letters:
        address, answer = urlsplit(letter["answer_at"]).path, {"to": letter["item"]}
        async with asyncio.timeout(30):  # the node may not have begun
            while (taken := await outside.post(address, json=answer)).status_code != 200:
                await asyncio.sleep(0.1)
        assert taken.json()["status"] == "accepted"
    done = await until(ada, execution, "succeeded")
    assert done["output"] == [{"to": "a"}, {"to": "b"}]


async def test_a_signal_reaches_what_waits_in_a_loop_in_a_map(
    live_api: Api, worker: Worker
) -> None:
    ada = live_api.client("ada")
    wait = {"id": "w", "type": "wait", "config": {"signal": "go"}}
    once = {"body": {"nodes": [wait], "edges": []}, "condition": "index < 1"}
    again = {"id": "again", "type": "loop", "config": once}
    inside = {"nodes": [again], "edges": []}
    each = {"id": "each", "type": "map", "config": {"body": inside}}
    execution = await started(ada, chain(each), ["a", "b"])
    url = f"/api/v1/executions/{execution}/signals"
    waiting = await until(ada, execution, "waiting")
    assert node_of(waiting, "each")["status"] == "waiting"
    assert (await ada.post(f"{url}/come", json={})).json()["code"] == "unknown_signal"
    told = await ada.post(f"{url}/go", json={"payload": 3})
    assert told.status_code == 200, told.text
    assert {(one["path"], one["status"]) for one in told.json()["deliveries"]} == {
        ("each[0].again[0]", "accepted"),
        ("each[1].again[0]", "accepted"),
    }
    done = await until(ada, execution, "succeeded")
    assert done["output"] == [3, 3]


async def test_a_key_that_comes_again_counts_once_in_a_loop_and_in_a_map(
    live_api: Api, worker: Worker
) -> None:
    """By then another iteration waits, which is not what the first one was for."""
    ada = live_api.client("ada")
    body = {"nodes": [{"id": "w", "type": "wait", "config": {"signal": "go"}}], "edges": []}
    again = {"id": "n", "type": "loop", "config": {"body": body, "condition": "index < 2"}}
    each = {"id": "n", "type": "map", "config": {"body": body, "window": 1, "parallelism": 1}}
    for inside in (again, each):
        execution = await started(ada, chain(inside), ["a", "b"])
        url = f"/api/v1/executions/{execution}/signals/go"
        for turn in range(2):
            key = {"Idempotency-Key": f"k{turn}"}
            path = f"n[{turn}]"
            await waits_at(ada, execution, f"{path}.w")
            told = await ada.post(url, json={"payload": turn}, headers=key)
            assert told.status_code == 200, told.text
            assert [one["path"] for one in told.json()["deliveries"]] == [path]
            if turn == 0:
                await waits_at(ada, execution, "n[1].w")
            same = await ada.post(url, json={"payload": turn}, headers=key)
            assert (same.status_code, same.json()) == (200, told.json())
            other = await ada.post(url, json={"payload": "x"}, headers=key)
            assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        done = await until(ada, execution, "succeeded")
        assert done["output"] == (1 if inside is again else [0, 1])
        same = await ada.post(url, json={"payload": 1}, headers=key)
        assert (same.status_code, same.json()) == (200, told.json())


async def waits_at(client: httpx.AsyncClient, execution: str, place: str) -> None:
    async with asyncio.timeout(40):
        while True:
            body = (await client.get(f"/api/v1/executions/{execution}")).json()
            if place in node_of(body, "n")["meta"].get("waiting", {}).get("nodes", ()):
                return
            await asyncio.sleep(0.05)


async def test_an_address_stands_nowhere_but_in_the_request(
    live_api: Api, worker: Worker, mailbox: Mailbox
) -> None:
    ada = live_api.client("ada")
    execution = await started(ada, mailing(mailbox))
    address = await mailbox.address(0)
    token = address.rpartition("/")[2]
    waiting = await until(ada, execution, "waiting")
    assert node_of(waiting, "mail")["output"]["sent"]["answer_at"] != address
    assert token not in json.dumps(waiting)
    handle = live_api.parts.runs.handle(execution)
    assert token not in (await handle.fetch_history()).to_json()
    assert live_api.parts.keyring is not None
    assert hooks.read(live_api.parts.keyring, token) == hooks.Hook(execution, "w")
    await ada.post(address, json=1)
    await until(ada, execution, "succeeded")


async def test_addresses_that_were_never_made(live_api: Api) -> None:
    assert live_api.parts.keyring is not None
    token = hooks.token(live_api.parts.keyring, hooks.Hook(str(uuid4()), "w"))
    client = live_api.client(None)
    other = ("C" if token[0] == "B" else "B") + token[1:]
    for forged in ("x", "a" * 64, token[:-4], other, "%00"):
        answer = await client.post(f"/api/v1/hooks/{forged}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_hook"), forged
    gone = await client.post(f"/api/v1/hooks/{token}", json={})
    assert (gone.status_code, gone.json()["code"]) == (410, "hook_gone")
    assert (await client.get(f"/api/v1/hooks/{token}")).status_code == 405


async def test_what_a_hook_takes(live_api: Api) -> None:
    assert live_api.parts.keyring is not None
    token = hooks.token(live_api.parts.keyring, hooks.Hook(str(uuid4()), "w"))
    client, url = live_api.client(None), f"/api/v1/hooks/{token}"
    large = await client.post(url, json="x" * 300_000)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    form = await client.post(url, data={"a": "b"})
    assert form.status_code == 415
    broken = await client.post(url, content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "invalid_json")
    bad_key = await client.post(url, json={}, headers={"Idempotency-Key": "x" * 300})
    assert bad_key.status_code == 400


async def test_hooks_are_limited(live_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Limits({"hooks": rate("3/minute")})
    monkeypatch.setattr(live_api.parts.limits, "_items", limited._items)
    client = live_api.client(None)
    codes = [(await client.post("/api/v1/hooks/x", json={})).status_code for _ in range(5)]
    assert codes == [404, 404, 404, 429, 429]


async def test_a_signal_reaches_the_nodes_that_wait_for_it(live_api: Api, worker: Worker) -> None:
    ada, eve = live_api.client("ada"), live_api.client("eve")
    wait = {"signal": "paid", "condition": "payload.amount >= 10"}
    execution = await started(ada, chain({"id": "w", "type": "wait", "config": wait}))
    await until(ada, execution, "waiting")
    url = f"/api/v1/executions/{execution}/signals"
    assert (await eve.post(f"{url}/paid", json={})).status_code == 404
    unknown = await ada.post(f"{url}/other", json={})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_signal")
    little = await ada.post(f"{url}/paid", json={"payload": {"amount": 1}})
    assert little.status_code == 200
    [delivery] = little.json()["deliveries"]
    assert (delivery["node_id"], delivery["status"]) == ("w", "no_match")
    key = {"Idempotency-Key": "k"}
    body = {"payload": {"amount": 10}}
    enough = await ada.post(f"{url}/paid", json=body, headers=key)
    assert enough.json()["deliveries"][0]["status"] == "accepted"
    await until(ada, execution, "succeeded")
    assert (await ada.post(f"{url}/paid", json=body, headers=key)).json() == enough.json()
    more = {"payload": {"amount": 11}}
    other = await ada.post(f"{url}/paid", json=more, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    late = await ada.post(f"{url}/paid", json=body)
    assert (late.status_code, late.json()["code"]) == (409, "not_waiting")
    over = await ada.post(f"{url}/paid", content=dumps({"payload": "x" * 300_000}),
                          headers={"Content-Type": "application/json"})  # fmt: skip
    assert over.status_code == 413


async def test_without_a_worker_nothing_is_taken_and_a_repetition_is(
    live_api: Api, worker: Worker, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender is told to try again, and what it sends again with its key counts once."""
    from datetime import timedelta

    ada, outside = live_api.client("ada"), live_api.client(None)
    execution = await started(ada, mailing(mailbox, count=2))
    address = await mailbox.address(0)
    await until(ada, execution, "waiting")
    worker.kill()
    try:
        monkeypatch.setattr("api.runs.UPDATE_LIMIT", timedelta(seconds=1))
        key = {"Idempotency-Key": "one"}
        answer = await outside.post(address, json=1, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_answer")
        assert answer.headers["retry-after"]
    finally:
        monkeypatch.undo()
        worker.start()
    lost = answer
    for _ in range(2):
        answer = lost
        async with asyncio.timeout(90):
            while answer.status_code == 503:  # until the new worker answers
                answer = await outside.post(address, json=1, headers=key)
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted"), answer.text
    assert (await outside.post(address, json=2)).status_code == 200
    assert (await until(ada, execution, "succeeded"))["output"] == [1, 2]
