"""Going on from an execution that has ended; one node alone; dry runs and pins."""

import asyncio
import uuid

import pytest

from pilot.client import AsyncClient
from tests.outside import outside

W, E = "/api/v1/workflows", "/api/v1/executions"


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


def call(world, manner, name, **fields):
    return {"id": name, "type": "http", "config": {"url": world.url(manner, name)}, **fields}


def once(**fields):
    return {"retry": {"max_attempts": 1}, **fields}


def drawn(nodes, *edges):
    return {
        "name": "Drawn",
        "nodes": nodes,
        "edges": [
            {"source": one.split(">")[0].partition(":")[0], "target": one.split(">")[1]}
            | ({"source_handle": one.split(">")[0].partition(":")[2]} if ":" in one else {})
            for one in edges
        ],
    }


async def saved(client, graph):
    answer = await client.post(W, json=graph)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def ran(client, workflow, **body):
    answer = await client.post(f"{W}/{workflow}/execute?wait=30", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def retried(client, execution, within=30, headers=None, **body):
    return await client.post(
        f"{E}/{execution['id']}/retry?wait={within}", json=body, headers=headers
    )


def states(execution):
    return {node["id"]: node["status"] for node in execution["nodes"]}


def count(world, *names):
    return [len(world.calls[name]) for name in names]


START, OUTPUT = {"id": "s", "type": "start"}, {"id": "o", "type": "output"}


@pytest.fixture
async def world():
    async with outside() as one:
        yield one


@pytest.fixture
def failing(world):
    """`a` and `b` are called, then `bad`, which fails until it is released, and `last`."""
    return drawn(
        [
            START,
            call(world, "ok", "a"),
            {"id": "v", "type": "variable", "config": {"assignments": {"x": "{input.name}!"}}},
            {"id": "big", "type": "code", "config": {"source": "'x' * 40000"}},
            {"id": "if", "type": "condition", "config": {"expression": "vars.x == 'a!'"}},
            call(world, "ok", "other"),
            call(world, "fail", "bad", **once()),
            call(world, "ok", "last"),
            OUTPUT
            | {"config": {"value": "{vars.x} {nodes.bad.output.call} {size(nodes.big.output)}"}},
        ],
        *("s>a", "a>v", "v>big", "big>if", "if:false>other", "if:true>bad", "bad>last", "last>o"),
    )


async def test_what_failed_is_run_again_and_the_rest_is_kept(live, world, failing):
    first = await ran(live, await saved(live, failing), input="hi")
    assert first["status"] == "failed" and states(first)["last"] == "skipped"
    world.release("bad")
    answer = await retried(live, first)
    second = answer.json()
    assert answer.status_code == 200, answer.text
    assert second["status"] == "succeeded", second["error"]
    assert second["output"] == "a! 2 40000"
    assert second["source_id"] == first["id"] and second["mode"] == "run"
    assert states(second)["other"] == "skipped"
    assert count(world, "a", "bad", "last", "other") == [1, 2, 1, 0]
    [kept] = [node for node in second["nodes"] if node["id"] == "a"]
    assert kept["meta"]["reused_from"] == first["id"] and kept["output"]["name"] == "a"
    # of a retry, too; from a node that was well, all below it is run again
    third = (await retried(live, second, **{"from": ["bad"]})).json()
    assert third["output"] == "a! 3 40000"
    assert count(world, "a", "bad", "last") == [1, 3, 2]
    assert (await retried(live, second)).json()["code"] == "nothing_to_retry"


async def test_the_client_retries(live, live_api, world, failing):
    first = await ran(live, await saved(live, failing), input="hi")
    world.release("bad")
    async with AsyncClient(live_api.url, live_api.token()) as pilot:
        second = await pilot.executions.retry(first["id"], begin=["v"], key="again")
        assert (await pilot.executions.retry(first["id"], begin=["v"], key="again")).id == second.id
        async for event in pilot.watch(second.id):
            last = event
    assert last.type == "execution.succeeded"
    assert count(world, "a", "bad") == [1, 2]


async def test_a_key_gives_the_one_retry(live, world, failing):
    first = await ran(live, await saved(live, failing), input="hi")
    world.release("bad")
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answers = await asyncio.gather(*(retried(live, first, headers=headers) for _ in range(3)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert count(world, "bad", "last") == [2, 1]
    other = await retried(live, first, headers=headers, **{"from": ["a"]})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_newer_version_runs_what_was_changed(live, world, failing):
    workflow = await saved(live, failing)
    first = await ran(live, workflow, input="hi")
    [bad] = [node for node in failing["nodes"] if node["id"] == "bad"]
    bad["config"]["url"] = world.url("ok", "better")
    [v] = [node for node in failing["nodes"] if node["id"] == "v"]
    v["position"] = {"x": 5, "y": 5}  # where it is drawn changes nothing
    await live.put(f"{W}/{workflow}", json=failing)
    second = (await retried(live, first, version="draft")).json()
    assert (second["status"], second["workflow_version"]) == ("succeeded", 2), second
    assert count(world, "a", "better") == [1, 1]


@pytest.mark.parametrize(("begin", "code"), [(["nothing"], "unknown_node"), (["other"], "not_run")])
async def test_where_no_retry_can_begin(live, failing, begin, code):
    first = await ran(live, await saved(live, failing), input="hi")
    answer = await retried(live, first, **{"from": begin})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_an_open_execution_is_not_retried(live, world):
    graph = drawn([START, call(world, "hold", "h"), OUTPUT], "s>h", "h>o")
    workflow = await saved(live, graph)
    opened = (await live.post(f"{W}/{workflow}/execute", json={})).json()
    answer = await retried(live, opened)
    assert (answer.status_code, answer.json()["code"]) == (409, "execution_open")
    world.release("h")


async def test_one_node_alone_with_given_and_with_recorded_values(live, world, failing):
    failing["nodes"].append({"id": "broken", "type": "condition", "config": {"expression": "1 +"}})
    failing["nodes"][3]["config"]["source"] = "def main(input, nodes):\n    return [input, nodes]"
    workflow = await saved(live, failing)
    answer = await live.post(
        f"{W}/{workflow}/nodes/big/test", json={"input": 3, "nodes": {"a": {"output": 4}}}
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["output"] == [3, {"a": {"output": 4, "meta": {}}}]
    assert (body["mode"], states(body)) == ("test", {"big": "succeeded"})
    failing["nodes"].pop()
    await live.put(f"{W}/{workflow}", json=failing)
    whole = await ran(live, workflow, input="hi")
    url = f"{W}/{workflow}/nodes/if/test"
    tried = (await live.post(url, json={"execution_id": whole["id"]})).json()
    assert tried["nodes"][0]["meta"]["branch"] == "true", tried
    assert count(world, "a") == [1]
    missing = await live.post(f"{W}/{workflow}/nodes/none/test", json={})
    assert missing.status_code == 404


async def test_a_dry_run_reaches_nothing_outside(live, world, failing):
    world.release("bad")
    workflow = await saved(live, failing)
    before = await ran(live, workflow, input="hi", dry_run=True)
    assert before["error"]["code"] == "no_recording"
    assert count(world, "a") == [0]
    await ran(live, workflow, input="hi")
    failing["nodes"][2]["config"]["assignments"]["x"] = "{input.name}!"
    dry = await ran(live, workflow, input="hi", dry_run=True)
    assert (dry["status"], dry["mode"], dry["output"]) == ("succeeded", "dry_run", "a! 1 40000")
    assert count(world, "a", "bad", "last") == [1, 1, 1]


async def test_pins_stand_for_nodes_where_they_are_asked_for(live, world, failing):
    world.release("bad")
    [a] = [node for node in failing["nodes"] if node["id"] == "a"]
    a["pinned"] = {"output": {"name": "a"}}
    workflow = await saved(live, failing)
    pinned = await ran(live, workflow, input="hi", use_pins=True)
    assert (pinned["status"], count(world, "a", "bad")) == ("succeeded", [0, 1]), pinned
    assert (await ran(live, workflow, input="hi"))["status"] == "succeeded"
    assert count(world, "a") == [1]
