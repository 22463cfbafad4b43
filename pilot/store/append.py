"""Writes a batch of events: the events, the node runs and the execution, in one transaction.

The number of statements does not grow with the batch. The execution's row is locked first, so
batches of one execution follow one another; what is there already is left out by `seq`, and
what is new is joined into the rows as `pilot.store.projection` says. The join of node runs is
written a second time here, in SQL, so that no stored output is read in order to be replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.errors import NotFoundError
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import rows
from pilot.store.projection import ExecutionChange, earliest, fold
from pilot.store.tables import events as events_table
from pilot.store.tables import executions, node_runs, workflow_versions
from pilot.store.usage_totals import settled

_STATE = ("status", "reason", "finished_at", "error", "meta", "output", "last_seq")
_START = ("started_at", "started_seq")


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


async def append(connection: AsyncConnection, batch: Batch) -> None:
    """Writes the batch; `NotFoundError` where there is no such execution."""
    execution = await _locked_execution(connection, batch.execution_id)
    if min(batch.events) <= execution.last_seq:
        batch = batch.without(await _known_seqs(connection, batch))
    if not batch.events:
        return
    await connection.execute(insert(events_table), batch.event_rows)
    if batch.node_rows:
        await _name_types(connection, execution, batch.node_rows)
        upsert = _UPSERT_NODE_RUNS[connection.dialect.name]
        await connection.execute(upsert, batch.node_rows)
    change = batch.change
    if change.status is not None and change.status.is_final:
        usage = await settled(connection, batch.execution_id, change.usage)
        change = replace(change, usage=usage)
    await connection.execute(
        update(executions).where(executions.c.id == batch.execution_id),
        _execution_columns(execution, change),
    )


async def forget(connection: AsyncConnection, execution_id: str) -> None:
    """Takes back what events have made of the rows; `NotFoundError` where there is no such
    execution."""
    await _locked_execution(connection, execution_id)
    for table in (events_table, node_runs):
        await connection.execute(delete(table).where(table.c.execution_id == execution_id))
    await connection.execute(
        update(executions)
        .where(executions.c.id == execution_id)
        .values(status=ExecutionStatus.RUNNING, status_seq=0, last_seq=0, started_at=None)
    )


async def _locked_execution(connection: AsyncConnection, execution_id: str) -> Row[Any]:
    columns = executions.c
    query: Select[Any] = select(
        columns.workflow_id,
        columns.workflow_version,
        columns.status,
        columns.status_seq,
        columns.last_seq,
        columns.started_at,
    ).where(columns.id == execution_id)
    row: Row[Any] | None = (await connection.execute(query.with_for_update())).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no execution {execution_id}")
    return row


async def _known_seqs(connection: AsyncConnection, batch: Batch) -> set[int]:
    query = select(events_table.c.seq).where(
        events_table.c.execution_id == batch.execution_id,
        events_table.c.seq.between(min(batch.events), max(batch.events)),
    )
    return set((await connection.execute(query)).scalars())


def _execution_columns(execution: Row[Any], change: ExecutionChange) -> dict[str, Any]:
    verdict = (
        rows.execution_verdict(change)
        if change.overrules(ExecutionStatus(execution.status), execution.status_seq)
        else {}
    )
    return {
        "last_seq": max(execution.last_seq, change.last_seq),
        "started_at": earliest(execution.started_at, change.started_at),
        **verdict,
    }


async def _name_types(
    connection: AsyncConnection, execution: Row[Any], node_rows: list[dict[str, Any]]
) -> None:
    """Fills in the types of nodes that ended without a start, which would have said them."""
    ended = (NodeStatus.SKIPPED, NodeStatus.CANCELLED)
    nameless = [row for row in node_rows if row["type"] is None and row["status"] in ended]
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


_UPSERT_NODE_RUNS = {
    "sqlite": _upsert_node_runs(sqlite.insert),
    "postgresql": _upsert_node_runs(postgresql.insert),
}
