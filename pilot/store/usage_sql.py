"""`UsageStore` on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    case,
    delete,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite

from pilot.store import Page
from pilot.store.database import Database, lock_owner
from pilot.store.prepared import prepared
from pilot.store.tables import budgets, usage, usage_days, usage_reservations
from pilot.store.usage import (
    MAX_COST,
    MAX_COUNT,
    WHOLE_ACCOUNT,
    Allowance,
    CallKey,
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
from pilot.store.usage_report import report_page, report_query
from pilot.store.usage_totals import COUNTS, read_total, total_query

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_OWNER_LOCK = 7_032_118
"""The class of PostgreSQL's advisory locks on one owner's budget."""
_SUMS = (*COUNTS, "called_tokens", "called_cost")


class SqlUsage:
    """`UsageStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, call: ModelCall) -> bool:
        row = call_row(call)
        days = [_day_row(call), *(_called_row(call, caller) for caller in call.callers)]
        ended = _reservation_of(call.owner, call.day, str(call.key))
        async with self._database.writing() as connection:
            insert = _INSERT[connection.dialect.name]
            written = insert(usage).on_conflict_do_nothing().returning(usage.c.execution_id)
            is_new = (await connection.execute(written, row)).one_or_none() is not None
            if is_new:
                add = insert(usage_days)
                await connection.execute(
                    add.on_conflict_do_update(
                        index_elements=list(usage_days.primary_key),
                        set_={name: usage_days.c[name] + add.excluded[name] for name in _SUMS},
                    ),
                    days,
                )
            await connection.execute(delete(usage_reservations).where(ended))
        return is_new

    async def reserve(self, reservation: Reservation, allowance: Allowance) -> Refusal | None:
        now = datetime.now(UTC)
        day = utc_day(reservation.at)
        expired = (usage_reservations.c.owner == reservation.owner) & (
            usage_reservations.c.expires_at <= now
        )
        workflows = (reservation.workflow_id, *reservation.callers)
        async with self._database.writing() as connection:
            await connection.run_sync(lock_owner, _OWNER_LOCK, reservation.owner)
            await connection.execute(delete(usage_reservations).where(expired))
            first, *above = [
                (await connection.execute(_spent(reservation.owner, one, day, now))).one()
                for one in workflows
            ]
            refused = refusal(
                allowance,
                _of_account(first),
                _of_workflow(first),
                [_of_workflow(row) for row in above],
            )
            if refused is None:
                insert = _INSERT[connection.dialect.name]
                await connection.execute(
                    insert(usage_reservations).on_conflict_do_nothing(),
                    [
                        {
                            "owner": reservation.owner,
                            "day": day,
                            "workflow_id": workflow_id,
                            "call_key": str(reservation.key),
                            "tokens": reservation.tokens,
                            "cost": reservation.cost,
                            "expires_at": reservation.expires_at,
                            "called": workflow_id != reservation.workflow_id,
                        }
                        for workflow_id in workflows
                    ],
                )
        return refused

    async def release(self, reservation: Reservation) -> None:
        held = _reservation_of(reservation.owner, utc_day(reservation.at), str(reservation.key))
        async with self._database.writing() as connection:
            await connection.execute(delete(usage_reservations).where(held))

    async def spent(self, owner: str, workflow_id: str | None, day: date) -> Spent:
        query = _spent(owner, workflow_id or WHOLE_ACCOUNT, day, datetime.now(UTC))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one()
        return _of_account(row) if workflow_id is None else _of_workflow(row)

    async def of_node(self, execution_id: str, node_id: str, path: str) -> Total:
        return await self._total(
            (usage.c.execution_id == execution_id)
            & (usage.c.node_id == node_id)
            & (usage.c.path == path)
        )

    async def of_execution(self, execution_id: str) -> Total:
        return await self._total(usage.c.execution_id == execution_id)

    async def calls(self, execution_id: str) -> list[ModelCall]:
        query = select(usage).where(usage.c.execution_id == execution_id)
        query = query.order_by(*usage.primary_key)
        return [model_call(row) for row in await self._database.rows(query)]

    async def _total(self, which: ColumnElement[bool]) -> Total:
        async with self._database.reading() as connection:
            return read_total((await connection.execute(total_query(which))).one())

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
        query = report_query(owner, first, last, group_by, limit=limit, cursor=cursor)
        found = await self._database.rows(query)
        return report_page(found, group_by, limit=limit)

    async def allowance(
        self, owner: str, workflow_id: str, callers: Sequence[str] = ()
    ) -> Allowance:
        which = [WHOLE_ACCOUNT, workflow_id, *callers]
        found = await self._database.rows(*_budgets_of(owner, which))
        limits = {row.workflow_id: Limits(row.tokens_per_day, row.cost_per_day) for row in found}
        return Allowance.of(limits, workflow_id, callers)

    async def put_budget(self, owner: str, workflow_id: str, limits: Limits) -> None:
        row = {
            "owner": owner,
            "workflow_id": workflow_id,
            "tokens_per_day": limits.tokens,
            "cost_per_day": limits.cost,
            "updated_at": datetime.now(UTC),
        }
        async with self._database.writing() as connection:
            new = _INSERT[connection.dialect.name](budgets)
            statement = new.on_conflict_do_update(
                index_elements=list(budgets.primary_key),
                set_={
                    name: new.excluded[name]
                    for name in ("tokens_per_day", "cost_per_day", "updated_at")
                },
            )
            await connection.execute(statement, row)

    async def delete_budget(self, owner: str, workflow_id: str) -> None:
        which = (budgets.c.owner == owner) & (budgets.c.workflow_id == workflow_id)
        async with self._database.writing() as connection:
            await connection.execute(delete(budgets).where(which))


@prepared
def _budgets_of(owner: str, which: list[str]) -> Select[Any]:
    return select(budgets).where(budgets.c.owner == owner, budgets.c.workflow_id.in_(which))


def _spent(owner: str, workflow_id: str, day: date, now: datetime) -> Select[Any]:
    """One row: used and reserved, of the account and of the workflow. In one statement, since
    a call that is recorded between two would be in neither."""
    days, held = usage_days.c, usage_reservations.c
    tokens = days.prompt_tokens + days.completion_tokens
    of_workflow = days.workflow_id == workflow_id
    used = (
        select(
            func.sum(tokens).label("tokens"),
            func.sum(days.cost).label("cost"),
            _sum_where(of_workflow, tokens + days.called_tokens).label("workflow_tokens"),
            _sum_where(of_workflow, days.cost + days.called_cost).label("workflow_cost"),
        )
        .where(days.owner == owner, days.day == day)
        .subquery("used")
    )
    of_account, of_workflow = ~held.called, held.workflow_id == workflow_id
    reserved = (
        select(
            _sum_where(of_account, held.tokens).label("tokens"),
            _sum_where(of_account, held.cost).label("cost"),
            _sum_where(of_workflow, held.tokens).label("workflow_tokens"),
            _sum_where(of_workflow, held.cost).label("workflow_cost"),
        )
        .where(held.owner == owner, held.day == day, held.expires_at > now)
        .subquery("held")
    )
    return select(*_named(used, "used"), *_named(reserved, "held")).select_from(
        used.join(reserved, true())
    )


def _sum_where(which: ColumnElement[bool], value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.sum(case((which, value), else_=literal(0)))


def _named(sums: Subquery, prefix: str) -> list[Any]:
    return [column.label(f"{prefix}_{column.name}") for column in sums.c]


def _of_account(row: Row[Any]) -> Spent:
    return Spent(
        int(row.used_tokens or 0),
        int(row.used_cost or 0),
        int(row.held_tokens or 0),
        int(row.held_cost or 0),
    )


def _of_workflow(row: Row[Any]) -> Spent:
    return Spent(
        int(row.used_workflow_tokens or 0),
        int(row.used_workflow_cost or 0),
        int(row.held_workflow_tokens or 0),
        int(row.held_workflow_cost or 0),
    )


def _reservation_of(owner: str, day: date, call_key: str) -> Any:
    columns = usage_reservations.c
    return (columns.owner == owner) & (columns.day == day) & (columns.call_key == call_key)


def call_row(call: ModelCall) -> dict[str, Any]:
    """The columns of a call's row, within what they can hold."""
    key = call.key
    return {
        "execution_id": key.execution_id,
        "node_id": key.node_id,
        "path": key.path,
        "run_id": key.run_id,
        "attempt": key.attempt,
        "call": key.call,
        "owner": call.owner,
        "workflow_id": call.workflow_id,
        "day": call.day,
        "model": call.model,
        "prompt_tokens": _count(call.prompt_tokens),
        "completion_tokens": _count(call.completion_tokens),
        "cost": _cost(call.cost),
        "estimated": call.estimated,
        "error": call.error,
        "at": call.at,
    }


def model_call(row: Any) -> ModelCall:
    key = CallKey(row.execution_id, row.node_id, row.path, row.run_id, row.attempt, row.call)
    return ModelCall(
        key,
        row.owner,
        row.workflow_id,
        row.model,
        row.prompt_tokens,
        row.completion_tokens,
        row.cost,
        row.at,
        row.estimated,
        row.error,
    )


def _day_row(call: ModelCall) -> dict[str, Any]:
    total = Total.of(call)
    return {
        "owner": call.owner,
        "day": call.day,
        "workflow_id": call.workflow_id,
        "model": call.model,
        **dict.fromkeys(_SUMS, 0),
        **{name: getattr(total, name) for name in COUNTS},
        "prompt_tokens": _count(call.prompt_tokens),
        "completion_tokens": _count(call.completion_tokens),
        "cost": _cost(call.cost) or 0,
    }


def _called_row(call: ModelCall, caller: str) -> dict[str, Any]:
    """What it adds to the day of a workflow above its own."""
    return {
        "owner": call.owner,
        "day": call.day,
        "workflow_id": caller,
        "model": call.model,
        **dict.fromkeys(_SUMS, 0),
        "called_tokens": _count(call.prompt_tokens) + _count(call.completion_tokens),
        "called_cost": _cost(call.cost) or 0,
    }


def _count(tokens: int) -> int:
    """What a server said may be nonsense: it must neither break the row nor give tokens back."""
    return max(0, min(tokens, MAX_COUNT))


def _cost(cost: int | None) -> int | None:
    return None if cost is None else max(0, min(cost, MAX_COST))
