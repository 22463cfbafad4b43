"""`GET /executions/{id}/waits`: what a run waits for, wherever in it that is."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from pilot.client import AsyncClient
from tests.api.conftest import Api, Worker, chain
from tests.api.test_approvals import user
from tests.api.test_hooks import started, until

URL = "/api/v1/workflows"


def inside(node: dict[str, Any], **config: Any) -> dict[str, Any]:
    return {"body": {"nodes": [node], "edges": []}, **config}


def waiting_everywhere(called: str) -> dict[str, Any]:
    """A webhook, beside a map of approvals, a loop around a signal, and another workflow."""
    ask = {"id": "ask", "type": "approval", "config": {"title": "Item {item}?"}}
    go = {"id": "go", "type": "wait", "config": {"signal": "go", "timeout": "P1D"}}
    nodes = [
        {"id": "s", "type": "start"},
        {"id": "hook", "type": "wait", "config": {"webhook": True}},
        {"id": "each", "type": "map", "config": inside(ask, window=1)},
        {"id": "again", "type": "loop", "config": inside(go, condition="index < 1")},
        {"id": "call", "type": "workflow", "config": {"workflow_id": called}},
        {"id": "o", "type": "output"},
    ]
    middle = ("hook", "each", "again", "call")
    edges = [{"source": "s", "target": one} for one in middle]
    edges += [{"source": one, "target": "o"} for one in ("hook", "again", "call")]
    return {"name": "waits", "nodes": nodes, "edges": edges}


async def waits(client: httpx.AsyncClient, execution: str, count: int) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            answer = await client.get(f"/api/v1/executions/{execution}/waits")
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            if len(body["items"]) == count:
                return body
            await asyncio.sleep(0.1)


async def test_all_that_a_run_waits_for(live_api: Api, worker: Worker) -> None:
    name, guest, runner = user(), user(), user()
    ada, eve, ann = (live_api.client(one) for one in (name, guest, runner))
    nap = {"id": "nap", "type": "wait", "config": {"duration": "P30D"}}
    called = (await ada.post(URL, json=chain(nap))).json()["id"]
    made = await ada.post(URL, json=waiting_everywhere(called))
    assert made.status_code == 201, made.text
    workflow = made.json()["id"]
    run = await ada.post(f"{URL}/{workflow}/execute", json={"input": ["a", "b"]})
    execution = run.json()["id"]
    body = await waits(ada, execution, 5)
    assert (body["complete"], body["next_cursor"]) == (True, None)
    found = {(one.get("path", ""), one["node_id"]): one for one in body["items"]}
    assert found.keys() == {
        ("", "hook"), ("each[0]", "ask"), ("each[1]", "ask"), ("again[0]", "go"), ("", "nap"),
    }  # fmt: skip
    asks = found["each[1]", "ask"]
    assert (asks["for"], asks["title"], asks["approvals"], asks["required"]) == (
        "approval", "Item b?", 0, 1,
    )  # fmt: skip
    goes = found["again[0]", "go"]
    assert (goes["for"], goes["signal"]) == ("signal", "go")
    assert goes["until"] > goes["since"]
    naps = found["", "nap"]
    assert naps["for"] == "duration"
    assert naps["execution_id"] != execution
    # who only looks is not told the address, and sees of other workflows what they may
    await ada.put(f"{URL}/{workflow}/shares/{guest}", json={"role": "viewer"})
    await ada.put(f"{URL}/{workflow}/shares/{runner}", json={"role": "runner"})
    for client in (eve, ann):
        shown = (await waits(client, execution, 4))["items"]
        assert "nap" not in {one["node_id"] for one in shown}
    assert not any("url" in one for one in (await waits(eve, execution, 4))["items"])
    stranger = await live_api.client(user()).get(f"/api/v1/executions/{execution}/waits")
    assert stranger.status_code == 404
    [url] = [one["url"] for one in (await waits(ann, execution, 4))["items"] if "url" in one]
    assert url == found["", "hook"]["url"]
    token = live_api.issuer.mint(name, 600)
    async with AsyncClient(live_api.url, lambda: token) as client:
        assert {one.kind for one in await client.executions.waits(execution)} == {
            "approval", "duration", "signal", "webhook",
        }  # fmt: skip
    # what is answered is waited for no more
    assert (await live_api.client(None).post(urlsplit(url).path, json=1)).status_code == 200
    told = await ada.post(f"/api/v1/executions/{execution}/signals/go", json={})
    assert told.status_code == 200
    left = (await waits(ada, execution, 3))["items"]
    assert {one["node_id"] for one in left} == {"ask", "nap"}
    assert (await ada.post(f"/api/v1/executions/{execution}/cancel")).status_code == 202
    await until(ada, execution, "cancelled")
    assert (await waits(ada, execution, 0))["complete"] is True


async def test_without_a_worker_it_is_what_the_store_was_told(
    live_api: Api, worker: Worker
) -> None:
    ada = live_api.client(user())
    ask = {"id": "ask", "type": "approval", "config": {"title": "Sure?"}}
    execution = await started(
        ada, chain({"id": "each", "type": "map", "config": inside(ask)}), ["a"]
    )
    hooked = await started(ada, chain({"id": "w", "type": "wait", "config": {"webhook": True}}))
    await waits(ada, execution, 1)
    await until(ada, hooked, "waiting")
    async with asyncio.timeout(30):  # the row is written a moment after
        while not (await ada.get("/api/v1/approvals")).json()["items"]:
            await asyncio.sleep(0.05)
    worker.kill()
    try:
        body = await waits(ada, execution, 1)
        [one] = body["items"]
        assert (one["node_id"], one["path"], one["title"]) == ("ask", "each[0]", "Sure?")
        assert body["complete"] is False
        [hook] = (await waits(ada, hooked, 1))["items"]
        assert (hook["for"], hook["node_id"]) == ("webhook", "w")
        assert "url" in hook
    finally:
        worker.start()


async def test_of_no_execution(live_api: Api) -> None:
    answer = await live_api.client().get(f"/api/v1/executions/{uuid4()}/waits")
    assert answer.status_code == 404
