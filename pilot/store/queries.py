"""What the store asks. Each is one statement, scoped to an owner where there is one.

A query that also tells "no such execution" from "nothing yet" starts at `executions` and joins
outward: no row at all, or one row of NULLs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, case, func, select, update

from pilot.graph.status import ExecutionStatus
from pilot.store import ROOTS
from pilot.store.paging import in_order
from pilot.store.prepared import prepared
from pilot.store.tables import (
    IS_CANCELLING,
    IS_CHILD,
    IS_COMPARED,
    IS_FREE,
    IS_OPEN,
    IS_ROOT,
    IS_TRIGGERED,
    MAX_INTEGER,
    UtcDateTime,
    events,
    executions,
    node_runs,
    triggers,
    utc_date,
    workflow_versions,
    workflows,
)

_PROGRESS = select(
    executions.c.id,
    executions.c.owner,
    executions.c.created_at,
    executions.c.last_seq,
    executions.c.edition,
)
_LISTED = [column for column in executions.c if column.name not in ("input", "output", "resume")]


@prepared
def workflow_at_newest(owner: str, workflow_id: str) -> Select[Any]:
    is_newest = (workflow_versions.c.workflow_id == workflows.c.id) & (
        workflow_versions.c.version == workflows.c.version
    )
    return (
        select(workflows, workflow_versions.c.graph)
        .join(workflow_versions, is_newest)
        .where(is_alive(owner, workflow_id))
    )


def workflow_locked(owner: str, workflow_id: str) -> Select[Any]:
    """The row, locked against saves, deletion and new executions.

    One table only: PostgreSQL reads a locked row again after waiting for it, but not what was
    joined to it before.
    """
    return select(workflows).where(is_alive(owner, workflow_id)).with_for_update()


locked_workflow = prepared(workflow_locked)


def workflows_of(owner: str) -> Select[Any]:
    return select(workflows).where(workflows.c.owner == owner, workflows.c.deleted_at.is_(None))


@prepared
def first_workflows_of(owner: str, most: int) -> Select[Any]:
    """The newest of them."""
    return in_order(workflows_of(owner), workflows).limit(most)


@prepared
def version_of(owner: str, workflow_id: str, version: int) -> Select[Any]:
    """A version, also of a deleted workflow."""
    return (
        select(workflow_versions)
        .join(workflows, workflows.c.id == workflow_versions.c.workflow_id)
        .where(
            workflow_versions.c.workflow_id == workflow_id,
            workflow_versions.c.version == version,
            workflows.c.owner == owner,
        )
    )


def version_held(owner: str, workflow_id: str, version: int) -> Select[Any]:
    """A row if the owner has that version of a workflow, not deleted; held until the commit."""
    found = select(workflow_versions.c.version).where(
        workflow_versions.c.workflow_id == workflow_id, workflow_versions.c.version == version
    )
    return (
        select(workflows.c.id)
        .where(is_alive(owner, workflow_id), found.exists())
        .with_for_update(read=True, of=workflows)
    )


held_version = prepared(version_held)


def open_execution_of(workflow_id: str) -> Select[Any]:
    return select(executions.c.id).where(executions.c.workflow_id == workflow_id, IS_OPEN).limit(1)


def trigger_of(workflow_id: str) -> Select[Any]:
    return select(triggers.c.id).where(triggers.c.workflow_id == workflow_id).limit(1)


@prepared
def temporal_run(execution: str, run: str) -> Update:
    """Notes a run's id in Temporal."""
    return update(executions).where(executions.c.id == execution).values(temporal_run_id=run)


@prepared
def execution_of(owner: str, execution_id: str) -> Select[Any]:
    return select(executions).where(_is_owned(owner, execution_id))


def executions_of(
    owner: str,
    workflow_id: str | None,
    status: ExecutionStatus | None,
    parent: str | None,
) -> Select[Any]:
    """Executions without their `input` and `output`."""
    query = select(*_LISTED).where(executions.c.owner == owner)
    if workflow_id is not None:
        query = query.where(executions.c.workflow_id == workflow_id)
    if status is not None:
        query = query.where(executions.c.status == status.value)
    if parent == ROOTS:
        return query.where(IS_ROOT)
    if parent is not None:
        return query.where(IS_CHILD, executions.c.parent_execution_id == parent)
    return query


def between(query: Select[Any], first: datetime | None, last: datetime | None) -> Select[Any]:
    """Only executions that were created from `first` on, and before `last`."""
    if first is not None:
        query = query.where(executions.c.created_at >= first)
    if last is not None:
        query = query.where(executions.c.created_at < last)
    return query


