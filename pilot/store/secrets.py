"""Stored secrets: sealed values by owner and name. The store never sees a value."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row, Select, delete, func, insert, select, tuple_, update

from pilot.errors import ConflictError, NotFoundError
from pilot.store.database import Database, lock_owner
from pilot.store.prepared import prepared
from pilot.store.tables import secrets

MAX_SECRETS = 200
"""How many a user may have."""

_OWNER_LOCK = 7_032_117
"""The class of PostgreSQL's advisory locks on one owner's secrets."""


@dataclass(frozen=True, slots=True)
class SecretSummary:
    """A secret as its owner sees it."""

    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as it is kept: `ciphertext` was sealed by the key `key_id`."""

    owner: str
    name: str
    ciphertext: bytes
    key_id: str


class SecretStore(Protocol):
    """Every implementation passes `tests/store/test_secrets.py`."""

    async def put(self, secret: SealedSecret) -> tuple[SecretSummary, bool]:
        """Creates or replaces; the second value says that it was created.

        Raises `ConflictError` (`too_many_secrets`) for a new one beyond `MAX_SECRETS`.
        """
        ...

    async def summaries(self, owner: str) -> list[SecretSummary]:
        """All of the owner's, by name."""
        ...

    async def names(self, owner: str) -> frozenset[str]: ...

    async def get(self, owner: str, names: Collection[str]) -> dict[str, SealedSecret]:
        """Those of the names that the owner has."""
        ...

    async def delete(self, owner: str, name: str) -> None:
        """Raises `NotFoundError`."""
        ...

    async def count_by_key(self) -> dict[str, int]:
        """How many secrets each key has sealed, of all owners."""
        ...

    async def not_sealed_by(
        self, key_id: str, *, after: tuple[str, str] | None = None, limit: int = 100
    ) -> list[SealedSecret]:
        """A batch of all owners' secrets that another key has sealed, by (owner, name)."""
        ...

    async def reseal(self, old: SealedSecret, ciphertext: bytes, key_id: str) -> bool:
        """Replaces the ciphertext where it still is that of `old`, and leaves the times.
        False: it was replaced or deleted meanwhile."""
        ...


class SqlSecrets:
    """`SecretStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, secret: SealedSecret) -> tuple[SecretSummary, bool]:
        now = datetime.now(UTC)
        values = {"ciphertext": secret.ciphertext, "key_id": secret.key_id, "updated_at": now}
        at = _is(secret.owner, secret.name)
        async with self._database.writing() as connection:
            await connection.run_sync(lock_owner, _OWNER_LOCK, secret.owner)
            found = (await connection.execute(select(secrets.c.created_at).where(at))).one_or_none()
            if found is not None:
                await connection.execute(update(secrets).where(at), values)
                return SecretSummary(secret.name, found.created_at, now), False
            count = select(func.count()).where(secrets.c.owner == secret.owner)
            if ((await connection.execute(count)).scalar() or 0) >= MAX_SECRETS:
                raise ConflictError(
                    f"a user has at most {MAX_SECRETS} secrets: delete one first",
                    code="too_many_secrets",
                )
            new = {"owner": secret.owner, "name": secret.name, "created_at": now, **values}
            await connection.execute(insert(secrets), new)
        return SecretSummary(secret.name, now, now), True

    async def summaries(self, owner: str) -> list[SecretSummary]:
        query = select(secrets.c.name, secrets.c.created_at, secrets.c.updated_at).where(
            secrets.c.owner == owner
        )
        found = await self._database.rows(query)
        summaries = [SecretSummary(row.name, row.created_at, row.updated_at) for row in found]
        # here, because databases differ in how they sort text
        return sorted(summaries, key=lambda summary: summary.name)

    async def names(self, owner: str) -> frozenset[str]:
        return frozenset(name for [name] in await self._database.rows(*_names(owner)))

    async def get(self, owner: str, names: Collection[str]) -> dict[str, SealedSecret]:
        if not names:
            return {}
        query = _sealed().where(secrets.c.owner == owner, secrets.c.name.in_(sorted(names)))
        found = await self._database.rows(query)
        return {row.name: _read(row) for row in found}

    async def delete(self, owner: str, name: str) -> None:
        async with self._database.writing() as connection:
            result = await connection.execute(delete(secrets).where(_is(owner, name)))
        if result.rowcount == 0:
            raise NotFoundError(f"there is no secret {name}")

    async def count_by_key(self) -> dict[str, int]:
        query = select(secrets.c.key_id, func.count()).group_by(secrets.c.key_id)
        found = await self._database.rows(query)
        return {key_id: int(count) for key_id, count in found}

    async def not_sealed_by(
        self, key_id: str, *, after: tuple[str, str] | None = None, limit: int = 100
    ) -> list[SealedSecret]:
        query = (
            _sealed()
            .where(secrets.c.key_id != key_id)
            .order_by(secrets.c.owner, secrets.c.name)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(secrets.c.owner, secrets.c.name) > tuple_(*after))
        found = await self._database.rows(query)
        return [_read(row) for row in found]

    async def reseal(self, old: SealedSecret, ciphertext: bytes, key_id: str) -> bool:
        statement = update(secrets).where(
            _is(old.owner, old.name), secrets.c.ciphertext == old.ciphertext
        )
        async with self._database.writing() as connection:
            result = await connection.execute(
                statement, {"ciphertext": ciphertext, "key_id": key_id}
            )
        return result.rowcount == 1


@prepared
def _names(owner: str) -> Select[Any]:
    return select(secrets.c.name).where(secrets.c.owner == owner)


def _is(owner: str, name: str) -> Any:
    return (secrets.c.owner == owner) & (secrets.c.name == name)


def _sealed() -> Any:
    return select(secrets.c.owner, secrets.c.name, secrets.c.ciphertext, secrets.c.key_id)


def _read(row: Row[Any]) -> SealedSecret:
    return SealedSecret(row.owner, row.name, bytes(row.ciphertext), row.key_id)
