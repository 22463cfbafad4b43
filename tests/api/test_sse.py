"""`GET /executions/{id}/events`: server-sent events, resumable, ending with the run."""

import asyncio
import json
import shutil

import pytest

from api.live import sse
from tests.sockets import E, W, finished, gated, started


async def read(client, url, method="GET", **options):
    """The events of a stream as (id, event, data), to its end."""
    async with asyncio.timeout(30), client.stream(method, url, **options) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return parsed([line async for line in answer.aiter_lines()])


def parsed(lines):
    got, current = [], {}
    for line in lines:
        if not line:
            if "data" in current:
                got.append((current.get("id"), current["event"], json.loads(current["data"])))
            current = {}
        else:
            name, _, value = line.partition(": ")
            current[name] = value
    return got


async def recorded(client, execution_id):
    """Waits until the store has the run's success, which watchers are told of before."""
    async with asyncio.timeout(20):
        while (row := (await client.get(f"{E}/{execution_id}")).json())["status"] != "succeeded":
            assert row["status"] in ("queued", "running")
            await asyncio.sleep(0.05)


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


async def test_a_run_is_streamed_from_its_first_event_to_its_last(live, gate, make_chain):
    execution = await started(live, make_chain(gated(gate, "sse")))
    reading = asyncio.create_task(read(live, f"{E}/{execution}/events"))
    await gate.came("sse")
    gate.open("sse")
    events = await reading
    assert [int(one[0]) for one in events if one[0]] == list(range(1, len(events) + 1))
    assert events[0][1] == "execution.started"
    assert events[-1][1] == "execution.succeeded"
    assert all(name == data["type"] for _, name, data in events)
    await recorded(live, execution)


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_a_stream_is_resumed(live, make_chain, how):
    execution = (await finished(live, make_chain()))["id"]
    headers = {"Last-Event-ID": "4"} if how != "query" else {}
    params = {} if how == "header" else {"last_seq": 4 if how == "query" else 1}
    events = await read(live, f"{E}/{execution}/events", headers=headers, params=params)
    assert [one[0] for one in events] == ["5", "6"]


