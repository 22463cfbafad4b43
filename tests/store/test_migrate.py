"""Migrations: to the same schema as the tables', once, and quickly when there is nothing to do."""

import asyncio
import logging
import sys
import time

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from pilot.errors import StoreError, UnavailableError
from pilot.store.database import Database
from pilot.store.migrate import MIGRATIONS, _config, migrate
from pilot.store.migrations import HEAD
from pilot.store.sql import SqlStore
from pilot.store.tables import metadata


async def run_sync(url, function):
    database = Database(url)
    try:
        async with database.writing() as connection:
            return await connection.run_sync(function)
    finally:
        await database.close()


def difference(connection):
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, metadata)


def constraints(connection):
    """What Alembic does not compare: checks, the conditions of indexes, names."""
    inspector = inspect(connection)
    return {
        table: (
            inspector.get_pk_constraint(table),
            sorted(inspector.get_check_constraints(table), key=lambda check: check["name"]),
            sorted(inspector.get_foreign_keys(table), key=lambda key: key["name"]),
            sorted(
                (index["name"], index["column_names"], conditions(index))
                for index in inspector.get_indexes(table)
            ),
        )
        for table in metadata.tables
    }


def conditions(index):
    return {name: str(value) for name, value in index["dialect_options"].items()}


async def test_the_migrated_schema_is_that_of_the_tables(empty_url):
    await migrate(empty_url)
    assert await run_sync(empty_url, difference) == []
    migrated = await run_sync(empty_url, constraints)
    await run_sync(empty_url, metadata.drop_all)
    assert await run_sync(empty_url, difference) != []
    await run_sync(empty_url, metadata.create_all)
    assert migrated == await run_sync(empty_url, constraints)


def test_the_newest_revision_is_the_one_named():
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


async def test_twice_is_once_and_quick(url, caplog):
    caplog.set_level(logging.INFO)
    began = time.perf_counter()
    await migrate(url)
    assert time.perf_counter() - began < 0.3
    assert [record for record in caplog.records if record.name.startswith("alembic")] == []


async def test_nothing_is_said(empty_url, caplog, capfd):
    caplog.set_level(logging.INFO)
    await migrate(empty_url)
    assert [record for record in caplog.records if record.name.startswith("alembic")] == []
    assert capfd.readouterr() == ("", "")


async def test_many_at_once(empty_url):
    await asyncio.gather(*(migrate(empty_url) for _ in range(5)))
    store = await SqlStore.open(empty_url)
    assert (await store.list_workflows("ada")).items == []
    await store.close()


async def test_many_processes_at_once(empty_url):
    program = "import asyncio, sys; from pilot.store.migrate import migrate\n"
    program += "asyncio.run(migrate(sys.argv[1]))"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url)
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert await run_sync(empty_url, difference) == []


async def test_a_migration_that_fails_leaves_nothing(empty_url, monkeypatch):
    def stop(connection):
        connection.execute(text("CREATE TABLE half (id integer)"))
        raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr("pilot.store.migrate._upgrade", stop)
        with pytest.raises(RuntimeError):
            await migrate(empty_url)
    tables = await run_sync(empty_url, lambda connection: inspect(connection).get_table_names())
    assert tables == []
    await migrate(empty_url)


async def test_a_database_of_a_newer_version_is_left_alone(empty_url):
    await migrate(empty_url)
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await run_sync(empty_url, lambda connection: connection.execute(newer))
    with pytest.raises(StoreError, match="cannot be migrated by this version"):
        await migrate(empty_url)


async def test_a_database_without_tables_says_what_to_do(empty_url):
    store = await SqlStore.open(empty_url)
    await store.ping()
    with pytest.raises(StoreError, match="pilot migrate"):
        await store.list_workflows("ada")
    await store.close()


async def test_a_folder_that_is_not_there_is_made(tmp_path):
    url = f"sqlite:///{tmp_path / 'a' / 'b' / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    async with store.engine.connect() as connection:
        modes = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert modes == ["wal", 1, 1, 5_000]
    await store.close()


async def test_a_database_that_does_not_answer():
    with pytest.raises(UnavailableError):
        await migrate("postgresql://nobody@127.0.0.1:1/none")


async def test_payloads_of_the_executions_before_cancels_were_noted_are_kept(empty_url):
    rows = """
    INSERT INTO workflows VALUES ('w', 'ada', 'n', '', 1, 'h', :now, :now, NULL);
    INSERT INTO workflow_versions VALUES ('w', 1, 'n', '{}', 'h', :now);
    INSERT INTO executions
        (id, owner, workflow_id, workflow_version, status, status_seq, last_seq, created_at,
         usage, error, input, output)
        VALUES ('e', 'ada', 'w', 1, 'running', 0, 0, :now, '{}', NULL, '[1]', '{"a": null}');
    INSERT INTO node_runs (execution_id, node_id, path, first_seq, last_seq, started_seq, status,
         meta) VALUES ('e', 'ask', '', 1, 1, 0, 'running', '{}')
    """

    def before(connection):
        command.upgrade(_config(connection), "0005")
        for statement in rows.replace(":now", "'2026-03-01 12:00:00.000000+00:00'").split(";"):
            connection.execute(text(statement.replace(":", r"\:")))

    await run_sync(empty_url, before)
    await migrate(empty_url)
    store = await SqlStore.open(empty_url)
    row = await store.get_execution("ada", "e")
    assert (row.input, row.output, row.timeout_s, row.cancel_requested_at) == (
        [1],
        {"a": None},
        None,
        None,
    )
    assert [run.node_id for run in await store.node_runs("ada", "e")] == ["ask"]
    await store.close()


async def test_versions_from_before_publications_are_there_and_none_is_published(empty_url):
    rows = """
    INSERT INTO workflows VALUES ('w', 'ada', 'n', 'what it is', 2, 'h', :now, :now, NULL);
    INSERT INTO workflow_versions VALUES ('w', 1, 'n', '{}', 'g', :now);
    INSERT INTO workflow_versions VALUES ('w', 2, 'n', '{}', 'h', :now)
    """

    def before(connection):
        command.upgrade(_config(connection), "0009")
        for statement in rows.replace(":now", "'2026-03-01 12:00:00.000000+00:00'").split(";"):
            connection.execute(text(statement.replace(":", r"\:")))

    await run_sync(empty_url, before)
    await migrate(empty_url)
    store = await SqlStore.open(empty_url)
    workflow = await store.get_workflow("ada", "w")
    assert (workflow.published_version, workflow.publication) == (None, 0)
    listed = (await store.publications.versions("ada", "w")).items
    assert [(one.version, one.description, one.created_by) for one in listed] == [
        (2, "what it is", None),
        (1, "what it is", None),
    ]
    await store.publications.publish("ada", "w", 1)
    assert (await store.get_workflow("ada", "w")).published_version == 1
    await store.close()
