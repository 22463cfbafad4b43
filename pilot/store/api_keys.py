"""Keys by which programs act for an owner. Of a key there is only its hash."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row, func, insert, select, update

from pilot.errors import ConflictError, NotFoundError
from pilot.roles import Role
from pilot.store import Page
from pilot.store.database import Database, lock_owner
from pilot.store.paging import newest_first, page
from pilot.store.tables import api_keys

MAX_API_KEYS = 100
"""How many that are not revoked an owner may have."""

_OWNER_LOCK = 7_032_119
"""The class of PostgreSQL's advisory locks on one owner's keys."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`hash` is the SHA-256 of the key, in hexadecimal; `hint` its last characters."""

    id: str
    owner: str
    created_by: str
    name: str
    role: Role
    hash: str
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeyStore(Protocol):
    """Every implementation passes `tests/store/test_api_keys.py`."""

    async def create(self, key: ApiKey) -> None:
        """Raises `ConflictError` (`too_many_api_keys`)."""
        ...

    async def listing(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ApiKey]:
        """All of the owner's, revoked ones too, newest first."""
        ...

    async def find(self, hash: str) -> ApiKey | None:
        """The key of that hash, revoked and expired ones too."""
        ...

    async def revoke(self, owner: str, key_id: str) -> None:
        """For good; a revoked key stays revoked. Raises `NotFoundError`."""
        ...

    async def used(self, key_id: str, at: datetime) -> None:
        """Notes when the key was last used."""
        ...


class SqlApiKeys:
    """`ApiKeyStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, key: ApiKey) -> None:
        count = select(func.count()).where(
            api_keys.c.owner == key.owner, api_keys.c.revoked_at.is_(None)
        )
        async with self._database.writing() as connection:
            await connection.run_sync(lock_owner, _OWNER_LOCK, key.owner)
            if ((await connection.execute(count)).scalar() or 0) >= MAX_API_KEYS:
                raise ConflictError(
                    f"there are {MAX_API_KEYS} keys already: revoke one first",
                    code="too_many_api_keys",
                )
            await connection.execute(
                insert(api_keys),
                {
                    "id": key.id,
                    "owner": key.owner,
                    "created_by": key.created_by,
                    "name": key.name,
                    "role": key.role.value,
                    "hash": key.hash,
                    "hint": key.hint,
                    "created_at": key.created_at,
                    "expires_at": key.expires_at,
                },
            )

    async def listing(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ApiKey]:
        query = newest_first(
            select(api_keys).where(api_keys.c.owner == owner), api_keys, limit=limit, cursor=cursor
        )
        found = await self._database.rows(query)
        return page(found, read_key, limit=limit)

    async def find(self, hash: str) -> ApiKey | None:
        query = select(api_keys).where(api_keys.c.hash == hash)
        row = await self._database.row(query)
        return None if row is None else read_key(row)

    async def revoke(self, owner: str, key_id: str) -> None:
        at = (api_keys.c.owner == owner) & (api_keys.c.id == key_id)
        revoked = func.coalesce(api_keys.c.revoked_at, datetime.now(UTC))
        statement = update(api_keys).where(at).values(revoked_at=revoked)
        async with self._database.writing() as connection:
            result = await connection.execute(statement)
        if result.rowcount == 0:
            raise NotFoundError(f"there is no key {key_id}")

    async def used(self, key_id: str, at: datetime) -> None:
        statement = update(api_keys).where(api_keys.c.id == key_id)
        async with self._database.writing() as connection:
            await connection.execute(statement, {"last_used_at": at})


def read_key(row: Row[Any]) -> ApiKey:
    """The key of a row of the table."""
    return ApiKey(
        id=row.id,
        owner=row.owner,
        created_by=row.created_by,
        name=row.name,
        role=Role(row.role),
        hash=row.hash,
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
