"""`SlotStore` on Supabase: of the API's and the worker's alone, since nobody's token sees all that
an owner runs."""

from __future__ import annotations

from pilot.store import Execution, rows
from pilot.store.queries import storable
from pilot.store.slots import MAX_OWNERS
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record
from pilot.store.values import owner_id, plain


class SupabaseSlots:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def release(self, owner: str, most: int | None) -> Execution | None:
        found = await self._connection.write_all(
            "release_slot", owner=owner_id(owner), most=None if most is None else storable(most)
        )
        return None if found is None else rows.execution(record(found))

    async def owner_waiting(self, execution_id: str) -> str | None:
        owner: str | None = await self._connection.read_all("owner_waiting", id=plain(execution_id))
        return owner

    async def owners(self, most: int | None) -> list[str]:
        owners: list[str] = await self._connection.read_all(
            "owners_waiting", size=MAX_OWNERS, most=None if most is None else storable(most)
        )
        return owners

    async def position(self, execution: Execution) -> int:
        return int(
            await self._connection.read_all(
                "slot_position",
                owner=owner_id(execution.owner),
                held_at=execution.held_at,
                id=plain(execution.id),
            )
        )

    async def held(self) -> int:
        return int(await self._connection.read_all("count_held"))

    async def queued(self, most: int, owner: str | None = None) -> int:
        return int(
            await self._connection.read_all(
                "count_queued",
                most=storable(most),
                owner=None if owner is None else owner_id(owner),
            )
        )
