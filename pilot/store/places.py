"""Places at models: who asks one now, and who waits to, where the operator bounds how many may.

A place is a lease: it ends when it is given back, or when it is no longer renewed. Who finds none
gets a ticket, and is served in the order of the tickets; an owner who has places or waits already
gets a later one, so that many calls of one owner do not keep another's waiting for all of them.

A limit by the minute is a token bucket, kept as the time at which it is full again (GCRA,
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).

All times are the database's, so workers' clocks may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.store.database import Database
from pilot.store.tables import model_places, model_rates
from pilot.throttle import ModelLimit

SETBACK = timedelta(seconds=10)
"""How much later a ticket is for each other place that its owner has or waits for."""
WAITS_FOR = timedelta(minutes=5)
"""How long one who does not ask again still counts as waiting."""
KEPT = timedelta(hours=1)
"""How long a ticket is good for."""

_LOCK = 7_032_120
"""The class of PostgreSQL's advisory locks on one limit."""
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `key` is the same for all attempts of a call, which have one place together, and
    `token` this attempt's own; `whose` stands for the owner."""

    key: str
    whose: str
    token: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """There is no place by the limit of that pattern. `ahead` says how many are to be served first,
    `after_s` when the limit by the minute allows it at the earliest."""

    pattern: str
    ahead: int
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """How many places of a limit are taken, and how many wait for one."""

    held: int
    waiting: int


class PlaceStore(Protocol):
    """Every implementation passes `tests/store/test_places.py`."""

    async def take(
        self, caller: Caller, limits: Sequence[ModelLimit], *, lease_s: float, present_s: float
    ) -> Refusal | None:
        """Takes a place by every one of the limits, or by none: then the caller waits, and is not
        passed by later tickets for `present_s` seconds. A place that an earlier attempt has is
        taken over."""
        ...

    async def renew(self, caller: Caller, limits: Sequence[ModelLimit], lease_s: float) -> None:
        """Holds the places on, which may have run out meanwhile. One that another attempt took
        over stays that one's."""
        ...

    async def defer(self, caller: Caller, present_s: float) -> None:
        """The caller comes back later with the ticket it has; until then, and from now on for
        `present_s` seconds only, it is not passed by."""
        ...

    async def give_back(self, caller: Caller) -> None:
        """Ends whatever the caller has, or waits for."""
        ...

    async def taken(self) -> dict[str, Taken]:
        """By the patterns of limits."""
        ...


