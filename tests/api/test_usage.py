"""Usage and budgets: on a real worker where runs are counted, over HTTP where they are shown."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from pilot.graph.status import ExecutionStatus
from pilot.store import Execution
from pilot.store.usage import CallKey, ModelCall
from tests.openai_server import Reply, openai_server

W, E = "/api/v1/workflows", "/api/v1/executions"
USAGE, BUDGETS = "/api/v1/usage", "/api/v1/budgets"
USED = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
ASK = {"id": "ask", "type": "llm", "config": {"prompt_template": "Say {input}"}}
NONE = {"tokens_per_day": None, "usd_per_day": None}


async def saved(client, graph):
    answer = await client.post(W, json=graph)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def until(client, execution_id, *statuses):
    async with asyncio.timeout(30):
        while True:
            body = (await client.get(f"{E}/{execution_id}")).json()
            if body["status"] in statuses:
                return body
            await asyncio.sleep(0.03)


def used(number=1, *, owner="ada", workflow="flow", model="gpt-4o", days_ago=0):
    return ModelCall(
        CallKey(str(uuid4()), "ask", "", "run", 1, number),
        owner,
        workflow,
        model,
        100,
        50,
        700_000_000,
        datetime.now(UTC) - timedelta(days=days_ago),
    )


@pytest.fixture
def someone():
    """A user whom no other test knows."""
    return f"user-{uuid4()}"


@pytest.fixture
async def model():
    async with openai_server() as server:
        yield server


def asking(model, **more):
    config = {
        "prompt_template": "Say {input}",
        "model": "gpt-4o",
        "api_base": model.base_url,
        **more,
    }
    return {"id": "ask", "type": "llm", "config": config, "retry": {"initial_s": 0.05}}


# with a worker


async def test_a_runs_usage_counts_its_failed_attempts(
    live_api, worker, model, make_chain, someone
):
    live = live_api.client(someone)
    model.script(*[Reply("no json", usage=USED)] * 2, Reply("{}", usage=USED))
    flow = await saved(live, make_chain(asking(model, response_format={"type": "json_object"})))
    answer = await live.post(f"{W}/{flow}/execute?wait=30", json={"input": "hi"})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "succeeded"), body
    assert body["usage"]["prompt_tokens"] == 300
    assert body["usage"]["completion_tokens"] == 150
    [node] = [node for node in body["nodes"] if node["id"] == "ask"]
    assert node["meta"]["usage"]["total_tokens"] == 150
    assert node["meta"]["usage_total"]["total_tokens"] == 450
    assert body["usage"]["cost_usd"] == pytest.approx(3 * node["meta"]["usage"]["cost_usd"])
    report = (await live.get(USAGE, params={"group_by": "workflow,model"})).json()
    [row] = report["items"]
    assert (row["workflow_id"], row["model"], row["calls"]) == (flow, "gpt-4o", 3)
    assert row["total_tokens"] == 450
    assert row["cost_usd"] == pytest.approx(body["usage"]["cost_usd"])


async def test_a_cancelled_runs_usage_is_settled(live_api, worker, model, make_chain, someone):
    live = live_api.client(someone)
    model.script(Reply("one two three", stall_after=2))
    flow = await saved(live, make_chain(asking(model)))
    body = (await live.post(f"{W}/{flow}/execute", json={"input": "hi"})).json()
    async with asyncio.timeout(20):
        while not model.requests:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    await live.post(f"{E}/{body['id']}/cancel")
    await until(live, body["id"], "cancelled")
    async with asyncio.timeout(5):
        while not (await live.get(f"{E}/{body['id']}")).json()["usage"]["completion_tokens"]:
            await asyncio.sleep(0.05)
    report = (await live.get(USAGE)).json()
    assert report["total"]["estimated_calls"] == 1
    assert report["total"]["completion_tokens"] == 2


async def test_a_used_up_budget_refuses_the_next_run(live_api, worker, make_chain, someone):
    live = live_api.client(someone)
    flow = await saved(live, make_chain(ASK))
    assert (await live.put(BUDGETS, json={"tokens_per_day": 1})).status_code == 200
    first = await live.post(f"{W}/{flow}/execute?wait=30", json={"input": "hi"})
    assert first.json()["status"] == "succeeded", first.json()
    before = (await live.get(E)).json()["items"]
    refused = await live.post(f"{W}/{flow}/execute", json={"input": "hi"})
    assert refused.status_code == 429
    assert refused.json()["code"] == "budget_exceeded"
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert (await live.get(E)).json()["items"] == before
    # what asks no model costs nothing
    free = await saved(live, make_chain())
    assert (await live.post(f"{W}/{free}/execute?wait=30", json={})).status_code == 200
    other = live_api.client(f"{someone}-2")
    theirs = await saved(other, make_chain(ASK))
    answer = await other.post(f"{W}/{theirs}/execute?wait=30", json={"input": "hi"})
    assert answer.json()["status"] == "succeeded"


async def test_fifty_runs_at_once_go_over_a_budget_by_one_call(
    live_api, worker, model, make_chain, someone
):
    live = live_api.client(someone)
    model.script(*[Reply(" ".join(["word"] * 20), pause_s=0.002)] * 50)
    flow = await saved(live, make_chain(asking(model, max_tokens=20)))
    await live.put(f"{W}/{flow}/budget", json={"tokens_per_day": 220})
    answers = await asyncio.gather(
        *(live.post(f"{W}/{flow}/execute?wait=60", json={"input": "hi"}) for _ in range(50))
    )
    ended = [answer.json() for answer in answers]
    done = [body for body in ended if body.get("status") == "succeeded"]
    codes = {
        body.get("code") or body["error"]["code"]
        for body in ended
        if body.get("status") != "succeeded"
    }
    assert codes == {"budget_exceeded"}
    spent = (await live.get(f"{W}/{flow}/budget")).json()["used"]
    assert 220 <= spent["tokens"] <= 220 + 22
    assert spent["reserved_tokens"] == 0
    assert len(model.requests) == len(done)


# budgets


async def test_a_budget_is_set_read_and_removed(api, someone):
    client = api.client(someone)
    fresh = (await client.get(BUDGETS)).json()
    assert {name: fresh[name] for name in NONE} == NONE
    assert (fresh["ceiling"], fresh["effective"]) == (NONE, NONE)
    assert fresh["used"] == {"tokens": 0, "usd": 0, "reserved_tokens": 0, "reserved_usd": 0}
    resets = datetime.fromisoformat(fresh["resets_at"])
    assert timedelta() < resets - datetime.now(UTC) <= timedelta(days=1)
    answer = await client.put(BUDGETS, json={"tokens_per_day": 200, "usd_per_day": 0.1})
    assert answer.status_code == 200
    assert (answer.json()["tokens_per_day"], answer.json()["usd_per_day"]) == (200, 0.1)
    await api.parts.store.usage.record(used(owner=someone))
    shown = (await client.get(BUDGETS)).json()
    assert shown["effective"] == {"tokens_per_day": 200, "usd_per_day": 0.1}
    assert (shown["used"]["tokens"], shown["used"]["usd"]) == (150, 0.7)
    for _ in range(2):
        assert (await client.delete(BUDGETS)).status_code == 204
    assert (await client.get(BUDGETS)).json()["tokens_per_day"] is None


async def test_a_workflows_budget_is_its_owners(api, client, make_chain, someone):
    flow = await saved(client, make_chain())
    url = f"{W}/{flow}/budget"
    assert (await client.put(url, json={"usd_per_day": 2})).json()["usd_per_day"] == 2
    await api.parts.store.usage.record(used(workflow=flow))
    assert (await client.get(url)).json()["used"]["tokens"] == 150
    stranger = api.client(someone)
    for answer in (
        await stranger.get(url),
        await stranger.put(url, json={"usd_per_day": 1}),
        await stranger.delete(url),
    ):
        assert answer.status_code == 404
    assert (await client.delete(url)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"tokens_per_day": -1},
        {"tokens_per_day": 1.5},
        {"tokens_per_day": True},
        {"tokens_per_day": 10**30},
        {"usd_per_day": -0.01},
        {"usd_per_day": "much"},
        {"usd_per_day": 1e300},
        {"other": 1},
        [],
    ],
)
async def test_a_strange_budget_is_refused(client, body):
    assert (await client.put(BUDGETS, json=body)).status_code == 422


async def test_nobody_goes_above_the_operators_ceiling(tmp_path, serve, make_chain):
    serving, settings_for = serve
    settings = settings_for(
        tmp_path, pilot_budget_tokens_per_day=100, pilot_budget_usd_per_day="0.5"
    )
    async with serving(settings) as api:
        client = api.client()
        shown = (await client.get(BUDGETS)).json()
        limits = {"tokens_per_day": 100, "usd_per_day": 0.5}
        assert (shown["ceiling"], shown["effective"]) == (limits, limits)
        for body in ({"tokens_per_day": 101}, {"usd_per_day": 0.51}):
            answer = await client.put(BUDGETS, json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "budget_over_ceiling")
            assert "100 tokens and $0.5" in answer.json()["detail"]
        answer = await client.put(BUDGETS, json={"tokens_per_day": 50})
        assert answer.json()["effective"] == {"tokens_per_day": 50, "usd_per_day": 0.5}
        await client.delete(BUDGETS)
        await api.parts.store.usage.record(used())
        flow = await saved(client, make_chain(ASK))
        answer = await client.post(f"{W}/{flow}/execute", json={"input": "hi"})
        assert (answer.status_code, answer.json()["code"]) == (429, "budget_exceeded")


# the report


@pytest.fixture
async def reported(api, someone):
    """Usage of three days, two workflows and two models."""
    for days_ago in (0, 1, 40):
        for workflow in ("a", "b"):
            for model_name in ("big", "small"):
                await api.parts.store.usage.record(
                    used(owner=someone, workflow=workflow, model=model_name, days_ago=days_ago)
                )
    return api.client(someone)


async def test_the_report_groups_and_sums(reported):
    body = (await reported.get(USAGE)).json()
    today = datetime.now(UTC).date()
    assert [date.fromisoformat(item["day"]) for item in body["items"]] == [
        today,
        today - timedelta(days=1),
    ]
    assert body["items"][0] == {
        "calls": 4,
        "prompt_tokens": 400,
        "completion_tokens": 200,
        "total_tokens": 600,
        "cost_usd": 2.8,
        "unpriced_calls": 0,
        "estimated_calls": 0,
        "day": today.isoformat(),
    }
    assert (body["total"]["calls"], body["to"]) == (8, today.isoformat())
    long_ago = (today - timedelta(days=50)).isoformat()
    body = (await reported.get(USAGE, params={"from": long_ago, "group_by": "model"})).json()
    assert [(item["model"], item["calls"]) for item in body["items"]] == [("small", 6), ("big", 6)]
    body = (await reported.get(USAGE, params={"from": today, "to": today, "group_by": ""})).json()
    assert [item["calls"] for item in body["items"]] == [4]


async def test_the_report_comes_in_pages(reported):
    query = {"group_by": "day, workflow,model", "limit": 3}
    items, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        body = (await reported.get(USAGE, params={**query, **more})).json()
        items += body["items"]
        assert body["total"]["calls"] == 8
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert len({(item["day"], item["workflow_id"], item["model"]) for item in items}) == 8


async def test_usage_is_ones_own(reported, api):
    stranger = api.client(f"stranger-{uuid4()}")
    body = (await stranger.get(USAGE)).json()
    assert (body["items"], body["total"]["calls"]) == ([], 0)
    assert (await api.client(None).get(USAGE)).status_code == 401
    assert (await api.client(None).get(BUDGETS)).status_code == 401


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"from": "2026-02-02", "to": "2026-02-01"}, 422, "invalid_range"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, 422, "invalid_range"),
        ({"from": "yesterday"}, 422, "invalid_request"),
        ({"group_by": "user"}, 422, "invalid_group_by"),
        ({"cursor": "x"}, 400, "invalid_cursor"),
        ({"limit": 0}, 422, "invalid_request"),
    ],
)
async def test_a_strange_report_is_refused(client, query, status, code):
    answer = await client.get(USAGE, params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "query",
    [{"to": "0001-01-02"}, {"from": "9999-12-31"}, {"from": "9999-12-31", "to": "9999-12-31"}],
)
async def test_the_ends_of_time(client, query):
    answer = await client.get(USAGE, params=query)
    assert answer.status_code == 200
    assert answer.json()["items"] == []


async def test_executions_are_counted_by_day(api, someone, make_chain):
    client = api.client(someone)
    flow, other = await saved(client, make_chain()), await saved(client, make_chain())
    now = datetime.now(UTC)
    for workflow in (flow, flow, other):
        await api.parts.store.create_execution(row(someone, workflow, now))
    await api.parts.store.create_execution(row(someone, flow, now - timedelta(days=40)))
    url = f"{USAGE}/executions"
    body = (await client.get(url)).json()
    assert body["to"] == str(now.date())
    assert body["items"] == [{"day": str(now.date()), "total": 3, "statuses": {"queued": 3}}]
    of_one = (await client.get(url, params={"workflow_id": flow})).json()
    assert [day["total"] for day in of_one["items"]] == [2]
    since = str((now - timedelta(days=41)).date())
    wider = (await client.get(url, params={"from": since})).json()
    assert [day["total"] for day in wider["items"]] == [1, 3]
    assert (await client.get(url, params={"from": "2020-01-01"})).status_code == 422
    listed = await client.get(E, params={"from": str((now - timedelta(days=1)).date())})
    assert len(listed.json()["items"]) == 3
    listed = await client.get(E, params={"to": str((now - timedelta(days=1)).date())})
    assert len(listed.json()["items"]) == 1
    assert (await client.get(E, params={"from": "yesterday"})).status_code == 422
    assert (await client.get(E, params={"from": "0"})).status_code == 422
    assert (await client.get(E, params={"to": "9999-12-31"})).status_code == 200


def row(owner, workflow, at):
    return Execution(str(uuid4()), owner, workflow, 1, ExecutionStatus.QUEUED, None, at)
