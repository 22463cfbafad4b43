"""Folds a run's events into the state of its rows: pure, idempotent, in any order.

Each event is turned into a change, and changes are merged. Merging is commutative, associative
and idempotent (a join semilattice, as in state-based CRDTs: Shapiro et al., 2011), so batches
may come in any order and more than once, and every store ends with the same rows:

- a node's state (status, output, meta, error, reason, finished_at) is that of its event with
  the highest `seq`; its `started_at` that of the newest event that says one; its place that of
  its oldest; its `attempt` the highest seen;
- an execution's status is its newest event's, but the oldest final one is never left again.

A node's type is fixed by its workflow version, so any event may say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus

_EXECUTION_STATUS = {
    EventType.EXECUTION_STARTED: ExecutionStatus.RUNNING,
    EventType.EXECUTION_WAITING: ExecutionStatus.WAITING,
    EventType.EXECUTION_PAUSED: ExecutionStatus.PAUSED,
    EventType.EXECUTION_RESUMED: ExecutionStatus.RUNNING,
    EventType.EXECUTION_SUCCEEDED: ExecutionStatus.SUCCEEDED,
    EventType.EXECUTION_FAILED: ExecutionStatus.FAILED,
    EventType.EXECUTION_CANCELLED: ExecutionStatus.CANCELLED,
    EventType.EXECUTION_TIMED_OUT: ExecutionStatus.TIMED_OUT,
}
_NODE_STATUS = {
    EventType.NODE_STARTED: NodeStatus.RUNNING,
    EventType.NODE_RETRYING: NodeStatus.RUNNING,
    EventType.NODE_WAITING: NodeStatus.WAITING,
    EventType.NODE_PROGRESS: NodeStatus.RUNNING,
    EventType.NODE_SUCCEEDED: NodeStatus.SUCCEEDED,
    EventType.NODE_FAILED: NodeStatus.FAILED,
    EventType.NODE_SKIPPED: NodeStatus.SKIPPED,
    EventType.NODE_CANCELLED: NodeStatus.CANCELLED,
}

NodeKey = tuple[str, str]

_MAX_COUNT = 2**31 - 1  # what a column of integers holds


@dataclass(frozen=True, slots=True)
class ExecutionChange:
    """What events say of their execution. `status` is None where none said any.

    `status_seq` is the seq of the event that said `status`; `output`, `error`, `usage` and
    `finished_at` are that event's too.
    """

    last_seq: int = 0
    started_at: datetime | None = None
    status: ExecutionStatus | None = None
    status_seq: int = 0
    finished_at: datetime | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] = field(default_factory=dict)

    def overrules(self, status: ExecutionStatus | None, status_seq: int) -> bool:
        """Whether this change's status replaces one that was set at `status_seq`."""
        if self.status is None or status is None:
            return self.status is not None
        if self.status.is_final != status.is_final:
            return self.status.is_final
        if status.is_final:
            return self.status_seq < status_seq
        return self.status_seq > status_seq

    def merge(self, other: ExecutionChange) -> ExecutionChange:
        winner = other if other.overrules(self.status, self.status_seq) else self
        return replace(
            winner,
            last_seq=max(self.last_seq, other.last_seq),
            started_at=earliest(self.started_at, other.started_at),
        )


@dataclass(frozen=True, slots=True)
class NodeChange:
    """What events say of one node: its state at `last_seq`, and where it began."""

    node_id: str
    path: str
    first_seq: int
    last_seq: int
    status: NodeStatus
    type: str | None = None
    reason: str | None = None
    attempt: int | None = None
    started_seq: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def merge(self, other: NodeChange) -> NodeChange:
        newer, older = (other, self) if other.last_seq > self.last_seq else (self, other)
        later, _ = (other, self) if other.started_seq > self.started_seq else (self, other)
        attempts = [change.attempt for change in (self, other) if change.attempt is not None]
        return replace(
            newer,
            first_seq=min(self.first_seq, other.first_seq),
            type=newer.type or older.type,
            attempt=max(attempts, default=None),
            started_seq=later.started_seq,
            started_at=later.started_at,
        )


@dataclass(frozen=True, slots=True)
class Projection:
    """The changes of one execution's rows."""

    execution: ExecutionChange = field(default_factory=ExecutionChange)
    nodes: dict[NodeKey, NodeChange] = field(default_factory=dict)

    def merge(self, other: Projection) -> Projection:
        nodes = dict(self.nodes)
        for key, change in other.nodes.items():
            nodes[key] = nodes[key].merge(change) if key in nodes else change
        return Projection(self.execution.merge(other.execution), nodes)


def fold(events: Iterable[Event]) -> Projection:
    """The changes that durable events of one execution make; in any order, even twice.

    Raises `ValueError` for an event that has no `seq`, no node or no readable time where it
    needs one.
    """
    execution, last_seq = ExecutionChange(), 0
    nodes: dict[NodeKey, NodeChange] = {}
    for event in events:
        last_seq = max(last_seq, _seq(event))
        if event.type in _EXECUTION_STATUS:
            execution = execution.merge(_execution_change(event))
        elif event.type in _NODE_STATUS:
            change = _node_change(event)
            key = (change.node_id, change.path)
            nodes[key] = nodes[key].merge(change) if key in nodes else change
    return Projection(replace(execution, last_seq=last_seq), nodes)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times, of which either may be unknown."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def _execution_change(event: Event) -> ExecutionChange:
    seq, status = _seq(event), _EXECUTION_STATUS[event.type]
    change = ExecutionChange(last_seq=seq, status=status, status_seq=seq)
    if event.type is EventType.EXECUTION_STARTED:
        return replace(change, started_at=_time(event.at))
    if not status.is_final:
        return change
    return replace(
        change,
        finished_at=_time(event.at),
        output=event.data.get("output"),
        error=_object(event.data.get("error")),
        usage=_object(event.data.get("usage")) or {},
    )


def _node_change(event: Event) -> NodeChange:
    seq = _seq(event)
    if not event.node_id:
        raise ValueError(f"event {seq} ({event.type}) names no node")
    status, data = _NODE_STATUS[event.type], event.data
    meta = _object(data.get("meta")) or {}
    started_at = _time(event.at) if event.type is EventType.NODE_STARTED else None
    return NodeChange(
        node_id=event.node_id,
        path=event.path,
        first_seq=seq,
        last_seq=seq,
        status=status,
        type=_text(data.get("type")),
        reason=_text(data.get("reason")),
        attempt=_count(meta.get("attempt") if event.attempt is None else event.attempt),
        started_seq=seq if started_at else 0,
        started_at=started_at,
        finished_at=_time(event.at) if status.is_final else None,
        output=data.get("output"),
        meta=meta,
        error=_object(data.get("error")),
    )


def _seq(event: Event) -> int:
    if event.seq is None or event.seq < 1:
        raise ValueError(f"a durable event has a seq of at least 1: {event.type} has {event.seq}")
    return event.seq


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# `data` is filled by activities, other people's too. A field of a strange kind is worth less
# than the event: it is taken as unsaid, and the event still counts.


def _object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= _MAX_COUNT else None
