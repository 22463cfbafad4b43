"""Who runs and who waits, where an owner may have a bounded number of runs at once.

An execution takes a slot as its row is written, or is held: it waits until one is released for
it, first come first served. A held row is `queued`, and nothing has asked Temporal for it. One
that is to begin later is held from its time on: until then it waits for nobody's slot, and keeps
nobody waiting.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    literal,
    literal_column,
    select,
    text,
    update,
)

from pilot.graph.status import ExecutionStatus
from pilot.store import Execution, rows
from pilot.store.database import Database, lock_owner
from pilot.store.tables import HAS_SLOT, IS_HELD, IS_OPEN, executions

MAX_OWNERS = 1_000

_SLOTS = 7_032_119
"""The class of PostgreSQL's advisory locks on one owner's slots."""

_INDEXED_IN_SQLITE = text("executions INDEXED BY ix_executions_slots")
"""Left to itself SQLite takes the index of owners and statuses, and walks past all that wait."""
_HELD_IN_SQLITE = text("executions INDEXED BY ix_executions_held")


class SlotStore(Protocol):
    """Every implementation passes `tests/store/test_slots.py`."""

    async def release(self, owner: str, most: int | None) -> Execution | None:
        """Gives a slot to the execution of the owner's that has been held longest, if they have
        fewer than `most` (None: any number): the row, which is to be started now. Two calls at
        once never release one row twice, nor more than there are slots."""
        ...

    async def owner_waiting(self, execution_id: str) -> str | None:
        """The owner of that execution, if one of theirs is held."""
        ...

    async def owners(self, most: int | None) -> list[str]:
        """Owners of whom an execution can be released: one is held whose time has come, and they
        have fewer than `most`. At most `MAX_OWNERS`; it costs no more for those that wait."""
        ...

    async def position(self, execution: Execution) -> int:
        """The place of a held execution in its owner's queue, from 1."""
        ...

    async def held(self) -> int:
        """How many executions of all owners are held whose time has come."""
        ...

    async def queued(self, most: int, owner: str | None = None) -> int:
        """How many executions have not begun, held or not, of that owner or of all; counted up to
        `most`."""
        ...


class SqlSlots:
    """`SlotStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def release(self, owner: str, most: int | None) -> Execution | None:
        first = _in_line(waiting(owner)).limit(1)
        release = (
            update(executions)
            # said again for a cancel that comes in between
            .where(executions.c.id == first.scalar_subquery(), *_waits(owner))
            .returning(executions)
        )

        def released(connection: Connection) -> Any:
            lock_slots(connection, owner)
            if most is not None and _has_none_left(connection, owner, most):
                return None
            # the lock's time, not the call's: who is released first has the earlier one
            stamped = release.values(released_at=datetime.now(UTC))
            return connection.execute(stamped).one_or_none()

        row = await self._database.transaction(released)
        return None if row is None else rows.execution(row)

    async def owner_waiting(self, execution_id: str) -> str | None:
        ended = executions.alias()
        query = select(ended.c.owner).where(
            ended.c.id == execution_id,
            waiting(ended.c.owner).exists(),
        )
        async with self._database.reading() as connection:
            owner: str | None = (await connection.execute(query)).scalar_one_or_none()
        return owner

    async def owners(self, most: int | None) -> list[str]:
        query = _owners(self._database.is_sqlite, most).limit(MAX_OWNERS)
        return [owner for (owner,) in await self._database.rows(query)]

    async def position(self, execution: Execution) -> int:
        columns = executions.c
        is_before = (columns.held_at < execution.held_at) | (
            (columns.held_at == execution.held_at) & (columns.id < execution.id)
        )
        query = select(func.count()).where(*_waits(execution.owner), is_before)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one()) + 1

    async def held(self) -> int:
        is_due = executions.c.held_at <= datetime.now(UTC)
        query = select(func.count()).select_from(executions).where(IS_HELD, is_due)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def queued(self, most: int, owner: str | None = None) -> int:
        columns = executions.c
        # of all owners there is no index by status: those that have not ended are gone through
        whose = IS_OPEN if owner is None else columns.owner == owner
        some = select(columns.id).where(columns.status == ExecutionStatus.QUEUED.value, whose)
        query = select(func.count()).select_from(some.limit(most).subquery())
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())


def lock_slots(connection: Connection, owner: str) -> None:
    """Until the commit nobody else takes or frees one of the owner's."""
    lock_owner(connection, _SLOTS, owner)


def is_to_wait(connection: Connection, owner: str, most: int) -> bool:
    """Whether a new execution of the owner's has to wait: all slots are taken, or others wait
    already. Their slots are to be locked."""
    others = connection.execute(waiting(owner).limit(1)).one_or_none()
    return others is not None or _has_none_left(connection, owner, most)


def _has_none_left(connection: Connection, owner: str, most: int) -> bool:
    table = _INDEXED_IN_SQLITE if connection.dialect.name == "sqlite" else executions
    return connection.execute(are_taken(table, owner, most - 1)).one_or_none() is not None


def waiting(owner: Any, now: Any = None) -> Select[Any]:
    """The owner's executions that wait for a slot."""
    return select(executions.c.id).where(*_waits(owner, now))


def _in_line(query: Select[Any]) -> Select[Any]:
    """First come first served; and by no other order PostgreSQL can be sure that the first one is
    found at once."""
    return query.order_by(executions.c.held_at, executions.c.id)


def are_taken(table: Any, owner: Any, others: Any) -> Select[Any]:
    """A row if the owner has more than that number of slots."""
    is_theirs = literal_column("owner", executions.c.owner.type) == owner
    return select(literal(1)).select_from(table).where(HAS_SLOT, is_theirs).offset(others).limit(1)


def _owners(is_sqlite: bool, most: int | None) -> Select[Any]:
    """Owners of whom an execution can be released. The index is gone through in strides from one
    owner to the next, over what is held of each (PostgreSQL's wiki: Loose indexscan)."""
    owner = literal_column("owner", executions.c.owner.type)
    held = _HELD_IN_SQLITE if is_sqlite else executions
    some = select(owner).select_from(held).where(IS_HELD).order_by(owner).limit(1)
    theirs = select(some.scalar_subquery().label("whose")).cte("theirs", recursive=True)
    following = some.where(owner > theirs.c.whose).correlate(theirs)
    theirs = theirs.union_all(
        select(following.scalar_subquery()).where(theirs.c.whose.is_not(None))
    )
    whose = theirs.c.whose
    first = _in_line(waiting(whose).correlate(theirs)).limit(1)
    found = select(whose).where(first.scalar_subquery().is_not(None))
    if most is None:
        return found
    slots = _INDEXED_IN_SQLITE if is_sqlite else executions
    return found.where(~are_taken(slots, whose, most - 1).correlate(theirs).exists())


def _waits(owner: ColumnElement[str] | str, now: Any = None) -> tuple[Any, ...]:
    return (
        IS_HELD,
        executions.c.owner == owner,
        executions.c.cancel_requested_at.is_(None),
        executions.c.held_at <= (datetime.now(UTC) if now is None else now),
    )
