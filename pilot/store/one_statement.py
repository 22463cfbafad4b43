"""The writes that a request waits for, as PostgreSQL does them in one statement, in one round trip
that is its own transaction. SQLite, which has none of this, does them in several.

A row that a part of the statement locks is read again where another transaction was waited for,
and the other parts go by what was read: what two requests do at once is as if one had come after
the other (https://www.postgresql.org/docs/current/queries-with.html).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Executable,
    Integer,
    bindparam,
    case,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from pilot.store import queries
from pilot.store.slots import are_taken, waiting
from pilot.store.tables import UtcDateTime, executions, workflow_versions, workflows

SAVED = ("name", "description", "content_hash", "updated_at")
"""The columns of a workflow that a save changes, beside its version."""


@cache
def saved_version() -> Executable:
    """Gives the workflow as it was before, locked, or no row. Where it was at the version
    `expected` (NULL: at any), and something of it is another, that is its next version.

    Parameters: `of_owner`, `of_workflow`, `expected`, `graph`, `created_by` and `SAVED`."""
    owner, workflow = _given("of_owner", "of_workflow")
    old = queries.workflow_locked(owner, workflow).cte("old")
    given = {name: bindparam(name, type_=workflows.c[name].type) for name in SAVED}
    compared = ("name", "description", "content_hash")
    expected = bindparam("expected", type_=Integer)
    changed = (
        select(old)
        .where(
            or_(expected.is_(None), old.c.version == expected),
            or_(*(old.c[name] != given[name] for name in compared)),
        )
        .cte("changed")
    )
    version = {
        "workflow_id": changed.c.id,
        "version": changed.c.version + 1,
        "created_at": given["updated_at"],
        **{name: given[name] for name in compared},
        **{
            name: bindparam(name, type_=workflow_versions.c[name].type)
            for name in ("graph", "created_by")
        },
    }
    new_version = insert(workflow_versions).from_select([*version], select(*version.values()))
    new = (
        update(workflows)
        .where(workflows.c.id == changed.c.id)
        .values(version=changed.c.version + 1, **given)
    )
    return select(old).add_cte(new_version.cte("new_version"), new.cte("new"))


@cache
def new_execution(columns: tuple[str, ...], *, is_limited: bool) -> Executable:
    """Gives the id and the `held_at` of the row that it writes; no row where the id is taken, or
    the owner has no such version of a workflow, which is held until the commit.

    Parameters: those columns, `of_owner`, `of_workflow` and `of_version`; with `is_limited` also
    `now` and `others`: so many others of the owner's, or one that waits, make the execution wait
    from now on. Then the owner's lock is to be held."""
    owner, workflow, version = _given("of_owner", "of_workflow", "of_version")
    held = queries.version_held(owner, workflow, version).cte("held")
    given: dict[str, Any] = {
        name: bindparam(name, type_=executions.c[name].type) for name in columns
    }
    if is_limited:
        now = bindparam("now", type_=UtcDateTime)
        is_to_wait = or_(
            waiting(owner, now).exists(),
            are_taken(executions, owner, bindparam("others", type_=Integer)).exists(),
        )
        given["held_at"] = case((is_to_wait, now), else_=null())
    new = (
        postgresql.insert(executions)
        .from_select([*given], select(*given.values()).select_from(held))
        .on_conflict_do_nothing(index_elements=[executions.c.id])
        .returning(executions.c.id, executions.c.held_at)
        .cte("new")
    )
    return select(new)


def _given(*names: str) -> tuple[Any, ...]:
    """Parameters in the place of values, of the types that they are compared with."""
    return tuple(bindparam(name) for name in names)
