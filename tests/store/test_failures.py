"""What callers are told when the database does not answer, is locked, full or read-only."""

import asyncio
import sqlite3
import time

import asyncpg
import pytest
from sqlalchemy import event, text

from pilot.errors import (
    ConflictError,
    SettingsError,
    StorageFullError,
    StoreError,
    UnavailableError,
)
from pilot.store import database
from pilot.store.database import engine_url
from pilot.store.failures import store_error
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore

pytestmark = pytest.mark.sql
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("backend", ["postgresql"], indirect=True)


@pytest.fixture
async def opened():
    """`await opened(url)`: a store that is closed at the end."""
    stores = []

    async def open_store(url, **options):
        stores.append(await SqlStore.open(url, **options))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()


def path_of(url):
    return url.removeprefix("sqlite:///")


async def create(store):
    return await store.create_workflow("ada", name="n", description="", graph={"x": "y" * 9_000})


async def test_a_port_where_nobody_listens(opened):
    store = await opened("postgresql://nobody@127.0.0.1:1/none")
    for attempt in (store.ping(), create(store), store.get_workflow("ada", "x")):
        with pytest.raises(UnavailableError, match="does not answer"):
            await attempt


@on_postgresql
async def test_a_database_that_is_not_there(opened, backend, url):
    store = await opened(url.replace("/test_migrated", "/gone"))
    with pytest.raises(UnavailableError, match="does not exist"):
        await store.ping()


@on_postgresql
async def test_sessions_that_the_server_ended_are_replaced(backend, store, server, execution, said):
    admin = await asyncpg.connect(server)
    # and not PostgREST's, which comes again at once
    of_tests = "FROM pg_stat_activity WHERE datname LIKE 'test%' AND application_name = 'pilot'"
    assert await admin.fetchval(f"SELECT count(pg_terminate_backend(pid)) {of_tests}") >= 1
    async with asyncio.timeout(10):
        while await admin.fetchval(f"SELECT count(*) {of_tests}"):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)  # the last of it is still on its way; in between it is an error
    await store.append_events(execution.id, [said(1, "execution.started")])
    assert (await store.get_execution("ada", execution.id)).status == "running"
    await admin.close()


@on_postgresql
async def test_a_session_that_ends_while_it_writes(backend, store, url, server, execution, said):
    blocker = await asyncpg.connect(url)
    async with blocker.transaction():
        await blocker.execute("SELECT id FROM executions FOR UPDATE")
        writing = asyncio.create_task(
            store.append_events(execution.id, [said(1, "execution.started")])
        )
        end = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not await blocker.fetchval(end):
            await asyncio.sleep(0.01)  # until it waits for the row
        with pytest.raises(UnavailableError):
            await writing
    await blocker.close()
    await store.append_events(execution.id, [said(1, "execution.started")])
    assert len(await store.events("ada", execution.id)) == 1


@on_postgresql
async def test_a_row_that_stays_locked(backend, opened, url, execution, said, monkeypatch):
    monkeypatch.setattr(database, "STATEMENT_TIMEOUT_S", 0.2)
    store = await opened(url)
    blocker = await asyncpg.connect(url)
    async with blocker.transaction():
        await blocker.execute("SELECT id FROM executions FOR UPDATE")
        with pytest.raises(UnavailableError, match="timed out"):
            await store.append_events(execution.id, [said(1, "execution.started")])
    await blocker.close()
    await store.append_events(execution.id, [said(1, "execution.started")])


async def test_a_pool_that_is_used_up(backend, opened, url, monkeypatch):
    monkeypatch.setattr(database, "POOL_TIMEOUT_S", 0.1)
    store = await opened(url, pool_size=1)
    async with store.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with pytest.raises(UnavailableError, match="busy"):
            await store.ping()
    await store.ping()


