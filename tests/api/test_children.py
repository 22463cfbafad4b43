"""Workflows that call workflows, over HTTP: what is found when one is saved, and what is seen of a
run that begins others."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pilot.client import AsyncClient, Execution, Parent
from pilot.nodes.workflow import MAX_DEPTH
from tests.api.conftest import Api, Gate, Worker, chain

URL = "/api/v1/workflows"
UNKNOWN = "5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5b"
FINAL = ("succeeded", "failed", "cancelled", "timed_out")


def calling(workflow_id: str, id: str = "call", **config: Any) -> dict[str, Any]:
    return {"id": id, "type": "workflow", "config": {"workflow_id": workflow_id, **config}}


def taking(*inputs: dict[str, Any], name: str = "Taking") -> dict[str, Any]:
    body = chain(name=name)
    body["nodes"][0]["config"] = {"inputs": list(inputs)}
    return body


async def saved(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    answer = await client.post(URL, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["issues"] == []
    return str(answer.json()["id"])


async def issues_of(client: httpx.AsyncClient, body: dict[str, Any]) -> list[tuple[Any, ...]]:
    answer = await client.post(f"{URL}/validate", json=body)
    assert answer.status_code == 200, answer.text
    return [(one["code"], one.get("node_id"), one.get("field")) for one in answer.json()["issues"]]


async def ended(client: httpx.AsyncClient, execution_id: str) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while True:
            body: dict[str, Any] = (await client.get(f"/api/v1/executions/{execution_id}")).json()
            if body["status"] in FINAL:
                return body
            await asyncio.sleep(0.1)


async def test_what_is_called_must_be_there(client: httpx.AsyncClient) -> None:
    called = await saved(client, chain())
    assert await issues_of(client, chain(calling(called))) == []
    assert await issues_of(client, chain(calling(UNKNOWN))) == [
        ("unknown_workflow", "call", "config.workflow_id")
    ]
    assert await issues_of(client, chain(calling(called, version=2))) == [
        ("unknown_version", "call", "config.version")
    ]
    assert await issues_of(client, chain(calling(called, version="published"))) == [
        ("not_published", "call", "config.version")
    ]
    await client.post(f"{URL}/{called}/publish", json={})
    assert await issues_of(client, chain(calling(called, version="published"))) == []
    await client.delete(f"{URL}/{called}")
    assert await issues_of(client, chain(calling(called, version=1))) == [
        ("unknown_workflow", "call", "config.workflow_id")
    ]


async def test_another_users_workflow_is_unknown(api: Api, client: httpx.AsyncClient) -> None:
    theirs = await saved(api.client("bob"), chain())
    await api.client("bob").put(f"{URL}/{theirs}/shares/ada", json={"role": "editor"})
    assert await issues_of(client, chain(calling(theirs))) == [
        ("unknown_workflow", "call", "config.workflow_id")
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{input}", []),
        ({"name": "{input}", "age": 7}, []),
        ({"name": "Ada"}, []),
        ({"name": "Ada", "age": "{input} years"}, []),
        ({"age": 7}, [("missing_input", "call", "config.input")]),
        ({"name": 7}, [("invalid_input", "call", "config.input.name")]),
        ({"name": "Ada", "age": "old"}, [("invalid_input", "call", "config.input.age")]),
        (["Ada"], [("invalid_input", "call", "config.input")]),
        (None, [("missing_input", "call", "config.input")]),
    ],
)
async def test_a_literal_input_is_checked(
    client: httpx.AsyncClient, given: Any, expected: list[tuple[Any, ...]]
) -> None:
    name = {"name": "name", "type": "string"}
    called = await saved(client, taking(name, {"name": "age", "type": "integer", "default": 1}))
    assert await issues_of(client, chain(calling(called, input=given))) == expected


async def test_circles_are_found_when_they_are_closed(client: httpx.AsyncClient) -> None:
    a = await saved(client, chain(name="A"))
    b = await saved(client, chain(calling(a), name="B"))
    c = await saved(client, chain(calling(b, "x"), calling(b, "y"), name="C"))
    for called, told in (
        (a, "call itself"),
        (b, "'B' → 'A'"),
        (c, "'C' → 'B' → 'A'"),
    ):
        answer = await client.put(f"{URL}/{a}", json=chain(calling(called), name="A"))
        [issue] = answer.json()["issues"]
        assert (issue["code"], issue["field"]) == ("workflow_recursion", "config.workflow_id")
        assert told in issue["message"]
        refused = await client.post(f"{URL}/{a}/execute", json={})
        assert (refused.status_code, refused.json()["issues"][0]["code"]) == (
            422,
            "workflow_recursion",
        )
    # whoever calls into a circle cannot be run either
    assert await issues_of(client, chain(calling(c))) == [
        ("workflow_recursion", "call", "config.workflow_id")
    ]
    assert (await client.get(f"{URL}/{b}")).json()["issues"][0]["code"] == "workflow_recursion"


async def test_a_chain_has_a_bound(client: httpx.AsyncClient) -> None:
    last = await saved(client, chain())
    for _ in range(MAX_DEPTH - 1):
        last = await saved(client, chain(calling(last)))
    assert await issues_of(client, chain(calling(last))) == []
    last = await saved(client, chain(calling(last)))
    assert await issues_of(client, chain(calling(last))) == [
        ("depth_exceeded", "call", "config.workflow_id")
    ]


async def test_who_runs_a_shared_workflow_may_run_what_it_calls(
    api: Api, client: httpx.AsyncClient
) -> None:
    called = await saved(client, chain())
    between = await saved(client, chain(calling(called)))
    caller = await saved(client, chain(calling(between)))
    user = f"bob_{uuid4().hex[:8]}"
    bob = api.client(user)
    url = f"{URL}/{caller}/execute"
    for workflow_id, status in ((caller, 404), (between, 404), (called, 503)):
        await client.put(f"{URL}/{workflow_id}/shares/{user}", json={"role": "runner"})
        # 503: all is well but that this API has no Temporal
        assert (await bob.post(url, json={})).status_code == status
    await client.put(f"{URL}/{called}/shares/{user}", json={"role": "viewer"})
    assert (await bob.post(url, json={})).status_code == 403


async def test_children_are_seen_with_their_parent(live_api: Api, worker: Worker) -> None:
    user = f"ada_{uuid4().hex[:8]}"
    client = live_api.client(user)
    called = await saved(client, chain(name="Called"))
    caller = await saved(client, chain(calling(called), calling(called, "again"), name="Caller"))
    given = {"input": 7}
    started = (await client.post(f"{URL}/{caller}/execute", json=given)).json()
    done = await ended(client, started["id"])
    assert (done["status"], done["output"]) == ("succeeded", 7)
    assert "parent" not in done
    url = f"/api/v1/executions/{done['id']}/children"
    children = (await client.get(url)).json()["items"]
    parents = {one["parent"]["node_id"]: one["id"] for one in children}
    assert set(parents) == {"call", "again"}
    assert {one["parent"]["execution_id"] for one in children} == {done["id"]}
    metas = {one["id"]: one["meta"] for one in done["nodes"]}
    assert metas["call"]["child_execution_id"] == parents["call"]
    child = await ended(client, parents["call"])
    assert child["parent"] == {"execution_id": done["id"], "node_id": "call"}
    assert (child["workflow_id"], child["status"], child["output"]) == (called, "succeeded", 7)
    assert child["temporal"]["run_id"]

    async def ids(**parameters: str) -> set[str]:
        found = await client.get("/api/v1/executions", params=parameters)
        assert found.status_code == 200, found.text
        return {one["id"] for one in found.json()["items"]}

    assert await ids() == {done["id"]}
    assert await ids(parent="any") == {done["id"], *parents.values()}
    assert await ids(parent=done["id"]) == set(parents.values())
    assert await ids(parent=done["id"], workflow_id=caller) == set()
    assert (await client.get("/api/v1/executions", params={"parent": "x"})).status_code == 422
    assert (await live_api.client("eve").get(url)).status_code == 404


async def test_a_cancel_reaches_the_children(live_api: Api, worker: Worker, gate: Gate) -> None:
    user = f"ada_{uuid4().hex[:8]}"
    client = live_api.client(user)
    name = uuid4().hex
    get = {"id": "get", "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}
    called = await saved(client, chain(get))
    caller = await saved(client, chain(calling(called)))
    started = (await client.post(f"{URL}/{caller}/execute", json={})).json()
    await gate.came(name)
    assert (await client.post(f"/api/v1/executions/{started['id']}/cancel")).status_code == 202
    assert (await ended(client, started["id"]))["status"] == "cancelled"
    [child] = (await client.get(f"/api/v1/executions/{started['id']}/children")).json()["items"]
    assert child["status"] == "cancelled"


async def test_a_childs_own_cancel_is_its_nodes_failure(
    live_api: Api, worker: Worker, gate: Gate
) -> None:
    client = live_api.client(f"ada_{uuid4().hex[:8]}")
    name = uuid4().hex
    get = {"id": "get", "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}
    called = await saved(client, chain(get))
    caller = await saved(client, chain(calling(called) | {"on_error": "continue"}))
    started = (await client.post(f"{URL}/{caller}/execute", json={})).json()
    await gate.came(name)
    [child] = (await client.get(f"/api/v1/executions/{started['id']}/children")).json()["items"]
    assert (await client.post(f"/api/v1/executions/{child['id']}/cancel")).status_code == 202
    done = await ended(client, started["id"])
    assert done["status"] == "succeeded"
    [node] = [one for one in done["nodes"] if one["id"] == "call"]
    assert (node["status"], node["error"]["code"]) == ("failed", "child_cancelled")
    assert node["meta"]["child_execution_id"] == child["id"]


async def test_calls_inside_of_a_map_are_looked_at_too(client: httpx.AsyncClient) -> None:
    def mapping(workflow_id: str) -> dict[str, Any]:
        body = {"nodes": [calling(workflow_id)], "edges": []}
        return {"id": "each", "type": "map", "config": {"items": "{input}", "body": body}}

    a = await saved(client, chain(name="A"))
    b = await saved(client, chain(mapping(a), name="B"))
    [issue] = (await client.put(f"{URL}/{a}", json=chain(mapping(b), name="A"))).json()["issues"]
    assert (issue["code"], issue["node_id"]) == ("workflow_recursion", "call")
    assert issue["container"] == "each"


async def test_a_model_is_told_what_a_workflow_takes(api: Api, client: httpx.AsyncClient) -> None:
    text = {"name": "text", "type": "string", "description": "What to count."}
    called = await saved(client, taking(text))
    own = {"type": "object", "properties": {"text": {"const": "only this"}}}
    tools = [{"node": "told"}, {"node": "own", "parameters": own}]
    ask = {"id": "ask", "type": "llm", "config": {"prompt_template": "{input}", "tools": tools}}
    body = chain(ask)
    body["nodes"] += [calling(called, "told"), calling(called, "own")]
    workflow = await api.parts.store.get_workflow("ada", await saved(client, body))
    plan, _ = await api.parts.preparation.prepare("ada", workflow, None)
    [asking] = [node for node in plan.nodes if node.id == "ask"]
    told, kept = [tool["parameters"] for tool in asking.config["tools"]]
    assert told["properties"]["text"] == {"type": "string", "description": "What to count."}
    assert told["required"] == ["text"]
    assert kept == own
    # the stored version is as it was
    [stored] = [one for one in workflow.graph["nodes"] if one["id"] == "ask"]
    assert "parameters" not in stored["config"]["tools"][0]


def answering(schema: dict[str, Any] | None, name: str = "Answering") -> dict[str, Any]:
    body = chain(name=name)
    [output] = [one for one in body["nodes"] if one["type"] == "output"]
    output["config"] = {"value": {"n": 1}, **({"output_schema": schema} if schema else {})}
    return body


async def test_what_a_workflow_answers_is_typed(client: httpx.AsyncClient) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    called = await saved(client, answering(schema))
    body = (await client.get(f"{URL}/{called}")).json()
    assert body["output_schema"] == schema
    document = (await client.get(f"{URL}/{called}/openapi.json")).json()
    [path] = document["paths"].values()
    answer = path["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["allOf"][1]["properties"]["output"]["anyOf"][0] == schema

    def reading(text: str, **config: Any) -> dict[str, Any]:
        read = {"id": "read", "type": "variable", "config": {"assignments": {"v": text}}}
        return chain(calling(called, **config), read)

    wrong = [("unknown_output_field", "read", "config.assignments.v")]
    assert await issues_of(client, reading("{nodes.call.output.n}")) == []
    assert await issues_of(client, reading("{nodes.call.output.m}", version=1)) == wrong
    assert await issues_of(client, reading("{nodes.call.output.m}")) == wrong
    [warning] = (
        await client.post(f"{URL}/validate", json=reading("{nodes.call.output.m}"))
    ).json()["issues"]
    assert warning["severity"] == "warning"
    for safe in (
        "{has(nodes.call.output.m) ? nodes.call.output.m : 0}",
        "{nodes.call.output.?m}",
        "{nodes.call.meta.m}",
    ):
        assert await issues_of(client, reading(safe, version=1)) == [], safe
    left = reading("{nodes.call.output.execution_id}", version=1, wait=False)
    assert await issues_of(client, left) == []
    untyped = await saved(client, answering(None))
    assert await issues_of(client, chain(calling(untyped, version=1))) == []


async def test_what_is_only_warned_of_is_run(live_api: Api, worker: Worker) -> None:
    client = live_api.client(f"ada_{uuid4().hex[:8]}")
    closed = {"type": "object", "properties": {"n": {}}, "additionalProperties": False}
    called = await saved(client, answering(closed))
    never = "{nodes.call.output.n > 1 ? nodes.call.output.m : 0}"
    read = {"id": "read", "type": "variable", "config": {"assignments": {"v": never}}}
    made = (await client.post(URL, json=chain(calling(called), read))).json()
    assert [(one["code"], one["severity"]) for one in made["issues"]] == [
        ("unknown_output_field", "warning")
    ]
    answer = await client.post(f"{URL}/{made['id']}/execute?wait=30", json={"input": 7})
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded"), answer.text


async def test_a_watcher_follows_what_is_called(live_api: Api, worker: Worker) -> None:
    user = f"ada_{uuid4().hex[:8]}"
    client = live_api.client(user)
    called = await saved(client, chain(name="Called"))
    body = {"nodes": [calling(called, "inner")], "edges": []}
    each = {"id": "each", "type": "map", "config": {"items": "{[1, 2]}", "body": body}}
    caller = await saved(client, chain(calling(called), each, name="Caller"))
    async with AsyncClient(live_api.url, live_api.token(user)) as pilot:
        run = await pilot.execute(caller, 7)
        found: list[str] = []
        async for event in pilot.watch(run.id):
            meta = event.data.get("meta") or {}
            if event.type == "node.progress" and event.node_id == "call" and not event.path:
                found.append(meta["child_execution_id"])
        [child] = found
        began, *_, ended = [event async for event in pilot.watch(child)]
        assert (began.type, began.data["parent_execution_id"]) == ("execution.started", run.id)
        assert (ended.type, ended.data["output"]) == ("execution.succeeded", 7)
        assert (await pilot.executions.get(run.id)).parent is None
        assert (await pilot.executions.get(child)).parent == Parent(run.id, "call")
        children = [one async for one in pilot.executions.children(run.id)]
        assert {_place(one) for one in children} == {"call", "each[0]:inner", "each[1]:inner"}
        listed = [one async for one in pilot.executions.list(parent=run.id)]
        assert {one.id for one in listed} == {one.id for one in children}
        assert [one.id async for one in pilot.executions.list()] == [run.id]


def _place(execution: Execution) -> str:
    assert execution.parent is not None
    path = execution.parent.path
    return f"{path}:{execution.parent.node_id}" if path else execution.parent.node_id
