"""`PlaceStore` on Supabase: of the worker's alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilot.store.places import Caller, Refusal, Taken
from pilot.store.supabase.connection import Connection
from pilot.store.values import plain
from pilot.throttle import ModelLimit


class SupabasePlaces:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take(
        self, caller: Caller, limits: Sequence[ModelLimit], *, lease_s: float, present_s: float
    ) -> Refusal | None:
        found = await self._connection.write_all(
            "take_place",
            **_caller(caller),
            whose=caller.whose,
            bounds=[
                {
                    "pattern": plain(limit.pattern),
                    "in_flight": limit.in_flight,
                    "burst": None if limit.per_minute is None else limit.burst,
                    "interval_s": None if limit.per_minute is None else limit.interval_s,
                }
                for limit in limits
            ],
            lease_s=lease_s,
            present_s=present_s,
        )
        return None if found is None else Refusal(**found)

    async def renew(self, caller: Caller, limits: Sequence[ModelLimit], lease_s: float) -> None:
        await self._connection.write_all(
            "renew_place",
            **_caller(caller),
            whose=caller.whose,
            patterns=[plain(limit.pattern) for limit in limits],
            lease_s=lease_s,
        )

    async def defer(self, caller: Caller, present_s: float) -> None:
        await self._connection.write_all("defer_place", **_caller(caller), present_s=present_s)

    async def give_back(self, caller: Caller) -> None:
        await self._connection.write_all("give_back_place", **_caller(caller))

    async def taken(self) -> dict[str, Taken]:
        found = await self._connection.read_all("places_taken")
        return {row["limit_key"]: Taken(row["held"], row["waiting"]) for row in found}


def _caller(caller: Caller) -> dict[str, Any]:
    return {"key": plain(caller.key), "token": caller.token}
