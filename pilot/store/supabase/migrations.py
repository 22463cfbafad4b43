"""`supabase/migrations`, printed or applied.

What was applied is noted where Supabase's own command line notes it, so `supabase db push` and
`pilot migrate --supabase` may take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from pilot.errors import SettingsError, StoreError
from pilot.store.database import CONNECT_TIMEOUT_S, engine_url
from pilot.store.failures import store_error
from pilot.store.migrations import HEAD

if TYPE_CHECKING:
    from asyncpg import Connection

_PACKAGED = Path(__file__).parent / "sql"
_CHECKED_OUT = Path(__file__).parents[3] / "supabase" / "migrations"

_ADVISORY_LOCK = 7_032_116_117
_LEDGER = """\
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (
    version text not null primary key, statements text[], name text
);
"""
_NOTE = "insert into supabase_migrations.schema_migrations (version, name)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `<version>_<name>.sql`."""

    version: str
    name: str
    sql: str


def migrations() -> list[Migration]:
    """All of them, in the order in which they are applied."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
    files = sorted(folder.glob("[0-9]*_*.sql"))
    if not files:
        raise StoreError(f"this installation of πlot has no {folder}")
    return [_read(file) for file in files]


def _read(file: Path) -> Migration:
    version, _, name = file.stem.partition("_")
    return Migration(version, name, file.read_text("utf-8"))


def script() -> str:
    """All migrations as one script, for psql or Supabase's SQL editor, on an empty project."""
    steps = [
        f"{one.sql}\n{_NOTE} values ('{one.version}', '{one.name}');\n" for one in migrations()
    ]
    return "\n".join(["begin;", _LEDGER, *steps, "commit;"])


async def apply(url: str) -> list[str]:
    """Applies what is missing, in one transaction; the names of what was applied.

    `url` is the database's own (Supabase's direct connection, or its session pooler's). Tables
    that `pilot migrate` has made there are kept. Raises `UnavailableError` and `StoreError`.
    """
    import asyncpg  # noqa: PLC0415  (whoever prints needs none)

    try:
        connection = await asyncpg.connect(
            _dsn(url), timeout=CONNECT_TIMEOUT_S, statement_cache_size=0
        )
        try:
            async with connection.transaction():
                return await _apply(connection)
        finally:
            await connection.close()
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise store_error(error) from error


def _dsn(url: str) -> str:
    if engine_url(url).get_backend_name() != "postgresql":
        raise SettingsError("DATABASE_URL is not PostgreSQL's: give Supabase's direct connection")
    plain = make_url(url).set(drivername="postgresql").difference_update_query(["pgbouncer"])
    return plain.render_as_string(hide_password=False)


async def _apply(connection: Connection) -> list[str]:
    await connection.execute("select pg_advisory_xact_lock($1)", _ADVISORY_LOCK)
    await connection.execute(_LEDGER)
    found = await connection.fetch("select version from supabase_migrations.schema_migrations")
    applied = {row["version"] for row in found}
    first = migrations()[0].version
    if first not in applied and await _has_tables(connection):
        await _note(connection, migrations()[0])
        applied.add(first)
    missing = [one for one in migrations() if one.version not in applied]
    for one in missing:
        await connection.execute(one.sql)
        await _note(connection, one)
    return [f"{one.version}_{one.name}" for one in missing]


async def _has_tables(connection: Connection) -> bool:
    if await connection.fetchval("select to_regclass('public.alembic_version')") is None:
        return False
    revision = await connection.fetchval("select version_num from public.alembic_version")
    if revision != HEAD:
        raise StoreError("the database has older tables of πlot's: run `pilot migrate` first")
    return True


async def _note(connection: Connection, one: Migration) -> None:
    await connection.execute(f"{_NOTE} values ($1, $2)", one.version, one.name)
