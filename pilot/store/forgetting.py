"""Deleting all that belongs to one owner, a user or an organisation.

Each method may be done again, and does what is left. Executions are deleted one by one
(`pilot.store.retention`); the rest is here. Nothing is made anonymous: the sums of usage are
deleted like all else, since a row of sums names its owner.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    cast,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.store import json_text
from pilot.store.database import Database
from pilot.store.retention_sql import delete_workflows
from pilot.store.tables import (
    IS_ENDED,
    JsonText,
    api_keys,
    budgets,
    events,
    executions,
    iterations,
    llm_answers,
    node_runs,
    publications,
    secrets,
    shares,
    triggers,
    usage,
    usage_days,
    usage_reservations,
    wait_people,
    waits,
    workflow_versions,
    workflows,
)

FORGOTTEN = "forgotten"
"""What stands in place of the person's id where they answered an approval of others."""

_NAMES = (executions.c.started_by, workflow_versions.c.created_by, publications.c.published_by)
_RECORDS = (
    (executions, executions.c.id),
    *((table, table.c.execution_id) for table in (node_runs, iterations, waits, events)),
)
"""What a run has recorded, by the column that says of which."""


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

    async def unname_answers(self, owner: str, *, limit: int) -> list[str]:
        """Takes the owner's id out of at most that many ended executions of others in which they
        answered an approval, and of those that took over what came of it (retries, children):
        `FORGOTTEN` stands in its place, wherever it is a whole string or name of the recorded
        JSON. The ids of these executions; empty when nothing is left, and then nobody waits for
        the owner any more. One that is open would say who answered once more as it ends, so it is
        left as it is, and found when asked for again."""
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

    async def unname_answers(self, owner: str, *, limit: int) -> list[str]:
        theirs = wait_people.c.user_id == owner
        answered = (
            select(waits.c.execution_id)
            .join(wait_people, wait_people.c.wait_id == waits.c.id)
            .join(executions, executions.c.id == waits.c.execution_id)
            .where(theirs, wait_people.c.has_answered, IS_ENDED)
            .distinct()
            .limit(limit)
        )
        async with self._database.writing() as connection:
            ids = set((await connection.execute(answered)).scalars())
            found = await _heirs(connection, ids)
            for table, execution_id in _RECORDS:
                for some in _portions(found):
                    await connection.execute(_rewritten(table, execution_id.in_(some), owner))
            done = theirs & ~wait_people.c.has_answered
            if ids:
                in_these = select(waits.c.id).where(waits.c.execution_id.in_(ids))
                done = theirs & wait_people.c.wait_id.in_(in_these)
            await connection.execute(delete(wait_people).where(done))
        return found


IDS_AT_ONCE = 500
"""In one statement."""


def _portions(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[at : at + IDS_AT_ONCE] for at in range(0, len(ids), IDS_AT_ONCE)]


async def _heirs(connection: AsyncConnection, ids: set[str]) -> list[str]:
    """These executions, those that they began, those that went on from them, and so on."""
    found, newest = set(ids), sorted(ids)
    while newest:
        more: set[str] = set()
        for some in _portions(newest):
            for query in _begun_by(some):
                more |= set((await connection.execute(query)).scalars())
        newest = sorted(more - found)
        found |= more
    return sorted(found)


def _begun_by(ids: Sequence[str]) -> tuple[Select[Any], Select[Any]]:
    columns, before = executions.c, executions.alias()
    # a retry is of the same workflow: an index on that serves
    of_these = select(before.c.workflow_id).where(before.c.id.in_(ids))
    return (
        select(columns.id).where(columns.parent_execution_id.in_(ids)),
        select(columns.id).where(columns.workflow_id.in_(of_these), columns.source_id.in_(ids)),
    )


def _rewritten(table: Table, which: ColumnElement[bool], owner: str) -> Any:
    changed: dict[str, Any] = {}
    differs: list[ColumnElement[bool]] = []
    for column in table.c:
        if isinstance(column.type, JsonText):
            text = cast(column, Text)
            new: ColumnElement[str] = text
            for name, instead in replacements(owner):
                new = func.replace(new, name, instead)
            changed[column.name] = cast(new, column.type)
            differs.append(new != text)
    return update(table).where(which, or_(*differs)).values(changed)


def replacements(owner: str) -> list[tuple[str, str]]:
    """What to look for in a text of JSON, and what to write instead: the id as a string of its
    own, as `json_text` writes it, also where the JSON stands in a string itself (a preview)."""
    found = [
        (json_text.dumps(owner), json_text.dumps(FORGOTTEN)),
        (json.dumps(owner), json.dumps(FORGOTTEN)),
    ]
    within = [(json_text.dumps(name)[1:-1], json.dumps(new)[1:-1]) for name, new in found]
    return list(dict.fromkeys(found + within))
