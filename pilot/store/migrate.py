"""Brings a database to the newest schema.

Many processes may start at once on one database: the check is repeated under a lock, and the
migration and its mark are one transaction.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.errors import StoreError
from pilot.store.database import Database
from pilot.store.migrations import HEAD

MIGRATIONS = Path(__file__).parent / "migrations"

_ADVISORY_LOCK = 7_032_116_116  # any constant that nobody else in the database takes


async def migrate(url: str) -> str | None:
    """Creates or upgrades the tables; does nothing where they are the newest. The revision that
    was found; None where there were no tables.

    Raises `UnavailableError` when the database does not answer, `StoreError` when a newer
    πlot has migrated it already.
    """
    database = Database(url)
    try:
        async with database.reading() as connection:
            if await connection.run_sync(_revision) == HEAD:
                return HEAD
            if database.is_sqlite:
                await _write_ahead(connection)
        async with database.writing() as connection:
            await _lock(connection)
            before = await connection.run_sync(_revision)
            if before != HEAD:
                await connection.run_sync(_upgrade)
            return before
    finally:
        await database.close()


async def _write_ahead(connection: AsyncConnection) -> None:
    """Turns SQLite's write-ahead log on, for good, and before the first table is made, that free
    pages can be given back (`RetentionStore.reclaim`). SQLite waits for no other process here,
    whatever the busy timeout, so the wait is ours."""
    await connection.execute(text("PRAGMA auto_vacuum = INCREMENTAL"))
    for pause in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        try:
            await connection.execute(text("PRAGMA journal_mode = WAL"))
            return
        except OperationalError:
            await asyncio.sleep(pause)
    await connection.execute(text("PRAGMA journal_mode = WAL"))


async def _lock(connection: AsyncConnection) -> None:
    """PostgreSQL's lock; a write to SQLite has one already."""
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  takes longer to load than there is to do
    from alembic.util import CommandError  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise StoreError(
            f"the database cannot be migrated by this version of πlot: {error}"
        ) from error


def _config(connection: Connection) -> Any:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
