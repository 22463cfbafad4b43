"""What must hold after any outage: the store has of a run what Temporal has, each event once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from temporalio.client import Client

from pilot.store import temporal_workflow_id
from workflows_def.messages import QUERY_EVENTS, EventsPage


async def stored_events(client: httpx.AsyncClient, execution_id: str) -> list[dict[str, Any]]:
    """All events of a finished execution, as its stream gives them."""
    answer = await client.get(f"/api/v1/executions/{execution_id}/events")
    assert answer.status_code == 200, answer.text
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def run_events(temporal: Client, execution_id: str) -> list[dict[str, Any]]:
    """The run's own list, by query."""
    handle = temporal.get_workflow_handle(temporal_workflow_id(execution_id))
    events: list[dict[str, Any]] = []
    more = True
    while more:
        page = await handle.query(QUERY_EVENTS, len(events), result_type=EventsPage)
        events, more = [*events, *page.events], page.more
    return events


async def assert_whole(client: httpx.AsyncClient, temporal: Client, execution_id: str) -> None:
    """The stored events are the run's, none missing, none twice; and the run is closed."""
    stored, own = await asyncio.gather(
        stored_events(client, execution_id), run_events(temporal, execution_id)
    )
    assert [event["seq"] for event in stored] == list(range(1, len(own) + 1))
    what = [(event["type"], event.get("node_id"), event["at"]) for event in own]
    assert [(event["type"], event.get("node_id"), event["at"]) for event in stored] == what
    async with asyncio.timeout(60):  # the run closes a moment after its last event is stored
        handle = temporal.get_workflow_handle(temporal_workflow_id(execution_id))
        while (description := await handle.describe()).status.name == "RUNNING":  # type: ignore[union-attr]
            await asyncio.sleep(0.1)
    assert description.status is not None
    execution = (await client.get(f"/api/v1/executions/{execution_id}")).json()
    assert execution["status"] == {"COMPLETED": "succeeded", "CANCELED": "cancelled"}.get(
        description.status.name, "failed"
    )
