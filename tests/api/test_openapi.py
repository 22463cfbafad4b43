"""A workflow's own OpenAPI document."""

from __future__ import annotations

from typing import Any

import jsonschema

from .test_workflows import URL, made

START = {
    "id": "start",
    "type": "start",
    "config": {
        "inputs": [
            {"name": "text", "type": "string", "description": "What to say."},
            {"name": "times", "type": "integer", "default": 1},
        ]
    },
}
NODES = [START, {"id": "output", "type": "output"}]
EDGES = [{"source": "start", "target": "output"}]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


async def test_a_workflow_is_an_api_of_its_own(client):
    workflow = await made(client, nodes=NODES, edges=EDGES)
    answer = await client.get(f"{URL}/{workflow['id']}/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    body = answer.json()
    assert body["openapi"] == "3.1.0"
    assert (body["info"]["title"], body["info"]["version"]) == (workflow["name"], "1")
    [(path, operations)] = body["paths"].items()
    assert path == f"{URL}/{workflow['id']}/execute"
    request = operations["post"]["requestBody"]
    schema = request["content"]["application/json"]["schema"]
    assert request["required"]
    assert schema["properties"]["input"] == workflow["input_schema"]
    assert schema["properties"]["input"]["required"] == ["text"]
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"input": {"text": "hi"}})
    assert not validator.is_valid({"input": {"text": 5}})
    assert not validator.is_valid({})
    schemas = body["components"]["schemas"]
    for reference in references(body):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    assert set(operations["post"]["responses"]) == {"200", "202", "default"}


async def test_what_execute_answers_is_of_its_schema(client, live_api, worker):
    caller = live_api.client()
    workflow = await made(caller, nodes=NODES, edges=EDGES)
    body = (await caller.get(f"{URL}/{workflow['id']}/openapi.json")).json()
    [path] = body["paths"]
    done = await caller.post(f"{path}?wait=20", json={"input": {"text": "hi"}})
    assert done.status_code == 200, done.text
    assert done.json()["output"] == {"text": "hi", "times": 1}
    wrong = await caller.post(path, json={"input": {"text": 5}})
    assert wrong.status_code == 422
    for answer, model in ((done, "ExecutionOut"), (wrong, "ProblemOut")):
        schema = {"$ref": f"#/components/schemas/{model}", "components": body["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


async def test_it_is_the_owners(api, client):
    workflow = await made(client, nodes=NODES, edges=EDGES)
    path = f"{URL}/{workflow['id']}/openapi.json"
    assert (await api.client("eve").get(path)).status_code == 404
    assert (await api.client(None).get(path)).status_code == 401


async def test_lists_stay_light(client):
    await made(client, nodes=NODES, edges=EDGES)
    [*rows] = (await client.get(URL)).json()["items"]
    assert all("input_schema" not in row for row in rows)