@on_sqlite
async def test_a_file_that_stays_locked(backend, opened, url, workflow):
    store = await opened(f"{url}?timeout=0.2")
    blocker = sqlite3.connect(path_of(url), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    began = time.perf_counter()
    with pytest.raises(UnavailableError, match="locked"):
        await create(store)
    assert 0.1 < time.perf_counter() - began < 3
    assert await store.get_workflow("ada", workflow.id) == workflow  # readers do not wait
    blocker.execute("ROLLBACK")
    blocker.close()
    await create(store)


async def test_a_read_only_database(backend, opened, empty_url):
    await migrate(empty_url)
    store = await opened(empty_url)
    if backend == "sqlite":
        pragma(store, "query_only = ON")
    else:
        admin = await asyncpg.connect(empty_url)
        name = await admin.fetchval("SELECT current_database()")
        await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await admin.close()
    assert (await store.list_workflows("ada")).items == []
    with pytest.raises(UnavailableError, match="read-only"):
        await create(store)


@on_sqlite
async def test_a_full_disk(backend, opened, url):
    store = await opened(url)
    pragma(store, "max_page_count = 100")
    with pytest.raises(StorageFullError, match="disk is full"):
        for _ in range(400):
            await create(store)
    assert (await store.list_workflows("ada")).items != []
    with pytest.raises(StorageFullError):
        await store.ping()
    pragma(store, "max_page_count = 4096")
    await store.engine.dispose()
    await create(store)
    await store.ping()


@on_sqlite
async def test_a_disk_without_room_is_known_before_a_write(backend, opened, url, monkeypatch):
    store = await opened(url)
    await store.ping()
    monkeypatch.setattr(database, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(StorageFullError):
        await store.ping()
    assert (await store.list_workflows("ada")).items == []


@on_sqlite
async def test_writers_that_queue_for_a_locked_file_do_not_add_up_their_waits(
    backend, opened, url, monkeypatch
):
    monkeypatch.setattr(database, "WRITER_TURN_S", 0.3)
    store = await opened(f"{url}?timeout=0.3")
    blocker = sqlite3.connect(path_of(url), isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    began = time.perf_counter()
    told = await asyncio.gather(*(create(store) for _ in range(50)), return_exceptions=True)
    assert time.perf_counter() - began < 5  # in single file they would take 15 s
    assert {type(error) for error in told} == {UnavailableError}
    blocker.execute("ROLLBACK")
    blocker.close()
    await create(store)


async def test_a_file_that_is_no_database(tmp_path, opened):
    (tmp_path / "x.db").write_text("no database at all" * 100)
    store = await opened(f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(UnavailableError, match="not a SQLite database"):
        await store.list_workflows("ada")
    store = await opened(f"sqlite:///{tmp_path}")
    with pytest.raises(UnavailableError, match="cannot be opened"):
        await store.list_workflows("ada")


@pytest.mark.parametrize(
    ("sqlstate", "words"),
    [
        ("53100", "disk is full"),
        ("53300", "no connection left"),
        ("57P03", "starting"),
        ("40P01", "gave up"),
        ("08006", "connection"),
        ("28P01", "credentials"),
    ],
)
def test_postgres_codes_are_told_apart(sqlstate, words):
    error = asyncpg.PostgresError("said the server")
    error.sqlstate = sqlstate
    told = store_error(error)
    assert type(told) is (StorageFullError if sqlstate == "53100" else UnavailableError)
    assert words in told.message
    assert "said the server" in told.message


async def test_a_broken_constraint_is_a_conflict(store, workflow):
    double = text("INSERT INTO workflow_versions SELECT * FROM workflow_versions")
    with pytest.raises(ConflictError):
        async with store._database.writing() as connection:
            await connection.execute(double)


async def test_any_other_failure_of_the_database_is_a_store_error(store):
    with pytest.raises(StoreError, match="failed") as failed:
        async with store._database.reading() as connection:
            await connection.execute(text("SELECT nonsense"))
    assert type(failed.value) is StoreError


def test_an_error_that_is_no_database_s_is_left_alone():
    error = KeyError("x")
    assert store_error(error) is error


def test_urls_are_given_their_drivers():
    for given, expected in (
        ("sqlite:///a/b.db", "sqlite+aiosqlite:///a/b.db"),
        ("sqlite:////a/b.db?timeout=1", "sqlite+aiosqlite:////a/b.db?timeout=1"),
        ("postgres://u:p%40@h:1/d", "postgresql+asyncpg://u:p%40@h:1/d"),
        (
            "postgresql://u@h/d?sslmode=require&channel_binding=require&application_name=x",
            "postgresql+asyncpg://u@h/d?ssl=require",
        ),
    ):
        assert engine_url(given).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "redis://h",
        "postgresql://h/d?search_path=x",
    ],
)
def test_a_url_of_another_kind_is_named(url):
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        engine_url(url)


def pragma(store, setting):
    """Sets a SQLite setting on every connection that the store opens from now on."""

    def apply(connection, _):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    event.listen(store.engine.sync_engine, "connect", apply)
