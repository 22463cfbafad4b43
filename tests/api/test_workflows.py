"""The resource `workflow`: every route's statuses, headers and bodies."""

import asyncio
from itertools import pairwise

import pytest

from api.workflows.schemas import CHATBOT

UNKNOWN = "5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5b"
URL = "/api/v1/workflows"


def chatbot(**changes):
    return {**CHATBOT, **changes}


async def made(client, **changes):
    answer = await client.post(URL, json=chatbot(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_create_gives_the_whole_resource_and_where_it_is(client):
    answer = await client.post(URL, json=chatbot())
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{URL}/{body['id']}"
    assert answer.headers["etag"] == '"1"'
    assert body["version"] == 1
    assert body["issues"] == []
    assert body["created_at"].endswith("Z")
    assert {key: body[key] for key in CHATBOT} == CHATBOT
    read = await client.get(answer.headers["location"])
    assert read.status_code == 200
    assert read.json() == body


async def test_what_the_canvas_adds_is_kept_and_given_back(client):
    nodes = [
        {
            **CHATBOT["nodes"][0],
            "data": {"label": "π", "big": 2**70},
            "width": 12.5,
            "selected": True,
            "position": {"x": 1, "y": 2, "z": 3},
        },
        *CHATBOT["nodes"][1:],
    ]
    edges = [{**edge, "id": f"e{n}", "animated": True} for n, edge in enumerate(CHATBOT["edges"])]
    body = await made(client, nodes=nodes, edges=edges, viewport={"zoom": 2})
    assert body["nodes"] == nodes
    assert body["edges"] == edges
    assert "position" not in (await made(client, nodes=[{"id": "s", "type": "start"}]))["nodes"][0]


async def test_an_issue_inside_of_a_map_says_where(client):
    body = {"nodes": [{"id": "a", "type": "nonsense"}], "edges": []}
    found = (await made(client, nodes=[{"id": "m", "type": "map", "config": {"body": body}}]))[
        "issues"
    ]
    [unknown] = [issue for issue in found if issue["code"] == "unknown_node_type"]
    assert (unknown["node_id"], unknown["container"]) == ("a", "m")
    assert "container" not in next(issue for issue in found if issue["code"] == "no_start")


@pytest.mark.parametrize(("limit", "status"), [(1, 201), (500, 201), (0, 422), (501, 422)])
async def test_a_graph_says_how_many_nodes_run_at_once(client, limit, status):
    answer = await client.post(URL, json=chatbot(max_parallel=limit))
    assert answer.status_code == status
    if status == 201:
        read = (await client.get(answer.headers["location"])).json()
        assert read["max_parallel"] == answer.json()["max_parallel"] == limit
        version = f"{answer.headers['location']}/versions/1"
        assert (await client.get(version)).json()["max_parallel"] == limit
    assert (await made(client))["max_parallel"] is None


async def test_a_draft_is_saved_with_its_issues(client):
    body = await made(client, nodes=[{"id": "a", "type": "nonsense"}], edges=[])
    assert body["issues"]
    assert {"code", "severity", "message"} <= body["issues"][0].keys()
    assert None not in body["issues"][0].values()
    read = await client.get(f"{URL}/{body['id']}")
    assert read.json()["issues"] == body["issues"]
    assert (await made(client, nodes=[], edges=[]))["issues"]


async def test_structural_errors_are_issues_at_their_place_all_at_once(client):
    answer = await client.post(
        URL,
        json={
            "nodes": [
                {"id": "a", "type": "llm", "retry": {"max_attempts": 0, "zz": 1}, "on_error": 3},
                "no node",
                {"id": 5, "type": "llm"},
                {"id": "b", "type": "llm", "config": []},
            ],
            "edges": [{"source": "a"}, {"source": "a", "target": "b", "source_handle": 1}],
        },
    )
    body = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["code"] == "invalid_request"
    found = {(issue.get("node_id"), issue.get("field")): issue for issue in body["issues"]}
    assert found.keys() == {
        ("a", "retry.max_attempts"),
        ("a", "retry.zz"),
        ("a", "on_error"),
        (None, "nodes[1]"),
        (None, "nodes[2].id"),
        ("b", "config"),
        (None, "edges[0].target"),
        (None, "source_handle"),
        (None, "name"),
    }
    assert found[None, "source_handle"]["edge"] == {"source": "a", "target": "b"}
    assert {issue["code"] for issue in body["issues"]} == {"invalid_field"}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"name": None},
        {"name": 5},
        {"name": "a\x00b"},
        {"description": None},
        {"description": "x" * 10_001},
        {"nodes": {}},
        {"nodes": None},
        {"edges": "none"},
        {"nodes": [None] * 20_001},
    ],
)
async def test_bad_fields_are_refused(client, changes):
    answer = await client.post(URL, json=chatbot(**changes))
    assert answer.status_code == 422
    assert answer.json()["issues"][0]["field"] == next(iter(changes))


