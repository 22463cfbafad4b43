"""Readers that read late or not at all: what waits is bounded, others notice nothing."""

import asyncio
import base64
import os
import socket as sockets

import pytest
from websockets.frames import Frame, Opcode

from api.live import outbox as outbox_module
from api.live import protocol as protocol_module
from api.live import sse
from api.live.subscriptions import HOLD_S
from pilot.events.model import Envelope, Event, EventType
from tests.sockets import E, closed_with, gated, message, open_socket, started

READERS = 50


def event(execution, seq, *, kind=EventType.NODE_SUCCEEDED, **data):
    return Event(kind, execution, "w", "t", seq=seq, node_id="n", data=data)


async def publish(api, user, *events):
    await api.parts.bus.publish([Envelope(user, one) for one in events])


async def stuck_socket(api, user, **headers):
    """A WebSocket whose client never reads, with as small a window as the system gives."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", api.settings.pilot_port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        "Authorization": f"Bearer {api.token(user)}",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    await loop.sock_sendall(raw, f"GET /ws/{user} HTTP/1.1\r\n{head}\r\n".encode())
    assert b" 101 " in await loop.sock_recv(raw, 64)
    return raw


async def rest_of(raw):
    """All that a stuck client finds when it reads at last, to the connection's end."""
    loop, got = asyncio.get_running_loop(), b""
    async with asyncio.timeout(20):
        try:
            while chunk := await loop.sock_recv(raw, 65_536):
                got += chunk
        except ConnectionResetError:
            pass
    raw.close()
    return got


async def gone(api, user):
    async with asyncio.timeout(20):
        while api.parts.connections.users[user]:
            await asyncio.sleep(0.02)


async def _seqs(socket, count):
    return [(await message(socket, 60))["seq"] for _ in range(count)]


async def test_a_reader_that_never_reads_costs_fifty_others_nothing(api, monkeypatch):
    monkeypatch.setattr(outbox_module, "MAX_BYTES", 1024 * 1024)
    monkeypatch.setattr(protocol_module, "CLOSE_LIMIT_S", 0.5)
    others = [await open_socket(api, "busy", compression=None) for _ in range(READERS)]
    stuck = await stuck_socket(api, "busy")
    await asyncio.sleep(2 * HOLD_S)
    count = 300
    for seq in range(1, count + 1):
        await publish(api, "busy", event("busy", seq, output="x" * 8_000))
        if seq % 10 == 0:  # the fifty keep up, and the stuck one falls behind
            for got in await asyncio.gather(*(_seqs(one, 10) for one in others)):
                assert got == list(range(seq - 9, seq + 1))
    async with asyncio.timeout(20):
        while api.parts.connections.users["busy"] > READERS:
            await asyncio.sleep(0.02)
    # its connection ends too, though it never took what was buffered for it
    await asyncio.sleep(2 * protocol_module.CLOSE_LIMIT_S)
    assert len(await rest_of(stuck)) < count * 8_000 / 2
    await asyncio.gather(*(one.close() for one in others))


async def test_a_slow_reader_is_told_4408_once_it_reads_again(api, monkeypatch):
    monkeypatch.setattr(outbox_module, "MAX_MESSAGES", 300)
    async with open_socket(api, "late", compression=None, max_queue=1) as slow:
        await asyncio.sleep(2 * HOLD_S)
        for seq in range(1, 3_001):
            await publish(api, "late", event("late", seq, output="x" * 8_000))
            if seq % 20 == 0:
                await asyncio.sleep(0.005)
        await gone(api, "late")
        assert await closed_with(slow) == 4408


async def test_tokens_do_not_close_a_slow_reader_but_are_joined(api, monkeypatch):
    monkeypatch.setattr(outbox_module, "MAX_MESSAGES", 50)
    async with open_socket(api, "talk", compression=None, max_queue=1) as slow:
        await asyncio.sleep(2 * HOLD_S)
        filler = [event("talk", seq, output="x" * 12_000) for seq in range(1, 41)]
        tokens = [event("talk", None, kind=EventType.LLM_TOKEN, text=f"{n} ") for n in range(5_000)]
        for one in (*filler, *tokens):
            await publish(api, "talk", one)
            if one.seq is not None or one.data["text"].endswith("00 "):
                await asyncio.sleep(0)
        await publish(api, "talk", event("talk", 41))
        got = []
        while not got or got[-1].get("seq") != 41:
            got.append(await message(slow))
    texts = [one["data"]["text"] for one in got if one["type"] == "llm.token"]
    assert "".join(texts) == "".join(f"{n} " for n in range(5_000))
    assert len(texts) < 5_000
    assert [one["seq"] for one in got if "seq" in one] == list(range(1, 42))


async def test_pings_of_a_reader_that_never_reads_fill_no_memory(api, monkeypatch):
    monkeypatch.setattr(protocol_module, "MAX_BLIND_PONGS", 10)
    stuck = await stuck_socket(api, "pinger")
    await asyncio.sleep(2 * HOLD_S)
    for seq in range(1, 400):
        await publish(api, "pinger", event("pinger", seq, output="x" * 8_000))
        await asyncio.sleep(0)
    ping = Frame(Opcode.PING, b"x" * 100).serialize(mask=True)
    loop = asyncio.get_running_loop()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        async with asyncio.timeout(20):
            while True:
                await loop.sock_sendall(stuck, ping)
                await asyncio.sleep(0.001)
    await gone(api, "pinger")
    stuck.close()


async def test_a_stream_that_is_not_read_holds_a_bounded_backlog(
    live_api, worker, gate, make_chain, monkeypatch
):
    monkeypatch.setattr(outbox_module, "MAX_BYTES", 200_000)
    made = []

    class Seen(outbox_module.Outbox):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(sse, "Outbox", Seen)
    client = live_api.client()
    execution = await started(client, make_chain(gated(gate, "backlog")))
    await gate.came("backlog")
    async with client.stream("GET", f"{E}/{execution}/events") as answer:
        assert answer.status_code == 200
        for n in range(2_000):
            log = event(execution, None, kind=EventType.LOG, text=f"{n}" + "x" * 8_000)
            await publish(live_api, "ada", log)
            if n % 20 == 0:
                await asyncio.sleep(0.001)
        async with asyncio.timeout(20):
            while not made[0].overflowed:
                await asyncio.sleep(0.02)
        assert made[0].pop() is None
        # what it reads at last ends short, and it may come again with the last id
        assert len([line async for line in answer.aiter_lines() if '"log"' in line]) < 2_000
    gate.open("backlog")
