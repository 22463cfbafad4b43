"""Tickets for WebSockets: once, not for long, for one user, from any process that shares Redis."""

import json
import time
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.caller import Caller
from api.live import tickets
from api.live.tickets import OwnTickets, RedisTickets, TicketsUnavailableError
from pilot.roles import Role

T = "/api/v1/tickets"


async def ticket_of(client) -> str:
    answer = await client.post(T)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["expires_in_s"] == 30
    return answer.json()["ticket"]


async def pong(url: str) -> None:
    async with connect(url) as ws:
        await ws.send('{"type": "ping"}')
        while json.loads(await ws.recv())["type"] != "pong":
            pass


async def closed(url: str) -> int:
    with pytest.raises(ConnectionClosed) as error:
        await pong(url)
    return error.value.rcvd.code


async def test_a_ticket_opens_one_connection_of_its_user(api):
    ticket = await ticket_of(api.client("ada"))
    await pong(f"{api.ws}/ws/ada?ticket={ticket}")
    assert await closed(f"{api.ws}/ws/ada?ticket={ticket}") == 4401
    assert await closed(f"{api.ws}/ws/ada?ticket=guess") == 4401
    assert await closed(f"{api.ws}/ws/ada?ticket=") == 4401
    theirs = await ticket_of(api.client("bob"))
    assert await closed(f"{api.ws}/ws/ada?ticket={theirs}") == 4403
    assert (await api.client(None).post(T)).status_code == 401


async def test_a_connection_by_ticket_ends_with_the_token(api):
    client = api.client(None, Authorization=f"Bearer {api.issuer.mint('ada', 4)}")
    ticket = await ticket_of(client)
    async with connect(f"{api.ws}/ws/ada?ticket={ticket}") as ws:
        while json.loads(await ws.recv())["type"] != "auth_expiring":
            pass  # a run of the same user's may be under way
        with pytest.raises(ConnectionClosed) as error:
            await ws.recv()
    assert error.value.rcvd.code == 4401


CALLER = Caller("ada", time.time() + 60, "org_1", Role.RUNNER, "sess_1", "key_1", "jwt")


@asynccontextmanager
async def opened(*made):
    yield made
    for one in made:
        await one.close()


async def test_processes_share_tickets_and_each_is_taken_once(redis_server):
    async with opened(RedisTickets(redis_server.url), RedisTickets(redis_server.url)) as (a, b):
        ticket = await a.give(CALLER)
        found = await b.take(ticket)
        assert (found.owner, found.role, found.key_id) == ("org_1", Role.RUNNER, "key_1")
        assert found.token is None
        assert await a.take(ticket) is None
        keys = await a._redis.keys("*")
        assert keys == []
        second = await a.give(CALLER)
        [key] = await a._redis.keys("*")
        assert second not in key.decode()
        assert "jwt" not in (await a._redis.get(key)).decode()
        assert 0 < await a._redis.ttl(key) <= 30
        redis_server.kill()
        with pytest.raises(TicketsUnavailableError):
            await a.give(CALLER)
        with pytest.raises(TicketsUnavailableError):
            await b.take(second)


async def test_old_tickets_are_not_good_and_not_kept(monkeypatch):
    async with opened(OwnTickets()) as (own,):
        monkeypatch.setattr(tickets, "TICKET_S", -1)
        assert await own.take(await own.give(CALLER)) is None
        monkeypatch.setattr(tickets, "TICKET_S", 30)
        monkeypatch.setattr(tickets, "MAX_TICKETS", 2)
        given = [await own.give(CALLER) for _ in range(3)]
        assert [await own.take(one) for one in given] == [None, CALLER, CALLER]


async def test_without_redis_a_page_is_told_to_try_later(serve, tmp_path, redis_server):
    serving, settings_for = serve
    settings = settings_for(tmp_path, redis_url=redis_server.url)
    async with serving(settings) as api:
        ticket = await ticket_of(api.client("ada"))
        redis_server.kill()
        answer = await api.client("ada").post(T)
        assert (answer.status_code, answer.json()["code"]) == (503, "tickets_unavailable")
        assert answer.headers["Retry-After"]
        assert await closed(f"{api.ws}/ws/ada?ticket={ticket}") == 1013