async def test_ten_thousand_broken_nodes_are_answered_in_bounds(client):
    answer = await client.post(URL, json={"name": "x", "nodes": [{}] * 20_000, "edges": []})
    assert answer.status_code == 422
    assert len(answer.json()["issues"]) <= 1_000


async def test_a_graph_of_a_thousand_nodes_saves_and_validates(client):
    nodes = [{"id": "start", "type": "start"}]
    nodes += [
        {"id": f"n{n}", "type": "variable", "config": {"assignments": {"v": "{input}"}}}
        for n in range(998)
    ]
    nodes.append({"id": "output", "type": "output"})
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(nodes)]
    body = await made(client, nodes=nodes, edges=edges)
    assert [issue for issue in body["issues"] if issue["severity"] == "error"] == []


async def test_lists_are_paged_newest_first(api):
    client = api.client("lister")
    ids = [(await made(client, name=f"w{n}"))["id"] for n in range(5)]
    seen, cursor = [], None
    for _ in range(3):
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await client.get(URL, params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == ids[::-1]
    assert "nodes" not in page["items"][0]


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"limit": 0}, 422, "invalid_request"),
        ({"limit": 201}, 422, "invalid_request"),
        ({"limit": "many"}, 422, "invalid_request"),
        ({"cursor": "nonsense"}, 400, "invalid_cursor"),
        ({"cursor": "x" * 501}, 422, "invalid_request"),
    ],
)
@pytest.mark.parametrize("resource", ["workflows", "executions"])
async def test_bad_pages(client, resource, params, status, code):
    answer = await client.get(f"/api/v1/{resource}", params=params)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_update_makes_a_version_and_the_same_content_none(client):
    body = await made(client)
    url = f"{URL}/{body['id']}"
    first = await client.put(url, json=chatbot(name="Renamed"))
    assert (first.status_code, first.json()["version"], first.headers["etag"]) == (200, 2, '"2"')
    again = await client.put(url, json=chatbot(name="Renamed"))
    assert again.json()["version"] == 2


@pytest.mark.parametrize(
    ("headers", "version", "status"),
    [
        ({}, None, 200),
        ({}, 1, 200),
        ({"If-Match": '"1"'}, None, 200),
        ({"If-Match": 'W/"1"'}, None, 200),
        ({"If-Match": "1"}, None, 200),
        ({"If-Match": '"7", "1"'}, None, 200),
        ({"If-Match": "*"}, None, 200),
        ({"If-Match": '"1"'}, 1, 200),
        ({}, 2, 409),
        ({"If-Match": '"2"'}, None, 409),
        ({"If-Match": '"abc"'}, None, 409),
        ({"If-Match": "²"}, None, 409),
        ({"If-Match": "*"}, 2, 409),
        ({"If-Match": '"1"'}, 2, 409),
        ({}, 0, 422),
    ],
)
async def test_a_stale_save_is_refused(client, headers, version, status):
    body = await made(client)
    change = chatbot(name="Later", **({} if version is None else {"version": version}))
    answer = await client.put(
        f"{URL}/{body['id']}",
        json=change,
        headers={name: value.encode() for name, value in headers.items()},
    )
    assert answer.status_code == status, answer.text
    if status == 409:
        assert answer.json()["code"] == "stale_version"
        assert (await client.get(f"{URL}/{body['id']}")).json()["name"] == CHATBOT["name"]