async def test_a_finished_run_without_more_is_204(live, make_chain):
    execution = (await finished(live, make_chain()))["id"]
    answer = await live.get(f"{E}/{execution}/events", headers={"Last-Event-ID": "6"})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_a_bad_last_event_id_is_400(live, make_chain, bad):
    execution = (await finished(live, make_chain()))["id"]
    answer = await live.get(f"{E}/{execution}/events", headers={"Last-Event-ID": bad.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_last_event_id")


async def test_a_quiet_stream_has_heartbeats(live, gate, make_chain, monkeypatch):
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.1)
    execution = await started(live, make_chain(gated(gate, "quiet")))
    await gate.came("quiet")
    beats = 0
    async with live.stream("GET", f"{E}/{execution}/events") as answer:
        async for line in answer.aiter_lines():
            beats += line.startswith(":")
            if beats == 2:
                break
    gate.open("quiet")


async def test_a_stream_ends_with_its_token(live_api, worker, gate, make_chain, monkeypatch):
    monkeypatch.setattr(sse, "LEEWAY_S", 0)
    execution = await started(live_api.client(), make_chain(gated(gate, "expire")))
    await gate.came("expire")
    headers = {"Authorization": f"Bearer {live_api.token(ttl_s=3)}"}
    events = await read(live_api.client(None), f"{E}/{execution}/events", headers=headers)
    assert events
    assert events[-1][1] != "execution.succeeded"
    gate.open("expire")


async def test_tokens_are_streamed_without_an_id(live, make_chain):
    llm = {"id": "llm", "type": "llm", "config": {"prompt_template": "Respond to: {input}"}}
    execution = await started(live, make_chain(llm))
    events = await read(live, f"{E}/{execution}/events")
    tokens = [one for one in events if one[1] == "llm.token"]
    assert all(one[0] is None for one in tokens)


async def test_open_streams_end_when_the_server_stops(serve, live_api, gate, make_chain, worker):
    execution = await started(live_api.client(), make_chain(gated(gate, "stopping")))
    await gate.came("stopping")
    serving, settings_for = serve
    settings = settings_for(
        live_api.settings.pilot_data_dir, temporal_address=live_api.settings.temporal_address
    )
    async with serving(settings) as api:
        reading = asyncio.create_task(read(live_api.client(), f"{api.url}{E}/{execution}/events"))
        await asyncio.sleep(0.3)
        assert not reading.done()
        before = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - before < 3
    assert len(await reading) >= 3
    gate.open("stopping")


# execute?stream=true


def url(workflow):
    return f"{W}/{workflow}/execute?stream=true"


async def saved(client, graph):
    return (await client.post(W, json=graph)).json()["id"]


async def test_one_request_starts_a_run_and_streams_it(live, make_chain):
    workflow = await saved(live, make_chain())
    async with live.stream("POST", url(workflow), json={"input": "hi"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        location = answer.headers["location"]
        events = parsed([line async for line in answer.aiter_lines()])
    first = events[0][2]
    assert (first["type"], first["status"], first["seq"]) == ("snapshot", "queued", 0)
    assert location == f"{E}/{first['execution_id']}"
    assert [int(one[0]) for one in events[1:]] == list(range(1, 7))
    await recorded(live, first["execution_id"])


async def test_the_same_key_streams_the_same_run_from_where_the_client_is(live, make_chain):
    workflow = await saved(live, make_chain())
    key = {"Idempotency-Key": "a-stream"}
    first = await read(live, url(workflow), method="POST", json={"input": "hi"}, headers=key)
    await recorded(live, first[0][2]["execution_id"])
    again = await read(live, url(workflow), method="POST", json={"input": "hi"}, headers=key)
    rest = await read(
        live,
        url(workflow),
        method="POST",
        json={"input": "hi"},
        headers={**key, "Last-Event-ID": "4"},
    )
    durable = [one for one in first if one[1] != "snapshot"]
    assert again == durable
    assert rest == durable[4:]
    other = await live.post(url(workflow), json={"input": "other"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_who_hangs_up_cancels_nothing(live, gate, make_chain):
    workflow = await saved(live, make_chain(gated(gate, "hang-up")))
    async with live.stream("POST", url(workflow), json={"input": "hi"}) as answer:
        location = answer.headers["location"]
        await gate.came("hang-up")
    gate.open("hang-up")
    await recorded(live, location.rpartition("/")[2])


async def test_what_cannot_start_is_a_problem_and_no_stream(live):
    broken = await live.post(W, json={"name": "broken", "nodes": [], "edges": []})
    answer = await live.post(url(broken.json()["id"]), json={"input": "hi"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_streams_count_as_connections(live, live_api, gate, make_chain, monkeypatch):
    workflow = await saved(live, make_chain(gated(gate, "count")))
    monkeypatch.setattr(live_api.parts.connections, "per_user", 1)
    async with live.stream("POST", url(workflow), json={"input": "hi"}) as answer:
        assert answer.status_code == 200
        await gate.came("count")
        events = f"{answer.headers['location']}/events"
        before = (await live.get(E, params={"workflow_id": workflow})).json()["items"]
        for refused in (await live.get(events), await live.post(url(workflow), json={})):
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_connections")
        # the refused one has started nothing
        after = (await live.get(E, params={"workflow_id": workflow})).json()["items"]
        assert [one["id"] for one in after] == [one["id"] for one in before]
    gate.open("count")
    async with asyncio.timeout(20):
        while (await live.get(events)).status_code == 429:
            await asyncio.sleep(0.05)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_curl_shows_a_run_readably(live, live_api, make_chain):
    workflow = await saved(live, make_chain())
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-sN", "-H", f"Authorization: Bearer {live_api.token()}"),
        *("--json", '{"input": "hi"}', f"{live_api.url}{url(workflow)}"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        output, _ = await curl.communicate()
    lines = output.decode().splitlines()
    assert lines[0] == "retry: 1000"
    at = lines.index("event: execution.started")
    assert lines[at - 1] == "id: 1"
    assert lines[at + 1].startswith('data: {"type":"execution.started","execution_id":"')
    assert lines[at + 2] == ""
    assert "event: execution.succeeded" in lines
