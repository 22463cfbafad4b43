"""Writes new events of many executions in one transaction, of as many statements whatever there is.

A transaction takes a millisecond of a worker's time whatever is in it, and what a busy worker has
to write is an event or two of each of its runs, over and over. Only what simply goes on with what
is stored is written so; where there is more to be said (an event that is there already, another
edition's, an end), the execution is left to a transaction of its own (`pilot.store.append`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.events.edition import is_void
from pilot.store import rows
from pilot.store.append import LOCKED, UPSERT_NODE_RUNS, Batch, LockedExecution, is_nameless
from pilot.store.projection import earliest
from pilot.store.tables import events as events_table
from pilot.store.tables import executions


async def append_round(
    connection: AsyncConnection, batches: Mapping[str, tuple[Batch, str]]
) -> set[str]:
    """Writes what goes on with what is stored, of batches by execution with their editions; the
    executions that were written."""
    # in one order everywhere, so that two who lock the same ones do not wait for each other
    query = LOCKED.where(executions.c.id.in_(batches)).order_by(executions.c.id)
    found = [LockedExecution.of(row) for row in await connection.execute(query)]
    going_on = [
        (execution, *batches[execution.id])
        for execution in found
        if _goes_on(execution, *batches[execution.id])
    ]
    if not going_on:
        return set()
    await connection.execute(
        insert(events_table), [row for _, batch, _ in going_on for row in batch.event_rows]
    )
    if node_rows := [row for _, batch, _ in going_on for row in batch.node_rows]:
        await connection.execute(UPSERT_NODE_RUNS[connection.dialect.name], node_rows)
    await connection.execute(_UPDATE, [_progress(*one) for one in going_on])
    verdicts = [
        {"of": execution.id, **rows.execution_verdict(batch.change)}
        for execution, batch, _ in going_on
        if batch.change.overrules(execution.status, execution.status_seq)
    ]
    if verdicts:
        await connection.execute(_UPDATE, verdicts)
    return {execution.id for execution, _, _ in going_on}


_UPDATE = update(executions).where(executions.c.id == bindparam("of"))


def _goes_on(execution: LockedExecution, batch: Batch, edition: str) -> bool:
    if min(batch.events) <= execution.last_seq:
        return False
    if edition and (execution.status.is_final or edition < execution.edition):
        return False
    if edition > execution.edition and is_void(execution.last_seq, edition):
        return False
    status = batch.change.status
    if status is not None and status.is_final:
        return False
    return not any(is_nameless(row) for row in batch.node_rows)


def _progress(execution: LockedExecution, batch: Batch, edition: str) -> dict[str, Any]:
    return {
        "of": execution.id,
        "last_seq": batch.change.last_seq,
        "started_at": earliest(execution.started_at, batch.change.started_at),
        "edition": max(execution.edition, edition),
    }