class SqlPlaces:
    """`PlaceStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(
        self, caller: Caller, limits: Sequence[ModelLimit], *, lease_s: float, present_s: float
    ) -> Refusal | None:
        async with self._database.writing() as connection:
            now = await _turn(connection, sorted(limit.pattern for limit in limits))
            found = await _found(connection, caller, limits, now)
            if found.has_all(caller):
                await self._hold(connection, caller, limits, now, now, lease_s)
                return None
            ticket = found.ticket or now + SETBACK * found.own
            refusals = [
                refusal
                for limit in limits
                if (refusal := await _refusal(connection, caller, limit, found, ticket, now))
            ]
            if found.stale:
                await connection.execute(delete(model_places).where(_is_over(now)))
            if not refusals:
                await self._hold(connection, caller, limits, ticket, now, lease_s)
                await _count_in(connection, limits, found, now)
                return None
            refused = {refusal.pattern for refusal in refusals}
            others = model_places.c.limit_key.not_in(refused)
            await connection.execute(
                delete(model_places).where(others, model_places.c.holder == caller.key)
            )
            until = now + timedelta(seconds=present_s)
            await _put(connection, caller, refused, held=False, ticket=ticket, until=until)
            return max(refusals, key=lambda one: (one.after_s, one.ahead))

    async def _hold(
        self,
        connection: AsyncConnection,
        caller: Caller,
        limits: Sequence[ModelLimit],
        ticket: datetime,
        now: datetime,
        lease_s: float,
    ) -> None:
        patterns = {limit.pattern for limit in limits}
        until = now + timedelta(seconds=lease_s)
        await _put(connection, caller, patterns, held=True, ticket=ticket, until=until)

    async def renew(self, caller: Caller, limits: Sequence[ModelLimit], lease_s: float) -> None:
        async with self._database.writing() as connection:
            now = await _now(connection)
            insert = _INSERT[connection.dialect.name](model_places)
            mine = model_places.c.token == insert.excluded.token
            until = now + timedelta(seconds=lease_s)
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=list(model_places.primary_key),
                    set_={"until": insert.excluded.until, "held": True},
                    where=mine,
                ),
                _rows(caller, {one.pattern for one in limits}, held=True, ticket=now, until=until),
            )

    async def defer(self, caller: Caller, present_s: float) -> None:
        mine = (model_places.c.holder == caller.key) & (model_places.c.token == caller.token)
        async with self._database.writing() as connection:
            until = await _now(connection) + timedelta(seconds=present_s)
            waits = update(model_places).where(mine, model_places.c.held.is_(False))
            await connection.execute(waits.values(until=until))

    async def give_back(self, caller: Caller) -> None:
        mine = (model_places.c.holder == caller.key) & (model_places.c.token == caller.token)
        async with self._database.writing() as connection:
            await connection.execute(delete(model_places).where(mine))

    async def taken(self) -> dict[str, Taken]:
        async with self._database.reading() as connection:
            now = await _now(connection)
            held, waiting = _is_held(now), _waits(now - WAITS_FOR)
            query = select(
                model_places.c.limit_key,
                _count(held).label("held"),
                _count(waiting).label("waiting"),
            ).group_by(model_places.c.limit_key)
            found = (await connection.execute(query)).all()
        return {row.limit_key: Taken(row.held, row.waiting) for row in found}


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands under the limits: the caller's own rows, counts of all others', and the times at
    which the buckets are full."""

    mine: dict[str, Any]
    others: dict[str, Any]
    full_at: dict[str, datetime]
    patterns: frozenset[str]

    def has_all(self, caller: Caller) -> bool:
        return self.patterns == {
            key for key, row in self.mine.items() if row.held and row.token == caller.token
        }

    @property
    def ticket(self) -> datetime | None:
        return min((row.ticket for row in self.mine.values()), default=None)

    @property
    def own(self) -> int:
        return max((row.own for row in self.others.values()), default=0)

    @property
    def stale(self) -> bool:
        return any(row.stale for row in self.others.values())


async def _found(
    connection: AsyncConnection, caller: Caller, limits: Sequence[ModelLimit], now: datetime
) -> _Found:
    columns = model_places.c
    patterns = frozenset(limit.pattern for limit in limits)
    under = columns.limit_key.in_(patterns)
    own = select(model_places).where(under, columns.holder == caller.key)
    mine = {row.limit_key: row for row in await connection.execute(own)}
    has_or_waits = or_(_is_held(now), _waits(now - WAITS_FOR))
    query = (
        select(
            columns.limit_key,
            _count(_is_held(now)).label("held"),
            _count(_waits(now)).label("present"),
            _count(and_(has_or_waits, columns.whose == caller.whose)).label("own"),
            _count(_is_over(now)).label("stale"),
        )
        .where(under, columns.holder != caller.key)
        .group_by(columns.limit_key)
    )
    others = {row.limit_key: row for row in await connection.execute(query)}
    full_at = {}
    if any(limit.per_minute is not None for limit in limits):
        rates = select(model_rates).where(model_rates.c.limit_key.in_(patterns))
        full_at = {row.limit_key: row.full_at for row in await connection.execute(rates)}
    return _Found(mine, others, full_at, patterns)


