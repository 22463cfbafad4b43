"""Exports, deleting an execution, a workflow's own retention, and deleting all of an owner's."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from tests.api.conftest import Api, chain
from tests.ended import ran
from tests.stack import pilot

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def read(body: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


async def test_an_export_has_each_execution_with_all_that_it_owns(api: Api) -> None:
    owner = f"ada-{uuid4().hex[:8]}"
    ada, store = api.client(owner), api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph=chain())
    other = await store.create_workflow(owner, name="o", description="", graph=chain())
    rows = [await ran(store, workflow, timedelta(days=n)) for n in range(5)]
    theirs = await ran(store, other, timedelta(days=2), ExecutionStatus.RUNNING)
    url = "/api/v1/executions/export"
    answer = await ada.get(url)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = read(answer.text)
    assert Counter(line["kind"] for line in lines) == {
        "execution": 6, "node": 6, "iteration": 6, "wait": 6, "call": 6, "event": 17,
    }  # fmt: skip
    first = lines[:8]
    kinds = ["execution", "node", "iteration", "wait", "call", "event", "event", "event"]
    assert [line["kind"] for line in first] == kinds
    assert (first[2]["node_id"], first[2]["output"]) == ("each", {"n": 1})
    assert (first[3]["for"], first[3]["users"], first[3]["answered"]) == (
        "approval", ["eve"], ["eve"],
    )  # fmt: skip
    assert (first[4]["model"], first[4]["cost"], first[4]["run_id"]) == ("m", 1, "run")
    assert (first[0]["id"], first[0]["input"]) == (rows[0].id, "in")
    assert {line.get("execution_id", line.get("id")) for line in first} >= {rows[0].id}

    async def ids(**query: str) -> list[str]:
        found = read((await ada.get(url, params=query)).text)
        return [line["id"] for line in found if line["kind"] == "execution"]

    assert await ids(workflow_id=other.id) == [theirs.id]
    some = {rows[2].id, rows[3].id, theirs.id}
    assert set(await ids(**{"from": "2026-02-26", "to": "2026-02-27"})) == some
    assert await ids(to="2026-02-25") == [rows[4].id]
    assert await ids(**{"from": "2026-03-02"}) == []
    wrong = await ada.get(url, params={"from": "2026-03-02", "to": "2026-03-01"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_range")
    stranger = await api.client("mallory").get(url)
    assert stranger.text == ""


async def test_the_command_prints_the_same_lines(api: Api, tmp_path: Path) -> None:
    owner = f"ada-{uuid4().hex[:8]}"
    store = api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph=chain())
    rows = [await ran(store, workflow, timedelta(days=n)) for n in range(3)]
    whole = read((await api.client(owner).get("/api/v1/executions/export")).text)

    async def command(*options: str) -> Any:
        given = (
            "--server",
            api.url,
            "--user",
            owner,
            "--data-dir",
            str(api.settings.pilot_data_dir),
        )
        return await asyncio.to_thread(pilot, "export-executions", *options, *given, cwd=tmp_path)

    done = await command()
    assert (done.returncode, read(done.stdout)) == (0, whole)
    some = await command("--from", "2026-02-28", "--to", "2026-02-28", "--workflow", workflow.id)
    found = [line["id"] for line in read(some.stdout) if line["kind"] == "execution"]
    assert found == [rows[1].id]
    wrong = await command("--from", "2026-03-02", "--to", "2026-03-01")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "`from` is after `to`" in wrong.stderr


async def test_an_export_reads_no_further_than_it_is_read(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of a large export stops: so does the reading of the store."""
    owner = f"ada-{uuid4().hex[:8]}"
    store = api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph=chain())
    for n in range(80):
        row = await ran(store, workflow, timedelta(seconds=n), ExecutionStatus.RUNNING)
        large = Event(EventType.EXECUTION_SUCCEEDED, row.id, workflow.id, "2026-03-01T12:00:00Z",
                      seq=3, status="succeeded", data={"output": "x" * 300_000})  # fmt: skip
        await store.append_events(row.id, [large])
    asked = Counter[str]()
    reading = type(store).get_execution

    async def counted(self: Any, of: str, id: str) -> Any:
        asked[of] += 1
        return await reading(self, of, id)

    monkeypatch.setattr(type(store), "get_execution", counted)
    async with api.client(owner).stream("GET", "/api/v1/executions/export") as answer:
        chunks = answer.aiter_raw(1024)
        await anext(chunks)
        await asyncio.sleep(1)
        seen = asked[owner]
        await asyncio.sleep(1)
        assert asked[owner] == seen < 80
        async for _ in chunks:
            pass
    assert asked[owner] == 80


