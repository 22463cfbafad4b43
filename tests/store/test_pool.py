"""Connections to PostgreSQL that wait to be used again."""

import asyncio

import asyncpg
import pytest

from pilot.store import database

pytestmark = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


@pytest.fixture
def pings(store, monkeypatch):
    """How often a connection was asked whether it still answers."""
    asked = []
    dialect = store.engine.dialect
    ping = dialect.do_ping
    monkeypatch.setattr(dialect, "do_ping", lambda one: asked.append(one) or ping(one))
    return asked


async def test_a_connection_is_asked_whether_it_answers_only_after_a_rest(
    store, workflow, pings, monkeypatch
):
    for _ in range(3):
        await store.get_workflow("ada", workflow.id)
    assert pings == []
    monkeypatch.setattr(database, "PING_AFTER_S", 0.0)
    await store.get_workflow("ada", workflow.id)
    assert len(pings) == 1


@pytest.mark.parametrize("rests", [False, True])
async def test_what_the_server_has_closed_is_replaced(store, url, workflow, monkeypatch, rests):
    if rests:
        monkeypatch.setattr(database, "PING_AFTER_S", 0.0)
    # several, of which none may be used again
    await asyncio.gather(*(store.get_workflow("ada", workflow.id) for _ in range(3)))
    other = await asyncpg.connect(url)
    ended = await other.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'pilot' AND datname = current_database()"
    )
    assert ended
    async with asyncio.timeout(10):
        while await other.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'pilot' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    await other.close()
    for _ in range(4):
        assert (await store.get_workflow("ada", workflow.id)).id == workflow.id
