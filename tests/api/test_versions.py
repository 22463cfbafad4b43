"""Versions: listed, compared, published, restored; and which one a run takes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import pytest

from api.app import create_app
from tests.api.conftest import Api, Gate, chain
from tests.api.test_executions import gated, until

W, E = "/api/v1/workflows", "/api/v1/executions"


def saying(text: str, **more: Any) -> dict[str, Any]:
    """A workflow whose output is that text."""
    graph = chain(name=text)
    graph["nodes"][-1]["config"] = {"value": text}
    return {**graph, "description": f"says {text}", **more}


async def made(client: httpx.AsyncClient, *texts: str) -> str:
    """The address of a workflow with a version for each text."""
    answer = await client.post(W, json=saying(texts[0]))
    assert answer.status_code == 201, answer.text
    url = f"{W}/{answer.json()['id']}"
    for text in texts[1:]:
        assert (await client.put(url, json=saying(text))).status_code == 200
    return url


async def published(client: httpx.AsyncClient, url: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{url}/publish", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture
def shared(api: Api) -> Any:
    """`await shared(url, role)`: a client of somebody whom ada lets in to the workflow."""

    async def let_in(url: str, role: str, of: Api = api) -> httpx.AsyncClient:
        user = f"user_{uuid4().hex[:8]}"
        answer = await of.client().put(f"{url}/shares/{user}", json={"role": role})
        assert answer.status_code == 200, answer.text
        return of.client(user)

    return let_in


# publishing


async def test_what_is_published_is_said_everywhere(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    before = (await client.get(url)).json()
    assert (before["published_version"], before["publication"]) == (None, 0)
    first = await published(client, url, note="hello")
    assert first["workflow_id"] == before["id"]
    assert {key: first[key] for key in ("number", "version", "published_by", "note", "issues")} == {
        "number": 1,
        "version": 2,
        "published_by": "ada",
        "note": "hello",
        "issues": [],
    }
    assert first["published_at"].endswith("Z")
    after = (await client.get(url)).json()
    assert (after["version"], after["published_version"], after["publication"]) == (2, 2, 1)
    assert after["updated_at"] == before["updated_at"]
    back = await published(client, url, version=1)
    assert (back["number"], back["version"]) == (2, 1)
    saved = await client.put(url, json=saying("three"))
    assert (saved.json()["version"], saved.json()["published_version"]) == (3, 1)
    [listed] = [one for one in (await client.get(W)).json()["items"] if one["id"] == after["id"]]
    assert (listed["version"], listed["published_version"]) == (3, 1)


async def test_to_publish_twice_is_once(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    first = await published(client, url, version=1, note="go")
    assert await published(client, url, version=1, note="go") == first
    assert await published(client, url, version=1) == first
    assert (await published(client, url, version=1, note="other"))["number"] == 2
    assert (await client.post(f"{url}/publish")).json()["version"] == 2  # without a body


async def test_a_graph_with_errors_is_not_published(client: httpx.AsyncClient) -> None:
    url = await made(client, "one")
    broken = {"name": "x", "nodes": [{"id": "a", "type": "nonsense"}], "edges": []}
    await client.put(url, json=broken)
    answer = await client.post(f"{url}/publish", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_graph")
    assert any(issue["node_id"] == "a" for issue in answer.json()["issues"] if "node_id" in issue)
    assert (await client.get(url)).json()["publication"] == 0
    assert (await published(client, url, version=1))["version"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": 2}, 404),
        ({"version": 2**70}, 404),
        ({"version": 0}, 422),
        ({"version": "1"}, 422),
        ({"version": True}, 422),
        ({"note": "x" * 2_001}, 422),
        ({"note": "a\x00b"}, 422),
        ({"what": 1}, 422),
    ],
)
async def test_what_cannot_be_published(
    client: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    url = await made(client, "one")
    assert (await client.post(f"{url}/publish", json=body)).status_code == status
    assert (await client.get(url)).json()["publication"] == 0


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"2"', 200),
        ('"2.1"', 200),
        ('W/"2.1"', 200),
        ('"1", "2.1"', 200),
        ("*", 200),
        ("2", 200),
        ('"1"', 409),
        ('"2.0"', 409),
        ('"2.2"', 409),
        ('"x"', 409),
        ('"2.1.1"', 409),
    ],
)
async def test_a_publication_holds_to_if_match(
    client: httpx.AsyncClient, tag: str, status: int
) -> None:
    url = await made(client, "one", "two")
    await published(client, url, version=1)
    for what, body in (("publish", {"version": 2}), ("unpublish", {})):
        answer = await client.post(f"{url}/{what}", json=body, headers={"If-Match": tag})
        assert answer.status_code == status, answer.text
        if status == 409:
            problem = answer.json()
            assert problem["code"] == "stale_version"
            assert answer.headers["etag"] == problem["current"]["etag"] == '"2.1"'
            assert problem["current"]["published_version"] == 1
        else:
            url = await made(client, "one", "two")
            await published(client, url, version=1)


async def test_of_two_who_publish_the_same_state_one_is_told(client: httpx.AsyncClient) -> None:
    url = await made(client, *"abcdefgh")
    await published(client, url, version=1)
    tag = (await client.get(url)).headers["etag"]
    answers = await asyncio.gather(
        *(
            client.post(f"{url}/publish", json={"version": n}, headers={"If-Match": tag})
            for n in range(2, 9)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 6
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await client.get(url)).json()["published_version"] == won["version"]


async def test_what_is_published_while_others_save_is_what_was_named(
    client: httpx.AsyncClient,
) -> None:
    url = await made(client, "v1")

    async def save(number: int) -> None:
        assert (await client.put(url, json=saying(f"s{number}"))).status_code == 200

    async def publish_newest() -> dict[str, Any]:
        return await published(client, url)

    async def publish(number: int) -> dict[str, Any]:
        return await published(client, url, version=1, note=f"n{number}")

    done = await asyncio.gather(
        *(step for n in range(6) for step in (save(n), publish_newest(), publish(n)))
    )
    publications = sorted((one for one in done if one), key=lambda one: one["number"])
    now = (await client.get(url)).json()
    assert now["version"] == 7
    assert now["publication"] == publications[-1]["number"]
    assert now["published_version"] == publications[-1]["version"]
    assert all(one["version"] == 1 for one in publications if one["note"])


async def test_a_workflow_is_taken_offline(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    early = await client.post(f"{url}/unpublish")
    assert (early.status_code, early.json()["code"]) == (409, "not_published")
    await published(client, url, version=1)
    gone = (await client.post(f"{url}/unpublish", json={"note": "it spams"})).json()
    assert (gone["version"], gone["number"], gone["note"]) == (None, 2, "it spams")
    assert (await client.post(f"{url}/unpublish")).json() == gone
    body = (await client.get(url)).json()
    assert (body["published_version"], body["publication"]) == (None, 2)
    refused = await client.post(f"{url}/execute", json={"input": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_published")
    assert "offline" in refused.json()["detail"]
    assert (await published(client, url))["version"] == 2


async def test_the_tag_of_a_workflow_says_what_is_published(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    tag = (await client.get(url)).headers["etag"]
    assert tag == '"2"'
    await published(client, url, version=1)
    answer = await client.get(url, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2.1"')
    again = await client.get(url, headers={"If-None-Match": '"2.1"'})
    assert (again.status_code, again.headers["etag"]) == (304, '"2.1"')
    # whoever saves is not in the way of whoever publishes
    for tag in ('"2"', '"2.1"', '"2.7"'):
        assert (await client.put(url, json=saying("two"), headers={"If-Match": tag})).is_success


# editing together


async def test_of_two_editors_the_later_is_told_what_is_there(
    client: httpx.AsyncClient, shared: Any
) -> None:
    url = await made(client, "one")
    friend = await shared(url, "editor")
    tags = [(await one.get(url)).headers["etag"] for one in (client, friend)]
    saved = await friend.put(url, json=saying("two"), headers={"If-Match": tags[1]})
    assert saved.status_code == 200
    [newest, _] = (await client.get(f"{url}/versions")).json()["items"]
    for change in ({"If-Match": tags[0]}, None):
        body = saying("mine", **({} if change else {"version": 1}))
        refused = await client.put(url, json=body, headers=change)
        assert (refused.status_code, refused.json()["code"]) == (409, "stale_version")
        current = refused.json()["current"]
        assert current == {
            "version": 2,
            "etag": '"2"',
            "published_version": None,
            "saved_at": newest["created_at"],
            "saved_by": newest["created_by"],
        }
        assert current["saved_by"].startswith("user_")
        assert refused.headers["etag"] == '"2"'
    restored = await client.post(f"{url}/versions/1/restore", headers={"If-Match": tags[0]})
    assert (restored.status_code, restored.json()["current"]["version"]) == (409, 2)
    mine = await client.put(url, json=saying("mine"), headers={"If-Match": current["etag"]})
    assert mine.json()["version"] == 3


async def test_a_save_that_names_no_version_is_taken(client: httpx.AsyncClient) -> None:
    url = await made(client, "one")
    answers = await asyncio.gather(*(client.put(url, json=saying(f"n{n}")) for n in range(5)))
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6]


# the list, and one


async def test_versions_are_listed(client: httpx.AsyncClient, shared: Any) -> None:
    url = await made(client, "one", "two")
    friend = await shared(url, "editor")
    await friend.put(url, json=saying("three"))
    await published(client, url, version=2, note="better")
    await published(client, url, version=1, note="back")
    first = (await client.get(f"{url}/versions", params={"limit": 2})).json()
    second = (
        await client.get(f"{url}/versions", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    assert second["next_cursor"] is None
    items = first["items"] + second["items"]
    assert [(one["version"], one["name"], one["is_published"], one["note"]) for one in items] == [
        (3, "three", False, None),
        (2, "two", False, "better"),
        (1, "one", True, "back"),
    ]
    assert [one["published_at"] is None for one in items] == [True, False, False]
    assert [one["published_by"] for one in items] == [None, "ada", "ada"]
    assert items[0]["created_by"].startswith("user_")
    assert items[1]["created_by"] == "ada"
    assert all(set(one) == set(items[0]) and "nodes" not in one for one in items)
    bad = await client.get(f"{url}/versions", params={"cursor": "nonsense"})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_cursor")


async def test_a_version_never_changes(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    answer = await client.get(f"{url}/versions/1")
    body = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert (body["name"], body["description"], body["version"]) == ("one", "says one", 1)
    assert body["nodes"] == saying("one")["nodes"]
    assert body["edges"] == saying("one")["edges"]
    assert body["created_by"] == "ada"
    await published(client, url, version=1)
    await client.put(url, json=saying("three"))
    assert (await client.get(f"{url}/versions/1")).json() == body
    same = await client.get(f"{url}/versions/1", headers={"If-None-Match": '"1"'})
    assert (same.status_code, same.content) == (304, b"")
    for path in ("4", "0", "-1", "x", str(2**70)):
        assert (await client.get(f"{url}/versions/{path}")).status_code == 404


async def test_what_is_not_the_callers_is_not_there(api: Api, client: httpx.AsyncClient) -> None:
    url = await made(client, "one")
    calls = [
        ("GET", "versions"),
        ("GET", "versions/1"),
        ("GET", "versions/diff?from=1&to=1"),
        ("POST", "versions/1/restore"),
        ("POST", "publish"),
        ("POST", "unpublish"),
    ]
    for method, path in calls:
        answer = await api.client("eve").request(method, f"{url}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    await client.delete(url)
    for method, path in calls:
        assert (await client.request(method, f"{url}/{path}")).status_code == 404


# the difference


async def test_the_difference_of_two_versions(client: httpx.AsyncClient) -> None:
    url = await made(client, "one")
    graph = saying("two", timeout_s=60)
    graph["nodes"][0]["position"] = {"x": 5, "y": 0}
    graph["nodes"].insert(
        1, {"id": "set", "type": "variable", "config": {"assignments": {"a": "1"}}}
    )
    graph["edges"] = [
        {"source": "start", "target": "set"},
        {"source": "set", "target": "output", "animated": True},
    ]
    await client.put(url, json=graph)
    found = (await client.get(f"{url}/versions/diff", params={"from": 1, "to": 2})).json()
    assert (found["from_version"], found["to_version"]) == (1, 2)
    assert (found["is_same"], found["is_cosmetic"]) == (False, False)
    assert found["settings"] == [
        {"path": "/name", "kind": "changed", "old": "one", "new": "two"},
        {"path": "/description", "kind": "changed", "old": "says one", "new": "says two"},
        {"path": "/timeout_s", "kind": "added", "old": None, "new": 60.0},
    ]
    assert [node["id"] for node in found["nodes"]["added"]] == ["set"]
    assert found["nodes"]["removed"] == []
    assert found["nodes"]["changed"] == [
        {
            "id": "output",
            "type": "output",
            "name": "output",
            "changes": [{"path": "/config/value", "kind": "changed", "old": "one", "new": "two"}],
        }
    ]
    assert found["edges"] == {
        "added": graph["edges"],
        "removed": [{"source": "start", "target": "output"}],
        "reordered": False,
    }
    [moved] = found["cosmetic"]["nodes"]
    assert (moved["id"], moved["changes"][0]["path"]) == ("start", "/position")
    back = (await client.get(f"{url}/versions/diff", params={"from": 2, "to": 1})).json()
    assert [node["id"] for node in back["nodes"]["removed"]] == ["set"]
    assert back["settings"][-1]["kind"] == "removed"


async def test_by_default_it_is_what_publishing_would_change(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")
    none = await client.get(f"{url}/versions/diff")
    assert (none.status_code, none.json()["code"]) == (409, "not_published")
    await published(client, url)
    same = (await client.get(f"{url}/versions/diff")).json()
    assert (same["is_same"], same["from_version"], same["to_version"]) == (True, 2, 2)
    moved = saying("two")
    moved["nodes"][0]["position"] = {"x": 1, "y": 1}
    moved["edges"][0]["label"] = "L"
    await client.put(url, json=moved)
    found = (await client.get(f"{url}/versions/diff")).json()
    assert (found["is_same"], found["is_cosmetic"]) == (False, True)
    assert [edge["changes"][0]["path"] for edge in found["cosmetic"]["edges"]] == ["/label"]
    for params, status in (
        ({"from": "draft", "to": "published"}, 200),
        ({"from": 9}, 404),
        ({"from": 0}, 422),
        ({"to": "newest"}, 422),
    ):
        answer = await client.get(f"{url}/versions/diff", params=params)
        assert answer.status_code == status, answer.text


async def test_what_is_inside_a_node_is_compared_as_a_graph(client: httpx.AsyncClient) -> None:
    def looping(text: str, *more: dict[str, Any], **canvas: Any) -> dict[str, Any]:
        inner = {"nodes": [{"id": "say", "type": "code", "config": {"source": text}}, *more]}
        deep = {"id": "deep", "type": "loop", "config": {"body": {**inner, "edges": [], **canvas}}}
        body = {"nodes": [{"id": "first", "type": "code"}, deep], "edges": []}
        node = {"id": "each", "type": "map", "config": {"name": "Each", "body": body}}
        return {"name": "x", "nodes": [node], "edges": []}

    url = f"{W}/{(await client.post(W, json=looping('1'))).json()['id']}"
    await client.put(url, json=looping("2", {"id": "new"}, zoom=1))
    await client.put(url, json=looping("2", {"id": "new"}, zoom=2))
    found = (await client.get(f"{url}/versions/diff", params={"from": 1, "to": 2})).json()
    assert found["nodes"]["changed"] == []
    assert found["is_cosmetic"] is False
    outer, inner = found["bodies"]
    assert (outer["container"], inner["container"]) == ("each", "each/deep")
    assert outer["nodes"] == {"added": [], "removed": [], "changed": []}
    assert inner["nodes"]["added"] == [{"id": "new"}]
    [said] = inner["nodes"]["changed"]
    assert (said["id"], said["changes"][0]["path"]) == ("say", "/config/source")
    assert inner["cosmetic"]["settings"][0]["path"] == "/zoom"
    moved = (await client.get(f"{url}/versions/diff", params={"from": 2, "to": 3})).json()
    assert (moved["is_same"], moved["is_cosmetic"]) == (False, True)


async def test_large_graphs_are_compared(client: httpx.AsyncClient) -> None:
    nodes = [{"id": f"n{n}", "type": "variable", "config": {"x": n}} for n in range(2_000)]
    answer = await client.post(W, json={"name": "x", "nodes": nodes, "edges": []})
    url = f"{W}/{answer.json()['id']}"
    await client.put(url, json={"name": "x", "nodes": nodes[1000:], "edges": []})
    found = (await client.get(f"{url}/versions/diff", params={"from": 1})).json()
    assert len(found["nodes"]["removed"]) == 1_000
    assert found["nodes"]["changed"] == []


# rolling back


async def test_an_old_version_is_restored_as_the_newest(
    client: httpx.AsyncClient, shared: Any
) -> None:
    url = await made(client, "one", "two", "three")
    await published(client, url)
    friend = await shared(url, "editor")
    tag = (await friend.get(url)).headers["etag"]
    answer = await friend.post(f"{url}/versions/1/restore", headers={"If-Match": tag})
    body = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"4.1"')
    assert (body["version"], body["name"], body["description"]) == (4, "one", "says one")
    assert (body["nodes"], body["published_version"]) == (saying("one")["nodes"], 3)
    same = (await client.get(f"{url}/versions/diff", params={"from": 1, "to": 4})).json()
    assert same["is_same"]
    [newest, *_] = (await client.get(f"{url}/versions")).json()["items"]
    assert newest["created_by"].startswith("user_")
    again = await client.post(f"{url}/versions/1/restore")
    assert again.json()["version"] == 4
    assert (await client.post(f"{url}/versions/9/restore")).status_code == 404


# the version of a run


@pytest.fixture
def live(live_api: Api, worker: Any) -> httpx.AsyncClient:
    return live_api.client()


async def ran(client: httpx.AsyncClient, url: str, **body: Any) -> tuple[int, Any]:
    """The version that ran, and its output."""
    answer = await client.post(f"{url}/execute", params={"wait": 30}, json=body)
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert done["status"] == "succeeded", done
    return done["workflow_version"], done["output"]


async def test_a_run_takes_the_published_version_unless_it_names_one(
    live: httpx.AsyncClient,
) -> None:
    url = await made(live, "one", "two")
    assert await ran(live, url) == (2, "two")  # never published: as it was without publishing
    assert await ran(live, url, version=1) == (1, "one")
    early = await live.post(f"{url}/execute", json={"version": "published"})
    assert (early.status_code, early.json()["code"]) == (409, "not_published")
    await published(live, url)
    await live.put(url, json=saying("three"))
    assert await ran(live, url) == (2, "two")
    assert await ran(live, url, version="published") == (2, "two")
    assert await ran(live, url, version="draft") == (3, "three")
    assert await ran(live, url, version=1) == (1, "one")
    await published(live, url, version=1)
    assert await ran(live, url) == (1, "one")
    await live.post(f"{url}/unpublish")
    assert (await live.post(f"{url}/execute", json={})).status_code == 409
    assert await ran(live, url, version="draft") == (3, "three")


@pytest.mark.parametrize(
    ("version", "status"),
    [(2, 404), (2**70, 404), (0, 422), ("2", 422), ("newest", 422), (True, 422), ([], 422)],
)
async def test_a_version_that_cannot_be_run(
    client: httpx.AsyncClient, version: Any, status: int
) -> None:
    url = await made(client, "one")
    answer = await client.post(f"{url}/execute", json={"version": version})
    assert answer.status_code == status, answer.text


async def test_a_draft_with_errors_is_in_nobodys_way(live: httpx.AsyncClient) -> None:
    url = await made(live, "one")
    await published(live, url)
    await live.put(url, json={"name": "x", "nodes": [], "edges": []})
    assert await ran(live, url) == (1, "one")
    assert (await live.post(f"{url}/execute", json={"version": "draft"})).status_code == 422


async def test_a_key_gives_its_execution_whatever_is_published_meanwhile(
    live: httpx.AsyncClient,
) -> None:
    url = await made(live, "one", "two", "three")
    await published(live, url, version=1)

    async def execute(**body: Any) -> httpx.Response:
        return await live.post(f"{url}/execute", json=body, headers={"Idempotency-Key": "k"})

    first = (await execute(input="hi")).json()
    assert first["workflow_version"] == 1
    await published(live, url, version=2)
    await live.put(url, json=saying("four"))
    for body in ({}, {"version": "published"}, {"version": "draft"}, {"version": 1}):
        answer = await execute(input="hi", **body)
        assert answer.headers["idempotent-replayed"] == "true"
        assert (answer.json()["id"], answer.json()["workflow_version"]) == (first["id"], 1)
    other = await execute(input="hi", version=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    await live.post(f"{url}/unpublish")
    assert (await execute(input="hi")).json()["id"] == first["id"]
    done = await until(live, first["id"], "succeeded", "failed")
    assert done["output"] == "one"


async def test_a_run_in_flight_keeps_its_version(live: httpx.AsyncClient, gate: Gate) -> None:
    name = f"flight_{uuid4().hex[:8]}"
    graph = chain(gated(gate, name))
    graph["nodes"][-1]["config"] = {"value": "old"}
    url = f"{W}/{(await live.post(W, json=graph)).json()['id']}"
    await published(live, url)
    run = (await live.post(f"{url}/execute", json={})).json()
    await gate.came(name)
    await live.put(url, json=saying("new"))
    await published(live, url)
    assert await ran(live, url) == (2, "new")
    await live.post(f"{url}/unpublish")
    gate.open(name)
    done = await until(live, run["id"], "succeeded", "failed")
    assert (done["workflow_version"], done["output"]) == (1, "old")
    assert [node["id"] for node in done["nodes"]] == ["start", name, "output"]


async def test_what_was_queued_without_temporal_is_of_the_version_published_then(
    api: Api,
    client: httpx.AsyncClient,
    live_api: Api,
    worker: Any,
    serve: Any,
    just_gone: None,
) -> None:
    url = await made(client, "one", "two")
    await published(client, url, version=1)
    key = {"Idempotency-Key": "early"}
    down = await client.post(f"{url}/execute", json={"input": 1}, headers=key)
    assert (down.status_code, down.json()["code"]) == (503, "temporal_unavailable")
    await published(client, url, version=2)
    serving, settings_for = serve
    back = settings_for(
        api.settings.pilot_data_dir,
        temporal_address=live_api.settings.temporal_address,
        temporal_task_queue="nobody-polls",
    )
    async with serving(back) as up:
        again = await up.client().post(f"{url}/execute", json={"input": 1}, headers=key)
        assert (again.status_code, again.json()["workflow_version"]) == (202, 1)
        started = up.parts.runs.client.get_workflow_handle(f"execution-{again.json()['id']}")
        assert (await started.describe()).id == f"execution-{again.json()['id']}"
        await up.client().post(f"{E}/{again.json()['id']}/cancel")


async def test_a_runner_runs_what_is_published_or_was(
    live: httpx.AsyncClient, live_api: Api, shared: Any
) -> None:
    url = await made(live, "one", "two", "three")
    runner = await shared(url, "runner", live_api)
    assert await ran(runner, url) == (3, "three")
    await published(live, url, version=1)
    await published(live, url, version=2)
    assert await ran(runner, url) == (2, "two")
    assert await ran(runner, url, version=2) == (2, "two")
    assert await ran(runner, url, version=1) == (1, "one")
    for version in (3, "draft"):
        refused = await runner.post(f"{url}/execute", json={"version": version})
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_role")
    assert (await runner.post(f"{url}/publish", json={})).status_code == 403
    editor = await shared(url, "editor", live_api)
    assert await ran(editor, url, version="draft") == (3, "three")
    await live.post(f"{url}/unpublish")
    assert (await runner.post(f"{url}/execute", json={"version": 1})).status_code == 403
    assert (await runner.post(f"{url}/execute", json={})).status_code == 409
    assert await ran(editor, url, version=1) == (1, "one")


async def test_the_workflows_own_document_is_of_what_runs(client: httpx.AsyncClient) -> None:
    url = await made(client, "one", "two")

    async def title() -> tuple[str, str]:
        answer = await client.get(f"{url}/openapi.json")
        return answer.json()["info"]["title"], answer.headers["etag"]

    assert await title() == ("two", '"2"')
    await published(client, url, version=1)
    assert await title() == ("one", '"1"')
    await client.post(f"{url}/unpublish")
    assert await title() == ("two", '"2"')


async def test_answers_are_of_their_schemas(api: Api, client: httpx.AsyncClient) -> None:
    document = create_app(api.settings.model_copy(update={"debug": True})).openapi()
    url = await made(client, "one", "two")

    async def check(method: str, path: str, status: int = 200, **more: Any) -> None:
        answer = await client.request(method, f"{url}{path}", **more)
        assert answer.status_code == status, answer.text
        template = f"{W}/{{workflow_id}}{path.partition('?')[0].replace('/1', '/{version}')}"
        content = document["paths"][template][method.lower()]["responses"][str(status)]["content"]
        schema = content[answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})

    await check("POST", "/publish", json={"version": 1, "note": "x"})
    await check("POST", "/publish", 409, json={}, headers={"If-Match": '"1"'})
    await check("GET", "/versions")
    await check("GET", "/versions/1")
    await check("GET", "/versions/diff?from=1&to=2")
    await check("POST", "/versions/1/restore")
    await check("POST", "/unpublish")
    await check("GET", "")
