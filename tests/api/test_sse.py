"""`GET /executions/{id}/events`: server-sent events, resumable, ending with the run."""

import asyncio
import json

import pytest

from api.live import sse

W, E = "/api/v1/workflows", "/api/v1/executions"


def gated(gate, name):
    return {"id": name, "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}


async def read(client, url, **options):
    """The events of a stream as (id, event, data), to its end."""
    got, current = [], {}
    async with asyncio.timeout(30), client.stream("GET", url, **options) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if not line:
                if "data" in current:
                    got.append((current.get("id"), current["event"], json.loads(current["data"])))
                current = {}
            else:
                name, _, value = line.partition(": ")
                current[name] = value
    return got


async def started(client, graph):
    workflow = (await client.post(W, json=graph)).json()["id"]
    return (await client.post(f"{W}/{workflow}/execute", json={"input": "hi"})).json()["id"]


async def finished(client, graph):
    workflow = (await client.post(W, json=graph)).json()["id"]
    answer = await client.post(f"{W}/{workflow}/execute?wait=30", json={"input": "hi"})
    assert answer.status_code == 200
    return answer.json()["id"]


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
    assert (await live.get(f"{E}/{execution}")).json()["status"] == "succeeded"


@pytest.mark.parametrize("how", ["header", "query", "both"])
async def test_a_stream_is_resumed(live, make_chain, how):
    execution = await finished(live, make_chain())
    headers = {"Last-Event-ID": "4"} if how != "query" else {}
    params = {} if how == "header" else {"last_seq": 4 if how == "query" else 1}
    events = await read(live, f"{E}/{execution}/events", headers=headers, params=params)
    assert [one[0] for one in events] == ["5", "6"]


async def test_a_finished_run_without_more_is_204(live, make_chain):
    execution = await finished(live, make_chain())
    answer = await live.get(f"{E}/{execution}/events", headers={"Last-Event-ID": "6"})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("bad", ["x", "-1", "1.5", "9" * 30, "²"])
async def test_a_bad_last_event_id_is_400(live, make_chain, bad):
    execution = await finished(live, make_chain())
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