async def test_of_concurrent_saves_of_one_version_one_wins(client):
    body = await made(client)
    answers = await asyncio.gather(
        *(
            client.put(f"{URL}/{body['id']}", json=chatbot(name=f"n{n}", version=1))
            for n in range(8)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


@pytest.mark.parametrize(
    ("tag", "status"),
    [('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ("*", 304), ('"2"', 200), ("x", 200)],
)
async def test_if_none_match(client, tag, status):
    body = await made(client)
    answer = await client.get(f"{URL}/{body['id']}", headers={"If-None-Match": tag})
    assert answer.status_code == status
    assert answer.headers["etag"] == '"1"'
    assert (answer.content == b"") == (status == 304)


async def test_delete_hides_the_workflow(client):
    body = await made(client)
    url = f"{URL}/{body['id']}"
    answer = await client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    for method in ("get", "delete"):
        gone = await getattr(client, method)(url)
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert (await client.put(url, json=chatbot())).status_code == 404
    assert (await client.post(f"{url}/execute", json={})).status_code == 404


async def test_validate_gives_the_issues_that_saving_gives(client):
    broken = {"nodes": [{"id": "a", "type": "llm"}], "edges": [{"source": "a", "target": "b"}]}
    answer = await client.post(f"{URL}/validate", json=broken)
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    saved = await made(client, **broken)
    assert saved["issues"] == answer.json()["issues"]
    good = await client.post(f"{URL}/validate", json=chatbot())
    assert good.json() == {"valid": True, "issues": []}
    assert (await client.post(f"{URL}/validate", json={"nodes": 1})).status_code == 422


@pytest.mark.parametrize("path", ["not-a-uuid", "1", UNKNOWN, "%00", "x" * 500])
@pytest.mark.parametrize("resource", ["workflows", "executions"])
async def test_a_bad_or_unknown_id_is_not_found(client, resource, path):
    answer = await client.get(f"/api/v1/{resource}/{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    if path == "not-a-uuid":
        assert answer.json()["detail"] == f"There is no {resource.removesuffix('s')} 'not-a-uuid'."


async def test_node_types_are_a_palette(client):
    answer = await client.get("/api/v1/node-types")
    types = {item["type"]: item for item in answer.json()["items"]}
    assert types.keys() >= {"start", "llm", "condition", "code", "http", "variable", "output"}
    assert types["condition"]["handles"] == ["true", "false"]
    assert types["output"]["handles"] == []
    assert types["llm"]["config"]["properties"]["prompt_template"]
    assert types["llm"]["policy"]["retry"]["max_attempts"] >= 1
    for item in types.values():
        assert item["title"]
        assert item["description"]
        assert item["icon"]
        assert item["config"]["type"] == "object"


async def test_a_palette_says_what_is_written_in_a_field(client):
    answer = await client.get("/api/v1/node-types")
    types = {item["type"]: item for item in answer.json()["items"]}

    def written(type_, name):
        return types[type_]["config"]["properties"][name].get("x-pilot")

    assert written("http", "url") == {"text": "template", "secrets": True}
    assert written("output", "value") == {"text": "template", "secrets": False}
    assert written("condition", "expression") == {
        "text": "cel",
        "iterates": False,
        "payload": False,
    }
    assert written("loop", "condition")["iterates"]
    assert written("wait", "done_when")["payload"]
    assert written("code", "source") == {"text": "python"}
    assert written("http", "method") is None
    case = types["switch"]["config"]["$defs"]["Case"]["properties"]["expression"]
    assert case["x-pilot"]["text"] == "cel"
    assert [name for name, one in types.items() if one["has_body"]] == ["map", "loop"]
    assert types["http"]["usable_as_tool"]
