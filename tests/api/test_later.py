"""Runs that are to begin later: shown with their time, begun at it, cancelled before it."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from workflows_def.later import later_workflow_id

W, E = "/api/v1/workflows", "/api/v1/executions"


@pytest.fixture
async def live(live_api, worker):
    return live_api.client(f"later_{uuid4().hex[:8]}")


async def saved(client, make_chain):
    return (await client.post(W, json=make_chain())).json()["id"]


async def begun(client, workflow, **body):
    headers = body.pop("headers", {})
    answer = await client.post(f"{W}/{workflow}/execute", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def ended(client, execution):
    async with asyncio.timeout(60):
        while True:
            row = (await client.get(f"{E}/{execution['id']}")).json()
            if row["finished_at"]:
                return row
            await asyncio.sleep(0.1)


async def is_open(api, execution):
    handle = api.parts.runs.client.get_workflow_handle(later_workflow_id(execution["id"]))
    return (await handle.describe()).close_time is None


async def test_a_run_begins_at_its_time(live, make_chain):
    workflow = await saved(live, make_chain)
    at = datetime.now(UTC) + timedelta(seconds=3)
    first = await begun(live, workflow, input="hi", start_at=at.isoformat())
    assert first["status"] == "queued"
    assert first["queue"]["reason"] == "start_at"
    assert datetime.fromisoformat(first["queue"]["until"]) == at
    assert datetime.fromisoformat(first["start_at"]) == at
    second = await begun(live, workflow, input="ho", delay_s=1)
    rows = [await ended(live, one) for one in (first, second)]
    assert [(row["status"], row["output"]) for row in rows] == [
        ("succeeded", "hi"),
        ("succeeded", "ho"),
    ]
    for row in rows:
        assert datetime.fromisoformat(row["started_at"]) >= datetime.fromisoformat(row["start_at"])


async def test_it_is_cancelled_before_its_time(live_api, live, make_chain):
    workflow = await saved(live, make_chain)
    row = await begun(live, workflow, delay_s=3600)
    assert await is_open(live_api, row)
    assert (await live.post(f"{E}/{row['id']}/pause")).json()["code"] == "not_started"
    answer = await live.post(f"{E}/{row['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    assert not await is_open(live_api, row)
    again = await live.post(f"{E}/{row['id']}/cancel")
    assert again.status_code == 409
    assert (await live.delete(f"{W}/{workflow}")).status_code == 204


async def test_a_key_gives_the_run_of_the_same_time(live, make_chain):
    workflow = await saved(live, make_chain)
    headers = {"Idempotency-Key": "k"}
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    first = await begun(live, workflow, start_at=at, headers=headers)
    again = await begun(live, workflow, start_at=at, headers=headers)
    assert again["id"] == first["id"]
    url = f"{W}/{workflow}/execute"
    for body in ({}, {"delay_s": 3600}):
        answer = await live.post(url, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    headers = {"Idempotency-Key": "other"}
    first = await begun(live, workflow, delay_s=3600.25, headers=headers)
    again = await begun(live, workflow, delay_s=3600.25, headers=headers)
    assert (again["id"], again["start_at"]) == (first["id"], first["start_at"])


@pytest.mark.parametrize(
    "body",
    [
        {"start_at": "2020-01-01T00:00:00Z"},
        {"start_at": "2126-01-01T00:00:00Z"},
        {"start_at": "2026-12-01T00:00:00"},
        {"start_at": "tomorrow"},
        {"delay_s": 0},
        {"delay_s": -1},
        {"delay_s": 1e9},
        {"delay_s": 1, "start_at": "2026-12-01T00:00:00Z"},
    ],
)
async def test_a_strange_time_is_refused(client, make_chain, body):
    workflow = await saved(client, make_chain)
    answer = await client.post(f"{W}/{workflow}/execute", json=body)
    assert answer.status_code == 422, answer.text


async def test_without_temporal_it_waits_for_the_reconciler(client, make_chain):
    """The API of this one has no Temporal."""
    workflow = await saved(client, make_chain)
    row = await begun(client, workflow, delay_s=3600)
    assert (row["status"], row["queue"]["reason"]) == ("queued", "start_at")
    answer = await client.post(f"{E}/{row['id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
