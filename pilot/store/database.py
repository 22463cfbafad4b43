"""The database behind the store: its engine, its two kinds of transaction, its failures.

SQLite: write-ahead log, foreign keys on. A write begins with BEGIN IMMEDIATE, because a
transaction that reads first and then wants to write cannot wait for another writer: it fails at
once with "database is locked" (https://sqlite.org/lang_transaction.html). Writers of one process
queue in a lock, which is fair and needs no polling; those of other processes wait in SQLite.
Both waits have an end, so that a file that stays locked is an error after ten seconds at most,
however many writers wait.

PostgreSQL: reads run in autocommit, so that one statement is one round trip.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

from sqlalchemy import URL, Connection, Executable, event, make_url, text
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from pilot.errors import SettingsError, StorageFullError, StoreError, UnavailableError
from pilot.store.failures import store_error

POOL_SIZE = 10
"""Connections a process: a dozen processes fit PostgreSQL's default of 100."""

POOL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 30.0
SQLITE_BUSY_TIMEOUT_S = 5.0
WRITER_TURN_S = 5.0
FULL_FOR_S = 60.0
"""How long a write that found no room is remembered where nothing is written after it."""
MIN_FREE_BYTES = 64 * 1024
"""With less, SQLite cannot extend its log by as much as one large event."""

PING_AFTER_S = 5.0
"""A connection that was used a moment ago is not asked whether it still answers before it is used
again, for that takes three round trips, and a statement one. A server that ends tells its
connections so; one that vanishes without a word is found out by this, or by the statement."""

_WRITES = "pilot_writes"
_USED_AT = "pilot_used_at"
_LIBPQ_ONLY = frozenset({"application_name", "channel_binding", "connect_timeout", "gssencmode"})
_UNDERSTOOD = frozenset({"host", "port", "ssl", "target_session_attrs", "pgbouncer"})
_SUPABASE_POOLER_PORT = 6543

_LOCK_OWNER = text("SELECT pg_advisory_xact_lock(:kind, hashtext(:owner))")

T = TypeVar("T")
Given: TypeAlias = Mapping[str, Any] | None
"""A statement's parameters, by name."""


class Database:
    """An engine. It opens connections when they are needed, none before."""

    def __init__(self, url: str, pool_size: int | None = None) -> None:
        parsed = engine_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        engine = _sqlite_engine if self.is_sqlite else _postgres_engine
        self.engine = engine(parsed, pool_size or POOL_SIZE)
        begins = {} if self.is_sqlite else {"isolation_level": "READ COMMITTED"}
        self._writers = self.engine.execution_options(**{_WRITES: True}, **begins)
        self._folder = _folder_of(parsed) if self.is_sqlite else None
        self._writer = asyncio.Lock()
        self._full_at: float | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement sees the newest state."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except StoreError:
            raise
        except Exception as error:
            raise self._told(error) from error

    async def rows(self, query: Executable, parameters: Given = None) -> Sequence[Any]:
        """What one query gives, of the newest state.

        In one greenlet: with SQLAlchemy's asynchronous objects it is four and a task, which take
        as long again as the rest of it."""
        return await self._at_once(self.engine, lambda one: one.execute(query, parameters).all())

    async def row(self, query: Executable, parameters: Given = None) -> Any:
        """The same of a query that gives one row or none."""
        return await self._at_once(
            self.engine, lambda one: one.execute(query, parameters).one_or_none()
        )

    async def change(self, statement: Executable, parameters: Given = None) -> int:
        """One statement that writes, and how many rows it changed. On PostgreSQL it is its own
        transaction, in one round trip."""

        def rowcount(connection: Connection) -> int:
            return connection.execute(statement, parameters).rowcount

        if self.is_sqlite:
            return await self.transaction(rowcount)
        changed = await self._at_once(self.engine, rowcount)
        self._full_at = None
        return changed

    async def changed(self, statement: Executable, parameters: Given = None) -> Sequence[Any]:
        """The same of a statement that gives rows. Of PostgreSQL only: SQLite writes in turn."""
        found = await self.rows(statement, parameters)
        self._full_at = None
        return found

    async def _at_once(self, engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
        def connected() -> T:
            with engine.sync_engine.connect() as connection:
                return work(connection)

        try:
            return await greenlet_spawn(connected)
        except Exception as error:
            raise self._told(error) from error

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """A transaction as `writing` has it, done by `work` in one greenlet: each statement would
        take as long again in one of its own."""

        def begun() -> T:
            with self._writers.sync_engine.begin() as connection:
                return work(connection)

        try:
            async with self._turn():
                done = await greenlet_spawn(begun)
            self._full_at = None
            return done
        except StoreError:
            raise
        except Exception as error:
            raise self._told(error) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on any error."""
        try:
            async with self._turn(), self._writers.begin() as connection:
                yield connection
            self._full_at = None
        except StoreError:
            raise
        except Exception as error:
            raise self._told(error) from error

    def require_room(self) -> None:
        """Raises `StorageFullError` where nothing can be saved at present."""
        if self._full_at is not None and time.monotonic() - self._full_at < FULL_FOR_S:
            raise StorageFullError("the last write found the database's disk full")
        if _is_full(self._folder):
            raise StorageFullError("the database's disk is full")

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return self._turn_of_this_process() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def _turn_of_this_process(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(WRITER_TURN_S):
                await self._writer.acquire()
        except TimeoutError:
            raise UnavailableError(
                f"the database file takes no writes: others have waited {WRITER_TURN_S:g} s for it"
            ) from None
        try:
            yield
        finally:
            self._writer.release()

    def _told(self, error: Exception) -> Exception:
        told = store_error(error)
        # where SQLite's log or its index cannot grow, it speaks of an I/O error
        if isinstance(told, UnavailableError) and _is_full(self._folder):
            told = StorageFullError(f"the database's disk is full ({told.message})")
        if isinstance(told, StorageFullError):
            self._full_at = time.monotonic()
        return told

    async def close(self) -> None:
        await self.engine.dispose()


def lock_owner(connection: Connection, kind: int, owner: str) -> None:
    """Until the commit no other transaction counts this owner's rows of that kind: two new ones
    at once must not both be the last one allowed. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_OWNER, {"kind": kind, "owner": owner})


