"""`ApiKeyStore` on Supabase. With the service key throughout: a key is looked for before it is
known who calls, and no user's token reads a hash."""

from __future__ import annotations

from datetime import datetime

from pilot.store import Page, api_keys
from pilot.store.api_keys import ApiKey, read_key
from pilot.store.paging import page
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record, window
from pilot.store.values import owner_id, plain, utc


class SupabaseApiKeys:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, key: ApiKey) -> None:
        await self._connection.write_all(
            "create_api_key",
            key={
                "id": plain(key.id),
                "owner": owner_id(key.owner),
                "created_by": owner_id(key.created_by),
                "name": plain(key.name),
                "role": key.role,
                "hash": key.hash,
                "hint": key.hint,
                "created_at": utc(key.created_at),
                "expires_at": None if key.expires_at is None else utc(key.expires_at),
            },
            limit=api_keys.MAX_API_KEYS,
        )

    async def listing(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ApiKey]:
        found = await self._connection.read_all(
            "list_api_keys", owner=owner_id(owner), **window(limit, cursor)
        )
        return page([record(row) for row in found], read_key, limit=limit)

    async def find(self, hash: str) -> ApiKey | None:
        found = await self._connection.read_all("find_api_key", hash=plain(hash))
        return None if found is None else read_key(record(found))

    async def revoke(self, owner: str, key_id: str) -> None:
        await self._connection.write_all("revoke_api_key", owner=owner_id(owner), id=plain(key_id))

    async def used(self, key_id: str, at: datetime) -> None:
        await self._connection.write_all("used_api_key", id=plain(key_id), at=utc(at))
