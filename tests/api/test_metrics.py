"""`/metrics` of a real API process's app, over a socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect

from pilot.graph.status import ExecutionStatus
from pilot.store import Execution, Store
from tests.scrape import scrape


async def queue(store: Store, created_at: datetime) -> None:
    workflow = await store.create_workflow("ada", name="n", description="", graph={})
    await store.create_execution(
        Execution(
            id=str(uuid4()),
            owner="ada",
            workflow_id=workflow.id,
            workflow_version=1,
            status=ExecutionStatus.QUEUED,
            input=None,
            created_at=created_at,
        )
    )


async def test_requests_are_counted_by_their_route(api, client):
    page = f"{api.url}/metrics"
    before = await scrape(page)
    for name in ("one", "two"):
        assert (await client.get(f"/api/v1/workflows/{name}")).status_code == 404
    assert (await client.get("/no/such/path")).status_code == 404
    assert (await client.request("BREW", "/health")).status_code == 405
    after = await scrape(page)
    of_route = ("method=GET", "route=/api/v1/workflows/{workflow_id}", "status=404")

    def grew(*labels: str) -> float:
        name = "pilot_http_requests_total"
        return after.total(name, *labels) - before.total(name, *labels)

    assert grew(*of_route) == 2
    assert grew("route=unmatched") == 1
    assert grew("method=other") == 1
    assert not any("one" in label for _, *labels in after.samples for label in labels)
    assert after.total("pilot_http_request_duration_seconds_count", *of_route[:2]) >= 2
    assert after["process_resident_memory_bytes"] > 10_000_000


async def test_what_does_not_answer_is_left_out(api):
    page = await scrape(f"{api.url}/metrics")
    assert page["pilot_up", "part=store"] == 1
    assert page["pilot_up", "part=temporal"] == 0
    assert "pilot_worker_pollers" not in page.names
    assert page["pilot_executions_open", "status=running"] >= 0


async def test_the_queue_is_as_old_as_its_oldest_execution(tmp_path, serve):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path)) as running:
        url = f"{running.url}/metrics"
        assert (await scrape(url))["pilot_queue_age_seconds"] == 0
        for minutes in (2, 7):
            await queue(running.parts.store, datetime.now(UTC) - timedelta(minutes=minutes))
        page = await scrape(url)
    assert 420 <= page["pilot_queue_age_seconds"] < 600
    assert page["pilot_executions_open", "status=queued"] == 2


async def test_watchers_are_counted_while_they_watch(api):
    async def watching() -> float:
        return (await scrape(f"{api.url}/metrics"))["pilot_watchers", "transport=websocket"]

    before = await watching()
    header = {"Authorization": f"Bearer {api.token('watcher')}"}
    async with connect(f"{api.ws}/ws/watcher", additional_headers=header) as socket:
        await socket.send('{"type": "ping"}')
        await socket.recv()
        assert await watching() == before + 1
    async with asyncio.timeout(30):
        while await watching() != before:
            await asyncio.sleep(0.05)


async def test_only_this_machine_may_read_or_who_has_the_token(api, tmp_path, serve):
    serving, settings_for = serve
    async with httpx.AsyncClient() as stranger:
        through_a_proxy = {"X-Forwarded-For": "203.0.113.9"}
        refused = await stranger.get(f"{api.url}/metrics", headers=through_a_proxy)
        assert (refused.status_code, refused.json()["code"]) == (403, "metrics_forbidden")
        lying = {"X-Forwarded-For": "127.0.0.1"}
        assert (await stranger.get(f"{api.url}/metrics", headers=lying)).status_code == 403
        async with serving(settings_for(tmp_path, pilot_metrics_token="s3cret")) as guarded:
            url = f"{guarded.url}/metrics"
            for wrong in ("", "Bearer nonsense", "Bearer s3cret ü"):
                headers = {"Authorization": wrong.encode()}
                assert (await stranger.get(url, headers=headers)).status_code == 401
            page = await scrape(url, Authorization="Bearer s3cret", **through_a_proxy)
            assert page["pilot_up", "part=store"] == 1


async def test_the_page_is_not_part_of_the_documented_api(api):
    from api.app import create_app

    schema = create_app(api.settings.model_copy(update={"debug": True})).openapi()
    assert "/metrics" not in schema["paths"]
