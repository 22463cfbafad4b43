"""The wire types of the interpreter: its argument, queries and results, and their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilot.graph.plan import Plan

WORKFLOW_TYPE = "InterpretGraph"
RECORD_ACTIVITY = "record_execution"

QUERY_SNAPSHOT = "snapshot"
QUERY_EVENTS = "events"
SIGNAL_PAUSE = "pause"
SIGNAL_RESUME = "resume"

SEARCH_ATTRIBUTE_USER = "PilotUser"
SEARCH_ATTRIBUTE_WORKFLOW = "PilotWorkflow"
SEARCH_ATTRIBUTE_STATUS = "PilotStatus"

CLEANUP_LIMIT_S = 300.0
"""How long the clean-up nodes of a run may take in all."""

EVENTS_PAGE_BYTES = 1_000_000
"""About how much JSON one answer of the query `events` holds: gRPC's limit is 4 MB."""


@dataclass(frozen=True, slots=True)
class RunInput:
    """The one argument of `InterpretGraph`: an immutable graph version and its input.

    `timeout_s` bounds the whole run, from its start and with its pauses; None: no limit.
    """

    execution_id: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    user_id: str
    plan: Plan
    input: Any = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node in a snapshot: the same names as in the REST resource."""

    id: str
    type: str
    status: str
    path: str = ""
    reason: str | None = None
    attempt: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The answer of the query `snapshot`: the run as it stands after event `seq`.

    Outputs are left out when `outputs` of the query is false (the default).
    """

    execution_id: str
    status: str
    seq: int
    nodes: list[NodeState]
    output: Any = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    started_at: str | None = None


@dataclass(frozen=True, slots=True)
class EventsPage:
    """The answer of the query `events(after_seq)`: wire events in order, and whether there
    are more behind them. `events` hold whole outputs."""

    events: list[dict[str, Any]]
    more: bool = False


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """The argument of the activity that writes the whole truth to the store. `rebuilt`: what is
    stored may not be true."""

    execution_id: str
    last_seq: int
    rebuilt: bool = False


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How many events the store lacked and were fetched by query."""

    repaired: int = 0