def engine_url(url: str) -> URL:
    """The URL with the driver that πlot uses: aiosqlite or asyncpg.

    What libpq's URLs carry and asyncpg does not know is translated or left out. With
    `?pgbouncer=true` (and on port 6543, Supabase's pooler) prepared statements are not reused.
    Raises `SettingsError` for a URL that is neither SQLite's nor PostgreSQL's.
    """
    try:
        parsed = make_url(url)
        backend = parsed.drivername.partition("+")[0]
    except ArgumentError:
        raise SettingsError(
            "DATABASE_URL is not a URL: use sqlite:///path or postgresql://…"
        ) from None
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise SettingsError("DATABASE_URL names no file: use sqlite:///path")
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend not in ("postgres", "postgresql"):
        raise SettingsError(f"DATABASE_URL: {backend} is not supported, use sqlite or postgresql")
    query = {name: value for name, value in parsed.query.items() if name not in _LIBPQ_ONLY}
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    for name in query.keys() - _UNDERSTOOD:
        raise SettingsError(f"DATABASE_URL: the parameter {name} is not understood, leave it out")
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def _folder_of(url: URL) -> Path:
    return Path(str(url.database).removeprefix("file:").partition("?")[0]).absolute().parent


def _is_full(folder: Path | None) -> bool:
    if folder is None or not hasattr(os, "statvfs"):
        return False
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES


def _sqlite_engine(url: URL, pool_size: int) -> AsyncEngine:
    file = str(url.database)
    if not file.startswith("file:"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    timeout = {} if "timeout" in url.query else {"timeout": SQLITE_BUSY_TIMEOUT_S}
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=POOL_TIMEOUT_S, connect_args=timeout
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    def abandon(connection: Any, *_: object) -> None:
        # SQLite closes a connection late while a statement of it is still referenced (by the
        # traceback of a cancelled write, say), and until then keeps its lock
        with suppress(sqlite3.Error, MissingGreenlet):
            connection.rollback()

    event.listen(engine.sync_engine, "close", abandon)
    event.listen(engine.sync_engine, "close_detached", abandon)
    return engine


def _postgres_engine(url: URL, pool_size: int) -> AsyncEngine:
    has_pooler = url.query.get("pgbouncer") == "true" or url.port == _SUPABASE_POOLER_PORT
    engine = create_async_engine(
        url.difference_update_query(["pgbouncer"]),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_recycle=1_800,
        isolation_level="AUTOCOMMIT",
        json_serializer=_as_it_is,
        json_deserializer=_as_it_is,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_S,
            **(_BEHIND_POOLER if has_pooler else _DIRECT),
        },
    )

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_: object, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: Any, _: object) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None:
            return  # it was opened for this
        dialect = engine.dialect
        answers = not connection.driver_connection.is_closed()
        if answers and time.monotonic() - used_at >= PING_AFTER_S:
            try:
                dialect.do_ping(connection)
            except dialect.loaded_dbapi.Error:
                answers = False
        if not answers:
            record.info.pop(_USED_AT)
            raise InvalidatePoolError  # and another one is opened in its place

    return engine


def _statement_name() -> str:
    return f"pilot_{uuid4().hex}"


# A session that lost its process must not hold an execution's row.
_DIRECT = {
    "server_settings": {
        "application_name": "pilot",
        "idle_in_transaction_session_timeout": "60s",
    }
}
# A pooler hands out another session for each transaction: no prepared statement may be reused,
# no two may share a name, and no setting may be asked for at the start.
_BEHIND_POOLER = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": _statement_name,
}


def _as_it_is(value: str) -> str:
    """`JsonText` reads and writes JSON; between it and the driver there is only text."""
    return value
