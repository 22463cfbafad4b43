"""The resource `execution` on real parts: Temporal, a worker process, the store."""

import asyncio
import time
from uuid import uuid4

import pytest

from api.executions import escalation
from pilot.graph.status import ExecutionStatus
from pilot.store import temporal_workflow_id

from .conftest import serving, settings_for

W, E = "/api/v1/workflows", "/api/v1/executions"


def gated(gate, name):
    return {"id": name, "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}


async def saved(client, graph):
    answer = await client.post(W, json=graph)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert [issue for issue in body["issues"] if issue["severity"] == "error"] == []
    return body["id"]


async def started(client, graph, **more):
    workflow = await saved(client, graph)
    answer = await client.post(f"{W}/{workflow}/execute", **{"json": {"input": "hi"}, **more})
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


async def until(client, execution_id, *statuses):
    async with asyncio.timeout(30):
        while True:
            body = (await client.get(f"{E}/{execution_id}")).json()
            if body["status"] in statuses:
                return body
            await asyncio.sleep(0.03)


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


# with a worker


async def test_a_run_from_execute_to_its_output(live, live_api, make_chain):
    workflow = await saved(
        live,
        make_chain(
            {"id": "llm", "type": "llm", "config": {"prompt_template": "Respond to: {input}"}}
        ),
    )
    answer = await live.post(f"{W}/{workflow}/execute", json={"input": "hi"})
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{E}/{body['id']}"
    assert body["workflow_id"] == workflow
    assert body["workflow_version"] == 1
    assert body["input"] == "hi"
    assert [node["id"] for node in body["nodes"]] == ["start", "llm", "output"]
    assert body["temporal"]["workflow_id"] == temporal_workflow_id(body["id"])
    assert body["temporal"]["url"] == (
        f"http://127.0.0.1:8233/namespaces/default/workflows/execution-{body['id']}"
        f"/{body['temporal']['run_id']}/history"
    )
    done = await until(live, body["id"], "succeeded", "failed")
    assert done["status"] == "succeeded", done
    assert done["output"]
    assert done["error"] is None
    assert {node["status"] for node in done["nodes"]} == {"succeeded"}
    assert done["nodes"][1]["output"]
    assert done["usage"].keys() == {"prompt_tokens", "completion_tokens", "cost_usd"}
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    description = await live_api.parts.runs.client.get_workflow_handle(
        temporal_workflow_id(body["id"])
    ).describe()
    assert await description.static_summary() == "Chain"
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes["PilotUser"] == "ada"
    assert attributes["PilotWorkflow"] == workflow


async def test_wait_answers_200_when_done_in_time(live, make_chain):
    workflow = await saved(live, make_chain())
    before = time.perf_counter()
    answer = await live.post(f"{W}/{workflow}/execute?wait=20", json={"input": {"a": [1]}})
    assert answer.status_code == 200
    assert time.perf_counter() - before < 5
    assert answer.json()["status"] == "succeeded"
    assert answer.json()["output"] == {"a": [1]}


async def test_wait_answers_202_when_not(live, gate, make_chain):
    workflow = await saved(live, make_chain(gated(gate, "late")))
    answer = await live.post(f"{W}/{workflow}/execute?wait=0.5", json={})
    assert answer.status_code == 202
    gate.open("late")
    await until(live, answer.json()["id"], "succeeded")


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan"])
async def test_a_bad_wait_is_refused(live, make_chain, wait):
    workflow = await saved(live, make_chain())
    answer = await live.post(f"{W}/{workflow}/execute?wait={wait}", json={})
    assert answer.status_code == 422


async def test_execute_needs_no_body(live, make_chain):
    workflow = await saved(live, make_chain())
    answer = await live.post(f"{W}/{workflow}/execute?wait=20")
    assert (answer.status_code, answer.json()["input"]) == (200, None)


async def test_a_failed_run_says_why_and_where(live, make_chain):
    bad = {"id": "c", "type": "code", "config": {"source": "1 / 0"}, "retry": {"max_attempts": 1}}
    body = await started(live, make_chain(bad))
    done = await until(live, body["id"], "failed")
    assert done["error"]["node_id"] == "c"
    assert done["error"]["code"]
    by_id = {node["id"]: node for node in done["nodes"]}
    assert by_id["c"]["status"] == "failed"
    assert by_id["c"]["error"]["message"]


async def test_cancel_is_idempotent_and_409_at_the_end(live, gate, make_chain):
    body = await started(live, make_chain(gated(gate, "never")))
    await gate.came("never")
    for _ in range(2):
        answer = await live.post(f"{E}/{body['id']}/cancel")
        assert answer.status_code in (202, 409)
        assert answer.status_code == 202 or answer.json()["code"] == "already_finished"
    done = await until(live, body["id"], "cancelled")
    assert {node["id"]: node["status"] for node in done["nodes"]}["never"] == "cancelled"
    for action in ("cancel", "pause", "resume"):
        answer = await live.post(f"{E}/{body['id']}/{action}")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_finished")


async def test_pause_starts_no_further_node_until_resume(live, gate, make_chain):
    body = await started(live, make_chain(gated(gate, "first"), gated(gate, "second")))
    await gate.came("first")
    assert (await live.post(f"{E}/{body['id']}/pause")).status_code == 202
    await until(live, body["id"], "paused")
    gate.open("first")
    await asyncio.sleep(0.3)
    paused = (await live.get(f"{E}/{body['id']}")).json()
    assert {n["id"]: n["status"] for n in paused["nodes"]}["second"] == "pending"
    assert (await live.post(f"{E}/{body['id']}/resume")).status_code == 202
    gate.open("second")
    await until(live, body["id"], "succeeded")


async def test_a_workflow_goes_with_its_open_executions_if_asked(live, gate, make_chain):
    workflow = (await live.post(W, json=make_chain(gated(gate, "doomed")))).json()["id"]
    bodies = [
        (await live.post(f"{W}/{workflow}/execute", json={"input": n})).json() for n in range(3)
    ]
    await gate.came("doomed")
    answer = await live.delete(f"{W}/{workflow}", params={"cancel_executions": True})
    assert answer.status_code == 204
    assert (await live.get(f"{W}/{workflow}")).status_code == 404
    for body in bodies:
        assert (await live.get(f"{E}/{body['id']}")).json()["status"] == "cancelled"
    again = await live.delete(f"{W}/{workflow}", params={"cancel_executions": True})
    assert again.status_code == 404


async def test_a_run_ends_at_its_time_limit(live, gate, make_chain):
    graph = {**make_chain(gated(gate, "never")), "timeout_s": 3600}
    undo = {"id": "undo", "type": "code", "config": {"source": "'undone'"}, "on_cancel": True}
    graph["nodes"] = [*graph["nodes"], undo]
    workflow = await saved(live, graph)
    assert (await live.get(f"{W}/{workflow}")).json()["timeout_s"] == 3600
    key = {"Idempotency-Key": "limited"}
    path = f"{W}/{workflow}/execute"
    run = (await live.post(path, json={"timeout_s": 1}, headers=key)).json()
    assert run["timeout_s"] == 1
    other = await live.post(path, json={"timeout_s": 2}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"
    done = await until(live, run["id"], "timed_out", "failed", "cancelled")
    assert done["status"] == "timed_out"
    assert done["error"]["code"] == "timed_out"
    nodes = {node["id"]: (node["status"], node["reason"], node["output"]) for node in done["nodes"]}
    assert nodes["never"] == ("cancelled", "execution_timed_out", None)
    assert nodes["output"] == ("skipped", "execution_timed_out", None)
    assert nodes["undo"] == ("succeeded", None, "undone")
    again = await live.post(path, json={"timeout_s": 1}, headers=key)
    assert (again.status_code, again.json()["status"]) == (202, "timed_out")


async def test_a_call_may_only_shorten_the_time_limit(live, make_chain):
    workflow = await saved(live, {**make_chain(), "timeout_s": 60})
    answer = await live.post(f"{W}/{workflow}/execute?wait=20", json={"timeout_s": 600})
    assert (answer.json()["status"], answer.json()["timeout_s"]) == ("succeeded", 60)
    for wrong in (0, -1, "soon", 1e10):
        answer = await live.post(f"{W}/{workflow}/execute", json={"timeout_s": wrong})
        assert answer.status_code == 422, wrong


async def test_an_open_execution_keeps_its_workflow(live, gate, make_chain):
    body = await started(live, make_chain(gated(gate, "hold")))
    answer = await live.delete(f"{W}/{body['workflow_id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "open_executions")
    gate.open("hold")
    await until(live, body["id"], "succeeded")
    assert (await live.delete(f"{W}/{body['workflow_id']}")).status_code == 204
    assert (await live.get(f"{E}/{body['id']}")).status_code == 200


# idempotency


async def test_the_same_key_is_the_same_execution_however_often_and_at_once(live, make_chain):
    workflow = await saved(live, make_chain())
    answers = await asyncio.gather(
        *(
            live.post(
                f"{W}/{workflow}/execute",
                json={"input": {"n": 1.0}},
                headers={"Idempotency-Key": "order 7"},
            )
            for _ in range(8)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert replayed.count(None) == 1
    listed = await live.get(E, params={"workflow_id": workflow})
    assert len(listed.json()["items"]) == 1
    await until(live, answers[0].json()["id"], "succeeded")
    again = await live.post(
        f"{W}/{workflow}/execute",
        json={"input": {"n": 1.0}},
        headers={"Idempotency-Key": "order 7"},
    )
    assert (again.status_code, again.json()["status"]) == (202, "succeeded")


async def test_a_key_of_another_input_user_or_workflow(live, live_api, make_chain):
    workflow, other = await saved(live, make_chain()), await saved(live, make_chain())
    key = {"Idempotency-Key": "k"}
    first = await live.post(f"{W}/{workflow}/execute", json={"input": 1}, headers=key)
    for reused in (2, True, "1", None):
        answer = await live.post(f"{W}/{workflow}/execute", json={"input": reused}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = await live.post(f"{W}/{other}/execute", json={"input": 1}, headers=key)
    assert elsewhere.json()["id"] != first.json()["id"]


async def test_a_key_stays_with_its_version(live, make_chain):
    workflow = await saved(live, make_chain())
    key = {"Idempotency-Key": "v"}
    first = await live.post(f"{W}/{workflow}/execute", json={}, headers=key)
    await live.put(f"{W}/{workflow}", json=make_chain(name="Changed"))
    again = await live.post(f"{W}/{workflow}/execute", json={}, headers=key)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["workflow_version"] == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb"])
async def test_a_bad_key_is_refused(client, make_chain, key):
    workflow = await saved(client, make_chain())
    answer = await client.post(
        f"{W}/{workflow}/execute", json={}, headers={"Idempotency-Key": key.encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert (await client.get(E, params={"workflow_id": workflow})).json()["items"] == []


# refused before anything is written


async def refused(client, workflow, given, code):
    answer = await client.post(f"{W}/{workflow}/execute", json=given)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    listed = await client.get(E, params={"workflow_id": workflow})
    assert listed.json()["items"] == []
    return answer.json()


async def test_a_graph_with_errors_is_not_run(client):
    draft = {"name": "x", "nodes": [{"id": "a", "type": "llm"}], "edges": []}
    workflow = (await client.post(W, json=draft)).json()
    body = await refused(client, workflow["id"], {}, "invalid_graph")
    assert body["issues"] == workflow["issues"]


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({}, "missing_input", "input.age"),
        ({"input": {}}, "missing_input", "input.age"),
        ({"input": {"age": "x"}}, "invalid_input", "input.age"),
        ({"input": {"age": True}}, "invalid_input", "input.age"),
        ({"input": 5}, "invalid_input", "input"),
    ],
)
async def test_a_bad_input_is_refused(client, make_chain, given, code, field):
    graph = make_chain()
    graph["nodes"][0]["config"] = {"inputs": [{"name": "age", "type": "integer"}]}
    workflow = await saved(client, graph)
    body = await refused(client, workflow, given, "invalid_input")
    assert (body["issues"][0]["code"], body["issues"][0]["field"]) == (code, field)


async def test_unknown_fields_of_execute_are_refused(client, make_chain):
    workflow = await saved(client, make_chain())
    await refused(client, workflow, {"inputs": 1}, "invalid_request")


@pytest.mark.parametrize(("payloads", "most"), [("off", 1_900_000), (None, 2_000_000)])
async def test_what_a_run_cannot_take_is_refused(tmp_path, make_chain, payloads, most):
    """Without a payload store that is what Temporal can carry."""
    settings = settings_for(tmp_path, pilot_payloads=payloads, pilot_payloads_max_mb=2)
    async with serving(settings) as api:
        client = api.client()
        text = "x" * (most // 2 + 25_000)
        config = {"prompt_template": text, "system_template": text}
        large = {"id": "l", "type": "llm", "config": config}
        workflow = await saved(client, make_chain(large))
        await refused(client, workflow, {}, "graph_too_large")
        workflow = await saved(client, make_chain())
        body = await refused(client, workflow, {"input": "x" * most}, "input_too_large")
        assert f"{most - 100_000:,}"[:3] in body["detail"]


async def test_too_deep_an_input_is_refused(client, make_chain):
    workflow = await saved(client, make_chain())
    deep = "x"
    for _ in range(91):
        deep = [deep]
    await refused(client, workflow, {"input": deep}, "input_too_deep")


# lists


async def test_lists_are_filtered_and_paged(live, make_chain):
    workflow = await saved(live, make_chain())
    ids = []
    for n in range(3):
        answer = await live.post(f"{W}/{workflow}/execute?wait=20", json={"input": n})
        ids.append(answer.json()["id"])
    page = (await live.get(E, params={"workflow_id": workflow, "limit": 2})).json()
    assert [item["id"] for item in page["items"]] == ids[:0:-1]
    rest = (
        await live.get(
            E, params={"workflow_id": workflow, "limit": 2, "cursor": page["next_cursor"]}
        )
    ).json()
    assert [item["id"] for item in rest["items"]] == ids[:1]
    assert rest["next_cursor"] is None
    assert not page["items"][0].keys() & {"input", "output", "nodes"}
    for status, count in (("succeeded", 3), ("running", 0)):
        found = await live.get(E, params={"workflow_id": workflow, "status": status})
        assert len(found.json()["items"]) == count
    for bad in ({"status": "odd"}, {"workflow_id": "odd"}):
        assert (await live.get(E, params=bad)).status_code == 422


# without Temporal


async def test_temporal_down_is_503_and_the_key_finishes_the_job(
    client, api, live_api, make_chain, serve, worker, just_gone
):
    workflow = await saved(client, make_chain())
    key = {"Idempotency-Key": "down"}
    answer = await client.post(f"{W}/{workflow}/execute", json={"input": 1}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (503, "temporal_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    row = (await client.get(answer.headers["location"])).json()
    assert (row["status"], row["temporal"]["run_id"]) == ("queued", None)
    await client.put(f"{W}/{workflow}", json=make_chain(name="Newer"))
    # the same store, and Temporal is there
    serving, settings_for = serve
    back = settings_for(
        api.settings.pilot_data_dir,
        temporal_address=live_api.settings.temporal_address,
        temporal_task_queue="nobody-polls",
    )
    async with serving(back) as up:
        again = await up.client().post(f"{W}/{workflow}/execute", json={"input": 1}, headers=key)
        assert again.status_code == 202
        assert again.json()["id"] == row["id"]
        assert again.json()["workflow_version"] == 1
        assert again.json()["temporal"]["run_id"]
        assert (await up.client().post(f"{E}/{row['id']}/cancel")).status_code == 202


async def test_what_was_never_started_is_cancelled_in_the_store(
    client, api, live_api, make_chain, serve, monkeypatch, just_gone
):
    workflow = await saved(client, make_chain())
    answer = await client.post(f"{W}/{workflow}/execute", json={})
    url = answer.headers["location"]
    serving, settings_for = serve
    back = settings_for(
        api.settings.pilot_data_dir, temporal_address=live_api.settings.temporal_address
    )
    async with serving(back) as up:
        young = await up.client().post(f"{url}/cancel")
        assert (young.status_code, young.json()["status"]) == (202, ExecutionStatus.QUEUED)
        paused = await up.client().post(f"{url}/pause")
        assert (paused.status_code, paused.json()["code"]) == (409, "not_started")
        monkeypatch.setattr(escalation, "START_GRACE", escalation.START_GRACE * 0)
        done = await up.client().post(f"{url}/cancel")
        assert (done.status_code, done.json()["status"]) == (202, ExecutionStatus.CANCELLED)
        assert (await up.client().post(f"{url}/cancel")).status_code == 409
        assert (await up.client().delete(f"{W}/{workflow}")).status_code == 204


async def test_health_names_each_part(api, live_api, worker):
    down = (await api.client(None).get("/health")).json()
    assert down["status"] == "degraded"
    assert down["parts"]["temporal"]["status"] == "down"
    assert down["parts"]["store"]["status"] == "ok"
    up = await live_api.client(None).get("/health")
    assert up.status_code == 200
    assert up.json()["status"] == "ok", up.text
    parts = up.json()["parts"]
    assert parts.keys() >= {"temporal", "store", "worker", "sandbox", "bus"}
    assert parts["sandbox"]["layers"][0] == "rlimits"
    assert down["parts"]["sandbox"]["status"] == "down"
    root = (await api.client(None).get("/")).json()
    assert root["name"] == "πlot"
    assert root["version"]


async def test_health_is_503_when_the_store_is_down(serve, tmp_path, monkeypatch):
    serving, settings_for = serve
    async with serving(settings_for(tmp_path)) as api:

        async def broken(_self):
            raise OSError("no such host db.internal")

        monkeypatch.setattr(type(api.parts.store), "ping", broken)
        answer = await api.client(None).get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "down")
        assert "db.internal" not in answer.text


# tenancy


async def test_another_users_object_is_404_on_every_route(live_api, worker, make_chain):
    ada, eve = live_api.client("ada"), live_api.client("eve")
    body = await started(ada, make_chain())
    workflow, execution = f"{W}/{body['workflow_id']}", f"{E}/{body['id']}"
    calls = [
        ("GET", workflow, None),
        ("PUT", workflow, make_chain()),
        ("DELETE", workflow, None),
        ("POST", f"{workflow}/execute", {}),
        ("GET", execution, None),
        ("GET", f"{execution}/events", None),
        ("POST", f"{execution}/cancel", None),
        ("POST", f"{execution}/pause", None),
        ("POST", f"{execution}/resume", None),
    ]
    for method, url, given in calls:
        answer = await eve.request(method, url, json=given)
        assert answer.status_code == 404, (method, url, answer.text)
        unknown = await eve.request(
            method, url.replace(url.split("/")[4], str(uuid4())), json=given
        )
        assert unknown.status_code == 404
        stranger = await live_api.client(None).request(method, url, json=given)
        assert stranger.status_code == 401, (method, url)
    for url in (W, E):
        items = (await eve.get(url)).json()["items"]
        assert body["id"] not in {i["id"] for i in items}
        assert body["workflow_id"] not in {i["id"] for i in items}
    assert (await ada.get(workflow)).status_code == 200


async def test_no_route_of_the_api_is_without_a_check(live_api):
    from api.app import create_app

    app = create_app(live_api.settings.model_copy(update={"debug": True}))
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            url = path.replace("{workflow_id}", str(uuid4())).replace(
                "{execution_id}", str(uuid4())
            )
            answer = await live_api.client(None).request(method.upper(), url)
            expected = 401 if path.startswith("/api/") else 200
            if path in ("/api/v1/hooks/{token}", "/api/v1/webhooks/{token}"):  # nobody signs in
                expected = 404
            assert answer.status_code == expected, (method, path)


@pytest.mark.parametrize(
    "given",
    [2**70, -(2**63) - 1, 1e-300, 0.1, "\x00", "π😀\u2028", [[]] * 3, {"": {"a.b": None}}, "deep"],
)
async def test_any_json_goes_through_a_run_unchanged(live, make_chain, given):
    if given == "deep":
        given = "x"
        for _ in range(90):
            given = [given]
    workflow = await saved(live, make_chain())
    answer = await live.post(f"{W}/{workflow}/execute?wait=20", json={"input": given})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "succeeded", body["error"]
    assert body["input"] == given
    assert body["output"] == given
