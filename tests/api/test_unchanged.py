"""What a caller has already is not sent again."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution
from tests.api.conftest import chain

V1 = "/api/v1"


async def saved(client, name="w"):
    # long enough to be compressed
    body = {"name": name, "description": "many words " * 200, **chain()}
    return (await client.post(f"{V1}/workflows", json={**body, "name": name})).json()


@pytest.mark.parametrize(
    "path",
    [
        "/workflows/{id}",
        "/workflows/{id}/versions/1",
        "/workflows",
        "/executions",
        "/templates",
        "/node-types",
        "/schema/graph.json",
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_what_the_caller_has_is_304_without_a_body(client, path, encoding):
    url = V1 + path.format(id=(await saved(client))["id"])
    headers = {"Accept-Encoding": encoding}
    first = await client.get(url, headers=headers)
    tag = first.headers["etag"]
    again = await client.get(url, headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "private, no-cache"
    other = await client.get(url, headers={**headers, "If-None-Match": '"another"'})
    assert (other.status_code, other.json()) == (200, first.json())


async def test_a_list_with_something_new_has_another_tag(client):
    await saved(client)
    before = (await client.get(f"{V1}/workflows")).headers["etag"]
    await saved(client, "another")
    after = await client.get(f"{V1}/workflows", headers={"If-None-Match": before})
    assert after.status_code == 200
    assert after.json()["items"][0]["name"] == "another"


async def test_an_execution_is_304_until_something_happens(api, client):
    store, now = api.parts.store, datetime.now(UTC)
    made = await saved(client)
    row = Execution(str(uuid4()), "ada", made["id"], 1, ExecutionStatus.QUEUED, None, now)
    await store.create_execution(row)
    url = f"{V1}/executions/{row.id}"
    tag = (await client.get(url)).headers["etag"]
    assert (await client.get(url, headers={"If-None-Match": tag})).status_code == 304
    at = now.isoformat().replace("+00:00", "Z")
    ended = Event(EventType.EXECUTION_SUCCEEDED, row.id, made["id"], at, 1)
    await store.append_events(row.id, [ended])
    changed = await client.get(url, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["status"]) == (200, "succeeded")
    tag = changed.headers["etag"]
    assert (await client.get(url, headers={"If-None-Match": tag})).status_code == 304
