"""Writes a batch of events: the events, the node runs and the execution, in one transaction.

The number of statements does not grow with the batch. The execution's row is locked first, so
batches of one execution follow one another; what is there already is left out by `seq`, and
what is new is joined into the rows as `pilot.store.projection` says. The join of node runs is
written a second time here, in SQL, so that no stored output is read in order to be replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Update,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.errors import NotFoundError
from pilot.events.edition import UNKNOWN, begins_after, is_void
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import rows
from pilot.store.projection import ExecutionChange, earliest, fold
from pilot.store.tables import events as events_table
from pilot.store.tables import executions, node_runs, usage, workflow_versions
from pilot.store.usage_totals import read_total, settled, total_query

_STATE = ("status", "reason", "finished_at", "error", "meta", "output", "last_seq")
_START = ("started_at", "started_seq")
_ENDED_UNSTARTED = (NodeStatus.SKIPPED, NodeStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one execution and the rows that they make, serialised before any lock."""

    execution_id: str
    events: dict[int, Event]
    event_rows: list[dict[str, Any]]
    node_rows: list[dict[str, Any]]
    change: ExecutionChange

    @classmethod
    def of(cls, execution_id: str, events: Sequence[Event]) -> Batch:
        """The batch of the durable ones among the events; the first of each `seq` counts.

        Raises `ValueError` for an event of another execution and for data that is no JSON.
        """
        durable: dict[int, Event] = {}
        for event in events:
            if event.execution_id != execution_id:
                raise ValueError(f"an event of {event.execution_id} among those of {execution_id}")
            if event.seq is not None:
                durable.setdefault(event.seq, event)
        projection = fold(durable.values())
        return cls(
            execution_id=execution_id,
            events=durable,
            event_rows=[rows.event_row(execution_id, event) for event in durable.values()],
            node_rows=[rows.node_row(execution_id, node) for node in projection.nodes.values()],
            change=projection.execution,
        )

    def without(self, seqs: set[int]) -> Batch:
        left = [event for seq, event in self.events.items() if seq not in seqs]
        return Batch.of(self.execution_id, left)


async def append(connection: AsyncConnection, batch: Batch, edition: str = UNKNOWN) -> None:
    """Writes the batch; `NotFoundError` where there is no such execution."""
    execution = await _locked_execution(connection, batch.execution_id)
    if edition and execution.status.is_final:
        return
    is_newer = edition > execution.edition
    if edition and edition < execution.edition:
        batch = batch.without({seq for seq in batch.events if is_void(seq, execution.edition)})
    if is_newer and is_void(execution.last_seq, edition):
        await _forget_after(connection, execution, begins_after(edition) or 0)
        execution = await _locked_execution(connection, batch.execution_id)
    if batch.events and min(batch.events) <= execution.last_seq:
        batch = batch.without(await _known_seqs(connection, batch))
    columns: dict[str, Any] = {"edition": edition} if is_newer else {}
    if batch.events:
        columns |= await _add(connection, execution, batch)
    if columns:
        await connection.execute(_update_execution(batch.execution_id), columns)


async def _add(
    connection: AsyncConnection, execution: LockedExecution, batch: Batch
) -> dict[str, Any]:
    """Writes events and node runs; what comes of the execution's columns."""
    await connection.execute(insert(events_table), batch.event_rows)
    await _write_nodes(connection, execution, batch.node_rows)
    change = batch.change
    if change.status is not None and change.status.is_final:
        query = total_query(usage.c.execution_id == batch.execution_id)
        total = read_total((await connection.execute(query)).one())
        change = replace(change, usage=settled(total, change.usage))
    return _execution_columns(execution, change)


async def _write_nodes(
    connection: AsyncConnection, execution: LockedExecution, node_rows: list[dict[str, Any]]
) -> None:
    if node_rows:
        await _name_types(connection, execution, node_rows)
        await connection.execute(UPSERT_NODE_RUNS[connection.dialect.name], node_rows)


async def forget(connection: AsyncConnection, execution_id: str) -> None:
    """Takes back what events have made of the rows; `NotFoundError` where there is no such
    execution."""
    await _forget_after(connection, await _locked_execution(connection, execution_id), 0)


