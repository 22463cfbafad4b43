"""Writes new events of many executions in one transaction, of as many statements whatever there is.

A transaction takes a millisecond of a worker's time whatever is in it, and what a busy worker has
to write is an event or two of each of its runs, over and over. Only what simply goes on with what
is stored is written so, and a run's end where nothing is missing before it; where there is more to
be said (an event that is there already, another edition's), the execution is left to a transaction
of its own (`pilot.store.append`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from pilot.events.edition import is_void
from pilot.store import Told, rows
from pilot.store.append import LOCKED, UPSERT_NODE_RUNS, Batch, LockedExecution, is_nameless
from pilot.store.projection import ExecutionChange, earliest
from pilot.store.tables import events as events_table
from pilot.store.tables import executions
from pilot.store.usage_totals import read_total, settled, totals_of


def append_round(connection: Connection, batches: Mapping[str, tuple[Batch, Told]]) -> set[str]:
    """Writes what goes on with what is stored, of batches by execution; the executions that were
    written."""
    # in one order everywhere, so that two who lock the same ones do not wait for each other
    query = LOCKED.where(executions.c.id.in_(batches)).order_by(executions.c.id)
    found = [LockedExecution.of(row) for row in connection.execute(query)]
    going_on = {one.id: one for one in found if _goes_on(one, *batches[one.id])}
    ending = {id: one for id, one in going_on.items() if batches[id][1].ends}
    for id in ending.keys() - _whole(connection, ending):
        del going_on[id], ending[id]
    if not going_on:
        return set()
    ours = [batches[id][0] for id in going_on]
    connection.execute(insert(events_table), [row for batch in ours for row in batch.event_rows])
    if node_rows := [row for batch in ours for row in batch.node_rows]:
        connection.execute(UPSERT_NODE_RUNS[connection.dialect.name], node_rows)
    connection.execute(_UPDATE, [_progress(one, *batches[id]) for id, one in going_on.items()])
    changes = {batch.execution_id: batch.change for batch in ours}
    changes |= _settled(connection, {id: changes[id] for id in ending})
    verdicts = [
        {"of": id, **rows.execution_verdict(change)}
        for id, change in changes.items()
        if change.overrules(going_on[id].status, going_on[id].status_seq)
    ]
    if verdicts:
        connection.execute(_UPDATE, verdicts)
    return set(going_on)


def _whole(connection: Connection, locked: Mapping[str, LockedExecution]) -> set[str]:
    """Those of the executions of which no event is missing up to the last one."""
    if not locked:
        return set()
    of = events_table.c.execution_id
    counted = select(of, func.count()).where(of.in_(locked)).group_by(of)
    counts = {row[0]: row[1] for row in connection.execute(counted)}
    return {id for id, one in locked.items() if counts.get(id, 0) == one.last_seq}


def _settled(
    connection: Connection, changes: Mapping[str, ExecutionChange]
) -> dict[str, ExecutionChange]:
    """The changes of executions that end, with the usage that they come to."""
    if not changes:
        return {}
    totals = {row.of: read_total(row) for row in connection.execute(totals_of(changes))}
    return {
        id: replace(change, usage=settled(totals[id], change.usage)) if id in totals else change
        for id, change in changes.items()
    }


_UPDATE = update(executions).where(executions.c.id == bindparam("of"))


def _goes_on(execution: LockedExecution, batch: Batch, told: Told) -> bool:
    edition = told.edition
    if min(batch.events) <= execution.last_seq:
        return False
    if edition and (execution.status.is_final or edition < execution.edition):
        return False
    if edition > execution.edition and is_void(execution.last_seq, edition):
        return False
    status = batch.change.status
    if status is not None and status.is_final:
        follows = max(batch.events) == execution.last_seq + len(batch.events)
        if not (told.ends and follows) or execution.status.is_final:
            return False
    return not any(is_nameless(row) for row in batch.node_rows)


def _progress(execution: LockedExecution, batch: Batch, told: Told) -> dict[str, Any]:
    return {
        "of": execution.id,
        "last_seq": batch.change.last_seq,
        "started_at": earliest(execution.started_at, batch.change.started_at),
        "edition": max(execution.edition, told.edition),
    }
