"""What tests do with the live API's WebSocket and its runs."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

W, E = "/api/v1/workflows", "/api/v1/executions"


def gated(gate, name):
    return {"id": name, "type": "http", "config": {"url": f"{gate.url}/wait/{name}"}}


def variable(n):
    return {"id": f"v{n}", "type": "variable", "config": {"assignments": {"v": "{input}"}}}


def open_socket(api, user="ada", token="", **options):
    headers = {"Authorization": f"Bearer {token or api.token(user)}"}
    return connect(f"{api.ws}/ws/{user}", additional_headers=headers, **options)


async def message(socket, within=10.0):
    async with asyncio.timeout(within):
        return json.loads(await socket.recv())


async def until_end(socket, execution_id):
    """The events of one execution up to its last one."""
    got = []
    while True:
        one = await message(socket, 20)
        if one.get("execution_id") != execution_id:
            continue
        got.append(one)
        if one["type"] in ("execution.succeeded", "execution.failed", "execution.cancelled"):
            return got


def seqs(events):
    return [one["seq"] for one in events if "seq" in one and one["type"] != "snapshot"]


async def pong(socket):
    """All that was said before is in force."""
    await socket.send('{"type": "ping"}')
    assert (await message(socket))["type"] == "pong"


async def closed_with(socket, within=15.0):
    async with asyncio.timeout(within):
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


async def started(client, graph, given="hi"):
    workflow = (await client.post(W, json=graph)).json()["id"]
    answer = await client.post(f"{W}/{workflow}/execute", json={"input": given})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def finished(client, graph, given="hi"):
    workflow = (await client.post(W, json=graph)).json()["id"]
    answer = await client.post(f"{W}/{workflow}/execute?wait=30", json={"input": given})
    assert answer.status_code == 200, answer.text
    return answer.json()