async def _refusal(
    connection: AsyncConnection,
    caller: Caller,
    limit: ModelLimit,
    found: _Found,
    ticket: datetime,
    now: datetime,
) -> Refusal | None:
    others = found.others.get(limit.pattern)
    room: float = float("inf")
    if limit.in_flight is not None:
        room = limit.in_flight - (others.held if others else 0)
    due_s = 0.0
    if limit.per_minute is not None:
        missing_s = max((found.full_at.get(limit.pattern, now) - now).total_seconds(), 0.0)
        due_s = missing_s - (limit.burst - 1) * limit.interval_s
        room = min(room, max(0, int(-due_s / limit.interval_s + 1e-9) + 1) if due_s <= 0 else 0)
    if room > (others.present if others else 0):
        return None
    ahead = await _ahead(connection, caller, limit.pattern, ticket, now)
    if room > ahead.present:
        return None
    after_s = 0.0 if limit.per_minute is None else due_s + ahead.waiting * limit.interval_s
    return Refusal(limit.pattern, ahead.waiting, max(after_s, 0.0))


async def _ahead(
    connection: AsyncConnection, caller: Caller, pattern: str, ticket: datetime, now: datetime
) -> Any:
    """How many others have earlier tickets: those who are there, and all."""
    columns = model_places.c
    earlier = or_(
        columns.ticket < ticket, and_(columns.ticket == ticket, columns.holder < caller.key)
    )
    query = select(
        _count(_waits(now)).label("present"), _count(_waits(now - WAITS_FOR)).label("waiting")
    ).where(columns.limit_key == pattern, columns.holder != caller.key, earlier)
    return (await connection.execute(query)).one()


async def _count_in(
    connection: AsyncConnection, limits: Sequence[ModelLimit], found: _Found, now: datetime
) -> None:
    """The call of each bucket."""
    rows = [
        {
            "limit_key": limit.pattern,
            "full_at": max(found.full_at.get(limit.pattern, now), now)
            + timedelta(seconds=limit.interval_s),
        }
        for limit in limits
        if limit.per_minute is not None
    ]
    if not rows:
        return
    insert = _INSERT[connection.dialect.name](model_rates)
    await connection.execute(
        insert.on_conflict_do_update(
            index_elements=list(model_rates.primary_key), set_={"full_at": insert.excluded.full_at}
        ),
        rows,
    )


async def _put(
    connection: AsyncConnection,
    caller: Caller,
    patterns: set[str],
    *,
    held: bool,
    ticket: datetime,
    until: datetime,
) -> None:
    insert = _INSERT[connection.dialect.name](model_places)
    changed = {name: insert.excluded[name] for name in ("held", "token", "ticket", "until")}
    await connection.execute(
        insert.on_conflict_do_update(index_elements=list(model_places.primary_key), set_=changed),
        _rows(caller, patterns, held=held, ticket=ticket, until=until),
    )


def _rows(
    caller: Caller, patterns: set[str], *, held: bool, ticket: datetime, until: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "limit_key": pattern,
            "holder": caller.key,
            "whose": caller.whose,
            "token": caller.token,
            "held": held,
            "ticket": ticket,
            "until": until,
        }
        for pattern in sorted(patterns)
    ]


def _is_held(now: datetime) -> ColumnElement[bool]:
    return and_(model_places.c.held, model_places.c.until > now)


def _waits(since: datetime) -> ColumnElement[bool]:
    return and_(model_places.c.held.is_(False), model_places.c.until > since)


def _is_over(now: datetime) -> ColumnElement[bool]:
    until = model_places.c.until
    return or_(and_(model_places.c.held, until <= now), until <= now - KEPT)


def _count(which: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((which, 1), else_=0)), 0)


async def _turn(connection: AsyncConnection, patterns: list[str]) -> datetime:
    """Until the commit nobody else takes a place of these limits. The time, once that is so."""
    if connection.dialect.name == "postgresql":
        await connection.execute(
            select(
                func.pg_advisory_xact_lock(_LOCK, func.hashtext(literal_column("pattern")))
            ).select_from(text("unnest(CAST(:patterns AS text[])) AS pattern")),
            {"patterns": patterns},
        )
    return await _now(connection)


async def _now(connection: AsyncConnection) -> datetime:
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return now
