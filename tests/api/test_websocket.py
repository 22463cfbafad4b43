"""`/ws/{user_id}` with a real client: tokens, close codes, replay, no gap and no double."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import datetime

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.keysets import KeysUnavailableError
from api.live import websocket as websocket_module
from tests.sockets import (
    E,
    closed_with,
    finished,
    gated,
    message,
    open_socket,
    pong,
    seqs,
    started,
    until_end,
    variable,
)


@pytest.fixture
def live(live_api, worker):
    return live_api.client()


# a run, live


async def test_the_chatbots_steps_arrive_in_order(live, live_api, make_chain):
    llm = {"id": "llm", "type": "llm", "config": {"prompt_template": "Respond to: {input}"}}
    async with open_socket(live_api) as socket:
        execution = await started(live, make_chain(llm))
        events = await until_end(socket, execution)
    durable = [one for one in events if "seq" in one]
    assert seqs(events) == list(range(1, len(durable) + 1))
    assert [(one["type"], one.get("node_id")) for one in durable] == [
        ("execution.started", None),
        ("node.started", "start"),
        ("node.succeeded", "start"),
        ("node.started", "llm"),
        ("node.succeeded", "llm"),
        ("node.started", "output"),
        ("node.succeeded", "output"),
        ("execution.succeeded", None),
    ]
    tokens = [one for one in events if one["type"] == "llm.token"]
    answer = next(o for o in durable if (o["type"], o.get("node_id")) == ("node.succeeded", "llm"))
    assert "".join(one["data"]["text"] for one in tokens) == answer["data"]["output"]
    for one in events:
        assert {"type", "execution_id", "workflow_id", "at"} <= one.keys()
    # who has seen the end reads the end
    assert (await live.get(f"{E}/{execution}")).json()["status"] == "succeeded"


async def test_every_socket_of_the_user_gets_all_and_nobody_elses(live, live_api, make_chain):
    async with (
        open_socket(live_api) as one,
        open_socket(live_api) as two,
        open_socket(live_api, "eve") as eve,
    ):
        execution = await started(live, make_chain())
        assert seqs(await until_end(one, execution)) == seqs(await until_end(two, execution))
        with pytest.raises(TimeoutError):
            await message(eve, 0.3)


# replay


@pytest.mark.parametrize("last_seq", [0, 3, 5, 6, 1_000])
async def test_a_finished_run_is_replayed_from_the_store(live, live_api, make_chain, last_seq):
    done = await finished(live, make_chain())
    async with open_socket(live_api) as socket:
        await socket.send(
            json.dumps({"type": "subscribe", "execution_id": done["id"], "last_seq": last_seq})
        )
        if last_seq == 6:
            with pytest.raises(TimeoutError):
                await message(socket, 0.5)
        elif last_seq > 6:  # a watcher who has had more than there is has had what is void
            shown = await message(socket)
            assert (shown["type"], shown["seq"]) == ("snapshot", 5)
            assert shown["data"]["status"] == "succeeded"
            assert seqs(await until_end(socket, done["id"])) == [6]
        else:
            assert seqs(await until_end(socket, done["id"])) == list(range(last_seq + 1, 7))


async def test_without_last_seq_a_snapshot_comes_first_and_the_tail_after(
    live, live_api, gate, make_chain
):
    execution = await started(live, make_chain(gated(gate, "snap")))
    await gate.came("snap")
    async with open_socket(live_api) as socket:
        await socket.send(json.dumps({"type": "subscribe", "execution_id": execution}))
        first = await message(socket)
        gate.open("snap")
        events = await until_end(socket, execution)
    assert first["type"] == "snapshot"
    assert first["data"].keys() >= {"id", "status", "nodes", "temporal", "input"}
    assert seqs(events) == list(range(first.get("seq", 0) + 1, seqs(events)[-1] + 1))


@pytest.mark.parametrize("last_seq", [0, 10])
async def test_subscribing_in_the_middle_of_a_run_has_no_gap_and_no_double(
    live, live_api, make_chain, last_seq
):
    graph = make_chain(*(variable(n) for n in range(60)))
    execution = await started(live, graph)
    sockets = []
    for _ in range(8):
        await asyncio.sleep(0.03)
        socket = await open_socket(live_api)
        await socket.send(
            json.dumps({"type": "subscribe", "execution_id": execution, "last_seq": last_seq})
        )
        sockets.append(socket)
    ends = await asyncio.gather(*(until_end(socket, execution) for socket in sockets))
    for events in ends:
        assert seqs(events) == list(range(last_seq + 1, 2 * 62 + 3))
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_a_long_run_is_replayed_whole(live, live_api, make_chain):
    done = await finished(live, make_chain(*(variable(n) for n in range(400))))
    async with open_socket(live_api) as socket:
        await socket.send(
            json.dumps({"type": "subscribe", "execution_id": done["id"], "last_seq": 0})
        )
        assert seqs(await until_end(socket, done["id"])) == list(range(1, 2 * 402 + 3))


async def test_a_run_that_waits_for_a_worker_is_watched_from_its_first_event(
    live, live_api, worker, make_chain
):
    worker.kill()
    execution = await started(live, make_chain())
    async with open_socket(live_api) as socket:
        await socket.send(json.dumps({"type": "subscribe", "execution_id": execution}))
        first = await message(socket)
        assert (first["type"], first["status"], first["seq"]) == ("snapshot", "queued", 0)
        worker.start()
        assert seqs(await until_end(socket, execution)) == list(range(1, 7))


async def test_another_users_execution_is_an_error_and_the_socket_stays(live, live_api, make_chain):
    done = await finished(live, make_chain())
    async with open_socket(live_api, "eve") as socket:
        for execution in (done["id"], "not-a-uuid", "\x00"):
            await socket.send(json.dumps({"type": "subscribe", "execution_id": execution}))
            answer = await message(socket)
            assert (answer["type"], answer["code"]) == ("error", "not_found")
        await pong(socket)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "null",
        "{}",
        '{"type": "nothing"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "execution_id": "x", "last_seq": -1}',
        '{"type": "subscribe", "execution_id": "x", "last_seq": true}',
        '{"type": "subscribe", "execution_id": "x", "last_seq": "1"}',
        '{"type": "subscribe", "execution_id": "x", "workflow_id": "y"}',
        '{"type": "subscribe", "execution_id": "x", "types": ["node.exploded"]}',
        '{"type": "subscribe", "execution_id": "x", "types": []}',
        '{"type": "subscribe", "execution_id": "x", "extra": 1}',
        '{"type": "subscribe", "workflow_id": "y", "last_seq": 1}',
        '{"type": "subscribe", "all": false}',
        '{"type": "unsubscribe"}',
        "[" * 5_000,
        b"\xff\xfe",
    ],
)
async def test_a_bad_message_is_answered_and_the_socket_stays(api, text):
    async with open_socket(api) as socket:
        await socket.send(text)
        assert (await message(socket))["type"] == "error"
        await pong(socket)


# who may


async def test_the_token_as_subprotocol(api):
    token = api.token()
    for offered, chosen in (
        ([f"bearer.{token}"], f"bearer.{token}"),
        ([f"bearer.{token}", "pilot"], "pilot"),
    ):
        async with connect(f"{api.ws}/ws/ada", subprotocols=offered) as socket:
            assert socket.subprotocol == chosen
            await pong(socket)


async def test_the_token_as_first_message(api):
    async with connect(f"{api.ws}/ws/ada") as socket:
        await socket.send(json.dumps({"type": "auth", "token": api.token()}))
        await pong(socket)


@pytest.mark.parametrize(
    "first", ["{}", "nonsense", '{"type": "auth"}', '{"type": "auth", "token": "x"}', "5"]
)
async def test_another_first_message_closes_4401(api, first):
    async with connect(f"{api.ws}/ws/ada") as socket:
        await socket.send(first)
        assert await closed_with(socket) == 4401


async def test_bad_tokens_close_4401(api):
    for token in ("nonsense", api.token(ttl_s=-60)):
        async with open_socket(api, token=token) as socket:
            assert await closed_with(socket) == 4401
        async with connect(f"{api.ws}/ws/ada", subprotocols=[f"bearer.{token}"]) as socket:
            assert await closed_with(socket) == 4401


async def test_no_token_in_time_closes_4401(api, monkeypatch):
    monkeypatch.setattr(websocket_module, "AUTH_LIMIT_S", 0.1)
    async with connect(f"{api.ws}/ws/ada") as socket:
        assert await closed_with(socket) == 4401


async def test_anothers_address_closes_4403(api):
    async with open_socket(api, "ada", api.token("eve")) as socket:
        assert await closed_with(socket) == 4403
    async with open_socket(api) as socket:
        await socket.send(json.dumps({"type": "auth", "token": api.token("eve")}))
        assert await closed_with(socket) == 4403


async def test_a_token_that_expires_closes_4401_unless_renewed(api, monkeypatch):
    monkeypatch.setattr(websocket_module, "LEEWAY_S", 0)
    async with (
        open_socket(api, token=api.token(ttl_s=3)) as left,
        open_socket(api, token=api.token(ttl_s=3)) as renewed,
    ):
        await renewed.send(json.dumps({"type": "auth", "token": api.token()}))
        before = time.monotonic()
        assert await closed_with(left) == 4401
        assert time.monotonic() - before < 6
        await asyncio.sleep(0.2)
        await pong(renewed)


async def test_a_watcher_is_told_before_its_token_expires(api, monkeypatch):
    monkeypatch.setattr(websocket_module, "LEEWAY_S", 0)
    async with open_socket(api, token=api.token(ttl_s=3)) as socket:
        told = await message(socket)
        assert told["type"] == "auth_expiring"
        assert 0 < datetime.fromisoformat(told["expires_at"]).timestamp() - time.time() < 3
        await socket.send(json.dumps({"type": "auth", "token": api.token(ttl_s=3)}))
        # the renewed token's end is told as well, and it is an end
        assert (await message(socket))["type"] == "auth_expiring"
        assert await closed_with(socket) == 4401


async def test_a_renewal_by_a_bad_token_closes_4401(api):
    async with open_socket(api) as socket:
        await socket.send(json.dumps({"type": "auth", "token": api.token(ttl_s=-60)}))
        assert await closed_with(socket) == 4401


async def test_a_renewal_that_cannot_be_checked_leaves_the_token_of_before(api, monkeypatch):
    async with open_socket(api) as socket:
        await pong(socket)

        async def unavailable(_):
            raise KeysUnavailableError("the issuer is away")

        monkeypatch.setattr(api.parts.verifier, "verify", unavailable)
        await socket.send(json.dumps({"type": "auth", "token": "any"}))
        assert (await message(socket))["code"] == "keys_unavailable"
        await pong(socket)


async def test_the_seeds_five_line_client_works_once_it_is_signed_in(live, live_api, make_chain):
    async with connect(f"{live_api.ws}/ws/ada") as socket:
        await socket.send(json.dumps({"type": "auth", "token": live_api.token()}))
        await pong(socket)
        execution = await started(live, make_chain())
        shown = [
            (event["type"], event.get("node_id"), event.get("status"))
            for event in await until_end(socket, execution)
        ]
    assert shown == [
        ("execution.started", None, "running"),
        ("node.started", "start", "running"),
        ("node.succeeded", "start", "succeeded"),
        ("node.started", "output", "running"),
        ("node.succeeded", "output", "succeeded"),
        ("execution.succeeded", None, "succeeded"),
    ]


async def test_too_many_connections_of_a_user_close_4429(api, monkeypatch):
    monkeypatch.setattr(api.parts.connections, "per_user", 2)
    async with open_socket(api, "many"), open_socket(api, "many"):
        async with open_socket(api, "many") as third:
            assert await closed_with(third) == 4429
        async with open_socket(api, "other") as other:
            await pong(other)
    async with open_socket(api, "many") as again:
        await pong(again)


async def test_too_many_connections_from_an_address_close_4429(api, monkeypatch):
    while api.parts.connections.open:  # those of tests before
        await asyncio.sleep(0.01)
    monkeypatch.setattr(api.parts.connections, "per_address", 2)
    # whether they have signed in or not
    async with (
        open_socket(api),
        connect(f"{api.ws}/ws/eve"),
        open_socket(api, "other") as third,
    ):
        assert await closed_with(third) == 4429
    while api.parts.connections.open:
        await asyncio.sleep(0.01)
    async with open_socket(api) as again:
        await pong(again)


async def test_a_watcher_that_says_too_much_is_closed_1008(api):
    for text in ('{"type": "ping"}', "nonsense"):
        async with open_socket(api) as socket:
            for _ in range(1_000):
                with suppress(ConnectionClosed):
                    await socket.send(text)
            assert await closed_with(socket) == 1008


async def test_too_large_a_message_closes(api):
    for size in (20_000, 500_000):
        async with open_socket(api) as socket:
            await socket.send("x" * size)
            assert await closed_with(socket) == 1009
