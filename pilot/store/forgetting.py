"""Deleting all that belongs to one owner, a user or an organisation.

Each method may be done again, and does what is left. Executions are deleted one by one
(`pilot.store.retention`); the rest is here. Nothing is made anonymous: the sums of usage are
deleted like all else, since a row of sums names its owner.
"""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import delete, select, tuple_, update

from pilot.store.database import Database
from pilot.store.retention import delete_workflows
from pilot.store.tables import (
    api_keys,
    budgets,
    executions,
    llm_answers,
    publications,
    secrets,
    shares,
    triggers,
    usage,
    usage_days,
    usage_reservations,
    workflow_versions,
    workflows,
)

_NAMES = (executions.c.started_by, workflow_versions.c.created_by, publications.c.published_by)


class ForgettingStore(Protocol):
    """Every implementation passes `tests/store/test_forgetting.py`."""

    async def close_access(self, owner: str) -> int:
        """Deletes the owner's secrets, their API keys (those too that a user made for an
        organisation), their schedules and webhooks, the shares of their workflows, and what
        others share with them. How many rows."""
        ...

    async def delete_workflows(self, owner: str, *, limit: int) -> int:
        """Deletes at most that many of the owner's workflows that have no execution, deleted by
        the owner before or not, with their versions. How many."""
        ...

    async def delete_usage(self, owner: str, *, limit: int) -> int:
        """Deletes what the owner has used, of at most that many executions at a time: how many
        rows; 0 when nothing is left. With it go sums, budgets, reservations and cached
        answers."""
        ...

    async def unname(self, owner: str, *, limit: int) -> int:
        """Takes the owner's id off what belongs to others, at most `limit` rows of each kind:
        executions that they started, versions that they saved and published, triggers that they
        made (which are their owner's own from then on). How many; 0 when nothing is left."""
        ...


class SqlForgetting:
    """`ForgettingStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def close_access(self, owner: str) -> int:
        theirs = select(workflows.c.id).where(workflows.c.owner == owner)
        doomed = (
            delete(secrets).where(secrets.c.owner == owner),
            delete(api_keys).where((api_keys.c.owner == owner) | (api_keys.c.created_by == owner)),
            delete(triggers).where(triggers.c.owner == owner),
            delete(shares).where((shares.c.grantee == owner) | shares.c.workflow_id.in_(theirs)),
        )
        async with self._database.writing() as connection:
            return sum([(await connection.execute(one)).rowcount for one in doomed])

    async def delete_workflows(self, owner: str, *, limit: int) -> int:
        is_used = select(executions.c.id).where(executions.c.workflow_id == workflows.c.id).exists()
        query = select(workflows.c.id).where(workflows.c.owner == owner, ~is_used).limit(limit)
        async with self._database.writing() as connection:
            # the lock: no execution may begin in between
            ids = list((await connection.execute(query.with_for_update())).scalars())
            if ids:
                await delete_workflows(connection, ids)
        return len(ids)

    async def delete_usage(self, owner: str, *, limit: int) -> int:
        some = select(usage.c.execution_id).where(usage.c.owner == owner).distinct().limit(limit)
        doomed = [
            delete(usage).where(usage.c.owner == owner, usage.c.execution_id.in_(some)),
            *(
                delete(table).where(table.c.owner == owner)
                for table in (usage_days, usage_reservations, budgets, llm_answers)
            ),
        ]
        async with self._database.writing() as connection:
            return sum([(await connection.execute(one)).rowcount for one in doomed])

    async def unname(self, owner: str, *, limit: int) -> int:
        count = 0
        for column in _NAMES:
            key = tuple_(*column.table.primary_key)
            some = select(*column.table.primary_key).where(column == owner).limit(limit)
            unnaming = update(column.table).where(key.in_(some)).values({column: None})
            async with self._database.writing() as connection:
                count += (await connection.execute(unnaming)).rowcount
        theirs = select(triggers.c.id).where(
            triggers.c.created_by == owner, triggers.c.owner != owner
        )
        handing_over = (
            update(triggers)
            .where(triggers.c.id.in_(theirs.limit(limit)))
            .values(created_by=triggers.c.owner)
        )
        async with self._database.writing() as connection:
            return count + (await connection.execute(handing_over)).rowcount