async def test_an_execution_is_deleted_once_it_has_ended(live_api: Api) -> None:
    owner = f"ada-{uuid4().hex[:8]}"
    ada, store = live_api.client(owner), live_api.parts.store
    workflow = await store.create_workflow(owner, name="w", description="", graph=chain())
    ended = await ran(store, workflow, timedelta(days=1))
    is_open = await ran(store, workflow, timedelta(days=1), ExecutionStatus.RUNNING)
    url = f"/api/v1/executions/{ended.id}"
    assert (await ada.get(url)).status_code == 200  # and kept as it was read
    assert (await live_api.client("mallory").delete(url)).status_code == 404
    assert (await ada.delete(url)).status_code == 204
    for answer in (await ada.get(url), await ada.delete(url), await ada.get(f"{url}/events")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    refused = await ada.delete(f"/api/v1/executions/{is_open.id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "execution_open")


async def test_a_workflow_keeps_its_executions_for_less_never_for_longer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = api.client(f"ada-{uuid4().hex[:8]}")
    workflow = (await ada.post("/api/v1/workflows", json=chain())).json()["id"]
    url = f"/api/v1/workflows/{workflow}/retention"
    assert (await ada.get(url)).json() == {"retention_days": None, "longest_days": None}
    assert (await ada.put(url, json={"retention_days": 3.5})).json()["retention_days"] == 3.5
    assert (await ada.get(url)).json()["retention_days"] == 3.5
    monkeypatch.setattr(api.parts.settings, "pilot_retention_days", 30.0)
    refused = await ada.put(url, json={"retention_days": 31})
    assert (refused.status_code, refused.json()["code"]) == (422, "retention_too_long")
    answer = await ada.put(url, json={"retention_days": 30})
    assert answer.json() == {"retention_days": 30, "longest_days": 30}
    for wrong in (0, -1, "x", True):
        assert (await ada.put(url, json={"retention_days": wrong})).status_code == 422
    assert (await ada.put(url, json={"retention_days": None})).json()["retention_days"] is None


async def test_all_of_an_owners_is_deleted_when_they_confirm_it(live_api: Api, worker: Any) -> None:
    owner = f"ada-{uuid4().hex[:8]}"
    ada, store = live_api.client(owner), live_api.parts.store
    workflow = (await ada.post("/api/v1/workflows", json=chain())).json()["id"]
    run = await ada.post(f"/api/v1/workflows/{workflow}/execute?wait=30", json={"input": "x"})
    assert run.json()["status"] == "succeeded", run.text
    key = (await ada.post("/api/v1/api-keys", json={"name": "ci", "role": "admin"})).json()["key"]
    program = live_api.client(None, Authorization=f"Bearer {key}")
    for client, query, code in (
        (ada, "", "confirmation_needed"),
        (ada, "?confirm=bob", "confirmation_needed"),
        (program, f"?confirm={owner}", "key_deletes_no_owner"),
    ):
        answer = await client.delete(f"/api/v1/me{query}")
        assert answer.json()["code"] == code
    assert (await ada.get("/api/v1/me/deletion")).json()["status"] == "none"
    for _ in range(2):
        answer = await ada.delete(f"/api/v1/me?confirm={owner}")
        assert (answer.status_code, answer.headers["location"]) == (202, "/api/v1/me/deletion")
    async with asyncio.timeout(90):
        while (found := (await ada.get("/api/v1/me/deletion")).json())["status"] != "done":
            assert found["status"] == "running"
            await asyncio.sleep(0.2)
    assert found["deleted"]["executions"] == 1
    assert (await ada.get("/api/v1/workflows")).json()["items"] == []
    assert (await ada.get("/api/v1/executions")).json()["items"] == []
    assert (await ada.get(f"/api/v1/executions/{run.json()['id']}")).status_code == 404
    assert (await store.api_keys.listing(owner)).items == []