async def _forget_after(connection: AsyncConnection, execution: LockedExecution, seq: int) -> None:
    """Takes back what the events after `seq` have made of the rows. What they overwrote is made
    again of the events that stay."""
    run, id = node_runs.c, execution.id
    is_hit = (run.execution_id == id) & (run.last_seq > seq)
    event = events_table.c
    of_the_hit = exists().where(is_hit, run.node_id == event.node_id, run.path == event.path)
    staying = select(events_table, literal(execution.workflow_id).label("workflow_id")).where(
        event.execution_id == id, event.seq <= seq, event.node_id.is_(None) | of_the_hit
    )
    left = fold(rows.event(row) for row in await connection.execute(staying))
    await connection.execute(delete(node_runs).where(is_hit))
    await connection.execute(delete(events_table).where(event.execution_id == id, event.seq > seq))
    again = [rows.node_row(id, node) for node in left.nodes.values()]
    await _write_nodes(connection, execution, again)
    highest = select(func.coalesce(func.max(event.seq), 0)).where(event.execution_id == id)
    columns: dict[str, Any] = {
        "last_seq": (await connection.execute(highest)).scalar_one(),
        "started_at": left.execution.started_at,
    }
    if execution.status_seq > seq:
        said = left.execution
        if said.status is None:
            said = replace(said, status=ExecutionStatus.RUNNING)
        columns |= rows.execution_verdict(said)
    await connection.execute(_update_execution(id), columns)


def _update_execution(execution_id: str) -> Update:
    return update(executions).where(executions.c.id == execution_id)


@dataclass(frozen=True, slots=True)
class LockedExecution:
    """What of an execution's row a batch is joined with."""

    id: str
    workflow_id: str
    workflow_version: int
    status: ExecutionStatus
    status_seq: int
    last_seq: int
    started_at: datetime | None
    edition: str

    @classmethod
    def of(cls, row: Row[Any]) -> LockedExecution:
        return cls(**{**row._asdict(), "status": ExecutionStatus(row.status)})


LOCKED = select(*(executions.c[field.name] for field in fields(LockedExecution))).with_for_update()
"""Of the executions that a condition is added for, until the commit."""


async def _locked_execution(connection: AsyncConnection, execution_id: str) -> LockedExecution:
    query = LOCKED.where(executions.c.id == execution_id)
    row: Row[Any] | None = (await connection.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no execution {execution_id}")
    return LockedExecution.of(row)


async def _known_seqs(connection: AsyncConnection, batch: Batch) -> set[int]:
    query = select(events_table.c.seq).where(
        events_table.c.execution_id == batch.execution_id,
        events_table.c.seq.between(min(batch.events), max(batch.events)),
    )
    return set((await connection.execute(query)).scalars())


def _execution_columns(execution: LockedExecution, change: ExecutionChange) -> dict[str, Any]:
    verdict = (
        rows.execution_verdict(change)
        if change.overrules(execution.status, execution.status_seq)
        else {}
    )
    return {
        "last_seq": max(execution.last_seq, change.last_seq),
        "started_at": earliest(execution.started_at, change.started_at),
        **verdict,
    }


async def _name_types(
    connection: AsyncConnection, execution: LockedExecution, node_rows: list[dict[str, Any]]
) -> None:
    """Fills in the types of nodes that ended without a start, which would have said them."""
    nameless = [row for row in node_rows if is_nameless(row)]
    if not nameless:
        return
    query = select(workflow_versions.c.graph).where(
        workflow_versions.c.workflow_id == execution.workflow_id,
        workflow_versions.c.version == execution.workflow_version,
    )
    graph = (await connection.execute(query)).scalar_one()
    types = {node["id"]: node["type"] for node in graph.get("nodes", [])}
    for row in nameless:
        row["type"] = types.get(row["node_id"])


def is_nameless(node_row: dict[str, Any]) -> bool:
    """Whether it is of a node that ended without a start, and did not say its type."""
    return node_row["type"] is None and node_row["status"] in _ENDED_UNSTARTED


def _upsert_node_runs(insert_into: Any) -> Any:
    """`NodeChange.merge` in SQL: `new` is the batch's row, `old` the stored one."""
    statement = insert_into(node_runs)
    new, old = statement.excluded, node_runs.c
    is_newer = new.last_seq > old.last_seq
    starts_later = new.started_seq > old.started_seq
    more_attempts = func.coalesce(new.attempt, -1) > func.coalesce(old.attempt, -1)

    def choose(when: ColumnElement[bool], name: str) -> ColumnElement[Any]:
        return case((when, new[name]), else_=old[name])

    return statement.on_conflict_do_update(
        index_elements=list(node_runs.primary_key),
        set_={
            **{name: choose(is_newer, name) for name in _STATE},
            **{name: choose(starts_later, name) for name in _START},
            "first_seq": choose(new.first_seq < old.first_seq, "first_seq"),
            "attempt": choose(more_attempts, "attempt"),
            "type": case(
                (is_newer, func.coalesce(new.type, old.type)),
                else_=func.coalesce(old.type, new.type),
            ),
        },
    )


UPSERT_NODE_RUNS = {
    "sqlite": _upsert_node_runs(sqlite.insert),
    "postgresql": _upsert_node_runs(postgresql.insert),
}