def executions_by_day(
    owner: str, workflow_id: str | None, first: datetime, last: datetime
) -> Select[Any]:
    """Day (UTC), status and number of the executions that no other began."""
    day = utc_date(executions.c.created_at).label("day")
    query = select(day, executions.c.status, func.count()).where(
        executions.c.owner == owner, IS_ROOT
    )
    if workflow_id is not None:
        query = query.where(executions.c.workflow_id == workflow_id)
    return (
        between(query, first, last)
        .group_by(day, executions.c.status)
        .order_by(day, executions.c.status)
    )


def triggered_executions(owner: str, triggered_by: str) -> Select[Any]:
    """Executions without their `input` and `output`."""
    return select(*_LISTED).where(
        IS_TRIGGERED, executions.c.triggered_by == triggered_by, executions.c.owner == owner
    )


def open_executions(before: datetime) -> Select[Any]:
    """Open executions of every owner that Temporal may know or that are to be cancelled, without
    their `input` and `output`."""
    return select(*_LISTED).where(IS_COMPARED, executions.c.created_at < before)


def open_counts() -> Select[Any]:
    """Status, number and first `due_at` of every owner's open executions, without those that
    are held."""
    due_at = func.coalesce(executions.c.released_at, executions.c.created_at)
    return (
        select(executions.c.status, func.count(), func.min(due_at, type_=UtcDateTime))
        .where(IS_FREE)
        .group_by(executions.c.status)
    )


def cancel_request(execution_id: str, at: datetime) -> Update:
    return (
        update(executions)
        .where(
            executions.c.id == execution_id,
            IS_OPEN,
            executions.c.cancel_requested_at.is_(None),
        )
        .values(cancel_requested_at=at)
    )


def overdue_cancels(before: datetime, limit: int) -> Select[Any]:
    """Executions that are being cancelled, without their `input` and `output`."""
    return (
        select(*_LISTED)
        .where(IS_CANCELLING, executions.c.cancel_requested_at < before)
        .order_by(executions.c.cancel_requested_at)
        .limit(max(1, storable(limit)))
    )


def progress_of(execution_ids: Sequence[str]) -> Select[Any]:
    return _PROGRESS.where(executions.c.id.in_(execution_ids))


def begun_since(owners: Sequence[str], since: datetime, limit: int) -> Select[Any]:
    columns = executions.c
    return (
        _PROGRESS.where(columns.owner.in_(owners), columns.created_at >= since)
        .where(columns.last_seq > 0)
        .limit(limit)
    )


def node_runs_of(owner: str, execution_id: str) -> Select[Any]:
    return (
        select(node_runs)
        .select_from(executions)
        .join(node_runs, node_runs.c.execution_id == executions.c.id, isouter=True)
        .where(_is_owned(owner, execution_id))
        .order_by(node_runs.c.first_seq)
    )


def events_of(owner: str, execution_id: str, after_seq: int, limit: int) -> Select[Any]:
    is_next = (events.c.execution_id == executions.c.id) & (events.c.seq > storable(after_seq))
    return (
        select(events, executions.c.workflow_id)
        .select_from(executions)
        .join(events, is_next, isouter=True)
        .where(_is_owned(owner, execution_id))
        .order_by(events.c.seq)
        .limit(max(1, storable(limit)))
    )


@prepared
def lowest_missing_seq(execution_id: str) -> Select[Any]:
    """The place of the first event that does not stand at its `seq`; else one past the last."""
    numbered = (
        select(events.c.seq, func.row_number().over(order_by=events.c.seq).label("place"))
        .where(events.c.execution_id == execution_id)
        .subquery()
    )
    first_gap = func.min(case((numbered.c.seq != numbered.c.place, numbered.c.place)))
    lowest = select(func.coalesce(first_gap, func.count() + 1)).select_from(numbered)
    return (
        select(lowest.scalar_subquery())
        .select_from(executions)
        .where(executions.c.id == execution_id)
    )


def storable(number: int) -> int:
    """The nearest number that an integer column can hold: no row has one beyond it."""
    return max(-1, min(number, MAX_INTEGER))


def is_alive(owner: str, workflow_id: str) -> ColumnElement[bool]:
    columns = workflows.c
    return (columns.id == workflow_id) & (columns.owner == owner) & columns.deleted_at.is_(None)


def _is_owned(owner: str, execution_id: str) -> ColumnElement[bool]:
    return (executions.c.id == execution_id) & (executions.c.owner == owner)
