"""What a driver's error means to whoever called the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pilot.errors import ConflictError, StorageFullError, StoreError, UnavailableError

_POSTGRES_FULL = "53100"
_MIGRATE = "the database lacks πlot's tables: run `pilot migrate`"

# SQLSTATE classes and codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_UNAVAILABLE = {
    "08": "the connection to the database is broken",
    "25006": "the database is read-only",
    "28": "the database refuses these credentials",
    "3D": "the database does not exist",
    "40": "the database gave up on a transaction in favour of another",
    "53200": "the database is out of memory",
    "53300": "the database has no connection left",
    "53": "the database is out of resources",
    "55P03": "a row stayed locked for too long",
    "57014": "the database took too long to answer",
    "57": "the database is shutting down or starting",
    "58": "the database's server has a system error",
    "XX": "the database has an internal error",
}
_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "the database file is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database file is locked",
    sqlite3.SQLITE_READONLY: "the database file is read-only",
    sqlite3.SQLITE_IOERR: "the database file cannot be read or written",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_NOTADB: "the database file is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged",
    sqlite3.SQLITE_PERM: "the database file may not be opened",
    sqlite3.SQLITE_PROTOCOL: "the database file is locked",
}


def store_error(error: Exception) -> Exception:
    """The error to raise for one that came out of SQLAlchemy or a driver.

    `StorageFullError` where there is no room left, `UnavailableError` where trying later is
    right, `ConflictError` for a broken constraint, `StoreError` for whatever else a database
    says. Errors that are none of a database's come back as they are.
    """
    if isinstance(error, PoolTimeoutError):
        return UnavailableError("every connection to the database is busy")
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError):
        return error.orig  # a column's type refused a value
    if isinstance(error, OSError):  # refused, unreachable, timed out
        return UnavailableError(f"the database does not answer: {str(error) or 'timed out'}")
    for cause in _chain(error):
        if _lacks_room(cause):
            return StorageFullError(f"the database's disk is full ({_first_line(cause)})")
        if (reason := _reason(cause)) is not None:
            return UnavailableError(f"{reason} ({_first_line(cause)})")
        if _lacks_tables(cause):
            return StoreError(_MIGRATE)
    if isinstance(error, IntegrityError):
        return ConflictError(f"the database refused the row: {_first_line(error)}")
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return UnavailableError(f"the connection to the database is broken: {_first_line(error)}")
    if isinstance(error, SQLAlchemyError) or hasattr(error, "sqlstate"):
        return StoreError(f"the database failed: {_first_line(error)}")
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps, and what the driver's adapter wrapped before."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__


def _reason(error: BaseException) -> str | None:
    if isinstance(error, OSError):
        return "the database does not answer"
    if isinstance(error, sqlite3.Error):
        # the low byte is the primary code, the others say more
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else _SQLITE_UNAVAILABLE.get(code & 0xFF)
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):
        return None
    return _POSTGRES_UNAVAILABLE.get(state) or _POSTGRES_UNAVAILABLE.get(state[:2])


def _lacks_room(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _POSTGRES_FULL


def _lacks_tables(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "no such table" in str(error)
    return getattr(error, "sqlstate", None) == "42P01"


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "orig", None) or error)
    return text.splitlines()[0] if text else type(error).__name__
