"""`ForgettingStore` on Supabase: the service's alone."""

from __future__ import annotations

from pilot.store.forgetting import replacements
from pilot.store.queries import storable
from pilot.store.supabase.connection import Connection
from pilot.store.values import owner_id


class SupabaseForgetting:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def close_access(self, owner: str) -> int:
        return int(await self._connection.write_all("close_access", owner=owner_id(owner)))

    async def delete_workflows(self, owner: str, *, limit: int) -> int:
        return int(
            await self._connection.write_all(
                "delete_workflows", owner=owner_id(owner), size=storable(limit)
            )
        )

    async def delete_usage(self, owner: str, *, limit: int) -> int:
        return int(
            await self._connection.write_all(
                "delete_usage", owner=owner_id(owner), size=storable(limit)
            )
        )

    async def unname(self, owner: str, *, limit: int) -> int:
        return int(
            await self._connection.write_all("unname", owner=owner_id(owner), size=storable(limit))
        )

    async def unname_answers(self, owner: str, *, limit: int) -> list[str]:
        person = owner_id(owner)
        pairs = replacements(person)
        found: list[str] = await self._connection.write_all(
            "unname_answers",
            owner=person,
            names=[name for name, _ in pairs],
            instead=[new for _, new in pairs],
            size=storable(limit),
        )
        return found
