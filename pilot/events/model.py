"""The event of a run, the same in workflow, store, WebSocket and SSE."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pilot.events.edition import UNKNOWN


def rfc3339(moment: datetime) -> str:
    """An aware time as events have it: RFC 3339 in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventType(StrEnum):
    EXECUTION_STARTED = "execution.started"
    EXECUTION_WAITING = "execution.waiting"
    EXECUTION_PAUSED = "execution.paused"
    EXECUTION_RESUMED = "execution.resumed"
    EXECUTION_SUCCEEDED = "execution.succeeded"
    EXECUTION_FAILED = "execution.failed"
    EXECUTION_CANCELLED = "execution.cancelled"
    EXECUTION_TIMED_OUT = "execution.timed_out"
    NODE_STARTED = "node.started"
    NODE_RETRYING = "node.retrying"
    NODE_WAITING = "node.waiting"
    NODE_PROGRESS = "node.progress"
    NODE_SUCCEEDED = "node.succeeded"
    NODE_FAILED = "node.failed"
    NODE_SKIPPED = "node.skipped"
    NODE_CANCELLED = "node.cancelled"
    LLM_TOKEN = "llm.token"  # noqa: S105
    LOG = "log"
    SNAPSHOT = "snapshot"
    GAP = "gap"


FINAL_EVENT_TYPES = frozenset(
    {
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_CANCELLED,
        EventType.EXECUTION_TIMED_OUT,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run.

    `seq` counts from 1 without a gap over the run's durable events; live-only events
    (tokens, attempts, logs) have none. `at` is RFC 3339 in UTC. `path` is the iteration path
    of a node inside loops and maps, empty outside. `data` by type:

    - `execution.started`: `input`, and `parent_execution_id` where a node of another began it
    - `execution.succeeded`: `output`, `usage`
    - `execution.failed|cancelled|timed_out`: `error {code, message, node_id?}`, `usage`
    - `node.started`: `type`, `name`
    - `node.succeeded`: `output` (absent for nodes that pass their input on), `meta`
    - `node.failed`: `error {code, message}`, `meta`, and `output` where the node goes on
    - `node.skipped|cancelled`: `reason`
    - `node.retrying`: `error`, `next_attempt_at`, `max_attempts`; its `attempt` is the one that
      failed, and without `next_attempt_at` the next one is under way
    - `node.waiting`: what for and until when, by type; `node.started` again when it goes on
    - `node.progress`: `done`, `failed`, `total` (absent where nobody knows) of a loop or a map; of
      a workflow node `meta`, with the `child_execution_id` of the run that it began
    - `execution.waiting`: all that is under way waits; `execution.resumed`: something goes on
    - `execution.waiting`, live-only: `reason` (`no_worker`), `since`, `queue` (the task queue that
      no worker polls), `nodes` (the first 20 that wait in it); `execution.resumed` with the same
      `reason` takes it back
    - `llm.token`: `text`; `anew` where the node's text begins with it, whatever was told of it
      before, and then `truncated` where its beginning is missing; `offset` and `round` say where
      it stands (`pilot.events.texts`)
    - `log`: `stream`, `text`
    - `gap`, to a watcher alone: the durable events after `after_seq` and before `before_seq` cannot
      be had; a `snapshot` follows where the store answers
    """

    type: EventType
    execution_id: str
    workflow_id: str
    at: str
    seq: int | None = None
    node_id: str | None = None
    path: str = ""
    status: str | None = None
    attempt: int | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The wire form: what is None or empty is left out."""
        body: dict[str, Any] = {
            "type": self.type.value,
            "execution_id": self.execution_id,
            "workflow_id": self.workflow_id,
            "at": self.at,
        }
        for name in ("seq", "node_id", "path", "status", "attempt", "data"):
            value = getattr(self, name)
            if value not in (None, "", {}):
                body[name] = value
        return body

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Event:
        return cls(**{**body, "type": EventType(body["type"])})


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event on the bus, with the user whose watchers may see it and the edition of the run
    that it belongs to (`pilot.events.edition`; of those with a `seq` only)."""

    user_id: str
    event: Event
    edition: str = UNKNOWN
