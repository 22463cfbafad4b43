"""Connections to PostgreSQL that wait to be used again."""

import pytest
from sqlalchemy import text

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


async def test_one_that_no_longer_answers_is_replaced(store, workflow, monkeypatch):
    dialect = store.engine.dialect

    async def process() -> int:
        async with store.engine.connect() as connection:
            return await connection.scalar(text("SELECT pg_backend_pid()"))

    def is_silent(_: object) -> bool:
        raise dialect.loaded_dbapi.InterfaceError("nothing came")

    before = await process()
    monkeypatch.setattr(database, "PING_AFTER_S", 0.0)
    monkeypatch.setattr(dialect, "do_ping", is_silent)
    assert await process() != before
    assert (await store.get_workflow("ada", workflow.id)).id == workflow.id
