"""`UsageStore` on Supabase. A person reads their report and sets their budgets; what a budget is
held to is πlot's own affair, and as complete for somebody whom a workflow is shared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any

from pilot.store import Page
from pilot.store.paging import page_size
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import moment
from pilot.store.usage import (
    WHOLE_ACCOUNT,
    Allowance,
    GroupBy,
    Limits,
    ModelCall,
    Refusal,
    Reservation,
    Spent,
    Total,
    UsageRow,
    refusal,
    utc_day,
)
from pilot.store.usage_report import decode_cursor, encode_cursor
from pilot.store.usage_sql import call_row, model_call
from pilot.store.usage_totals import COUNTS
from pilot.store.values import owner_id, plain, utc

_COLUMNS = {"day": "day", "workflow": "workflow_id", "model": "model"}


class SupabaseUsage:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, call: ModelCall) -> bool:
        row = {
            name: plain(value) if isinstance(value, str) else value
            for name, value in call_row(call).items()
        }
        row |= {"owner": owner_id(call.owner), "at": utc(call.at)}
        row["call_key"] = plain(str(call.key))
        row["callers"] = [plain(caller) for caller in call.callers]
        return bool(await self._connection.write_all("record_usage", call=row))

    async def reserve(self, reservation: Reservation, allowance: Allowance) -> Refusal | None:
        found = await self._connection.write_all(
            "reserve_usage",
            reservation={
                **_which(reservation),
                "tokens": reservation.tokens,
                "cost": reservation.cost,
                "expires_at": utc(reservation.expires_at),
                "callers": [plain(caller) for caller in reservation.callers],
            },
            limits=[
                limit
                for limits in (allowance.account, allowance.workflow, *allowance.callers)
                for limit in (limits.tokens, limits.cost)
            ],
        )
        if found is None:
            return None
        return refusal(
            allowance,
            Spent(*found["account"]),
            Spent(*found["workflow"]),
            [Spent(*spent) for spent in found["callers"]],
        )

    async def release(self, reservation: Reservation) -> None:
        await self._connection.write_all("release_usage", **_which(reservation))

    async def spent(self, owner: str, workflow_id: str | None, day: date) -> Spent:
        found = await self._connection.read_all(
            "spent", owner=owner_id(owner), workflow_id=plain(workflow_id or WHOLE_ACCOUNT), day=day
        )
        return Spent(*found["account" if workflow_id is None else "workflow"])

    async def of_node(self, execution_id: str, node_id: str, path: str) -> Total:
        return await self._total(plain(execution_id), plain(node_id), plain(path))

    async def of_execution(self, execution_id: str) -> Total:
        return await self._total(plain(execution_id), None, None)

    async def calls(self, execution_id: str) -> list[ModelCall]:
        found = await self._connection.read_all("calls_of", execution_id=plain(execution_id))
        return [model_call(SimpleNamespace(**{**row, "at": moment(row["at"])})) for row in found]

    async def _total(self, execution_id: str, node_id: str | None, path: str | None) -> Total:
        return _read_total(
            await self._connection.read_all(
                "total_usage", execution_id=execution_id, node_id=node_id, path=path
            )
        )

    async def report(
        self,
        owner: str,
        first: date,
        last: date,
        group_by: Sequence[GroupBy],
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[UsageRow]:
        groups = [_COLUMNS[name] for name in group_by]
        after = decode_cursor(cursor, group_by) if groups and cursor is not None else None
        size = page_size(limit)
        found = await self._connection.read(
            "report_usage",
            owner=owner_id(owner),
            first=first,
            last=last,
            groups=groups,
            after=None if after is None else [plain(str(part)) for part in after],
            size=size + 1,
        )
        items = [_read_row(row) for row in found[:size]]
        if len(found) <= size:
            return Page(items)
        return Page(items, encode_cursor([found[size - 1][name] for name in groups]))

    async def allowance(
        self, owner: str, workflow_id: str, callers: Sequence[str] = ()
    ) -> Allowance:
        found = await self._connection.read_all(
            "budgets",
            owner=owner_id(owner),
            workflow_ids=[plain(id) for id in (WHOLE_ACCOUNT, workflow_id, *callers)],
        )
        limits = {
            row["workflow_id"]: Limits(row["tokens_per_day"], row["cost_per_day"]) for row in found
        }
        return Allowance.of(limits, workflow_id, callers)

    async def put_budget(self, owner: str, workflow_id: str, limits: Limits) -> None:
        await self._connection.write(
            "put_budget",
            owner=owner_id(owner),
            workflow_id=plain(workflow_id),
            tokens=limits.tokens,
            cost=limits.cost,
        )

    async def delete_budget(self, owner: str, workflow_id: str) -> None:
        await self._connection.write(
            "delete_budget", owner=owner_id(owner), workflow_id=plain(workflow_id)
        )


def _which(reservation: Reservation) -> dict[str, Any]:
    return {
        "owner": owner_id(reservation.owner),
        "day": utc_day(reservation.at),
        "workflow_id": plain(reservation.workflow_id),
        "call_key": plain(str(reservation.key)),
    }


def _read_total(row: dict[str, Any]) -> Total:
    return Total(*(int(row[name] or 0) for name in COUNTS))


def _read_row(row: dict[str, Any]) -> UsageRow:
    day = row.get("day")
    return UsageRow(
        _read_total(row),
        day=None if day is None else date.fromisoformat(day),
        workflow_id=row.get("workflow_id"),
        model=row.get("model"),
    )
