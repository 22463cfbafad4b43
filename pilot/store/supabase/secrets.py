"""`SecretStore` on Supabase. A user's token opens no ciphertext, and need not: who may use a
secret was decided by the API, or by the workflow that a run is of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pilot.store import secrets
from pilot.store.queries import storable
from pilot.store.secrets import SealedSecret, SecretSummary
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import moment
from pilot.store.values import owner_id, plain


class SupabaseSecrets:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, secret: SealedSecret) -> tuple[SecretSummary, bool]:
        found = await self._connection.write(
            "put_secret",
            owner=owner_id(secret.owner),
            name=plain(secret.name),
            ciphertext=_hex(secret.ciphertext),
            key_id=secret.key_id,
            limit=secrets.MAX_SECRETS,
        )
        return _summary(secret.name, found), bool(found["is_new"])

    async def summaries(self, owner: str) -> list[SecretSummary]:
        found = await self._connection.read("secret_summaries", owner=owner_id(owner))
        return sorted((_summary(row["name"], row) for row in found), key=lambda one: one.name)

    async def names(self, owner: str) -> frozenset[str]:
        # of a workflow that is shared too, whose owner's secrets its editor may name
        found = await self._connection.read_all("secret_summaries", owner=owner_id(owner))
        return frozenset(row["name"] for row in found)

    async def get(self, owner: str, names: Collection[str]) -> dict[str, SealedSecret]:
        if not names:
            return {}
        found = await self._connection.read_all(
            "get_secrets", owner=owner_id(owner), names=sorted(plain(name) for name in names)
        )
        return {row["name"]: _sealed(row) for row in found}

    async def delete(self, owner: str, name: str) -> None:
        await self._connection.write("delete_secret", owner=owner_id(owner), name=plain(name))

    async def count_by_key(self) -> dict[str, int]:
        found: dict[str, int] = await self._connection.read_all("count_secrets")
        return found

    async def not_sealed_by(
        self, key_id: str, *, after: tuple[str, str] | None = None, limit: int = 100
    ) -> list[SealedSecret]:
        after_owner, after_name = (None, None) if after is None else after
        found = await self._connection.read_all(
            "secrets_not_sealed_by",
            key_id=key_id,
            after_owner=after_owner,
            after_name=after_name,
            size=storable(limit),
        )
        return [_sealed(row) for row in found]

    async def reseal(self, old: SealedSecret, ciphertext: bytes, key_id: str) -> bool:
        return bool(
            await self._connection.write_all(
                "reseal_secret",
                owner=owner_id(old.owner),
                name=plain(old.name),
                old=_hex(old.ciphertext),
                ciphertext=_hex(ciphertext),
                key_id=key_id,
            )
        )


def _hex(ciphertext: bytes) -> str:
    """PostgreSQL's text of a `bytea`."""
    return f"\\x{ciphertext.hex()}"


def _summary(name: str, row: dict[str, Any]) -> SecretSummary:
    return SecretSummary(name, moment(row["created_at"]), moment(row["updated_at"]))


def _sealed(row: dict[str, Any]) -> SealedSecret:
    return SealedSecret(row["owner"], row["name"], bytes.fromhex(row["ciphertext"]), row["key_id"])
