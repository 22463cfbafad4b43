"""What goes in and out of `/api/v1/executions` and `execute`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.graph.model import Seconds
from pilot.graph.status import ExecutionStatus, NodeStatus


class ExecuteIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"input": "Hello!"}]})

    input: JsonValue = Field(
        default=None,
        description="Any JSON; where the start node declares inputs, an object with them.",
    )
    timeout_s: Seconds | None = Field(
        default=None,
        description="The longest that this run may take, where that is less than the workflow's "
        "own limit. It then ends `timed_out`.",
    )


class ErrorOut(BaseModel):
    code: str
    message: str
    node_id: str | None = None


class UsageOut(BaseModel):
    """What the models cost, over the whole run."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


class TemporalOut(BaseModel):
    """Where the run is in Temporal. `url` opens it in Temporal's Web UI, if there is one."""

    workflow_id: str
    run_id: str | None
    url: str | None


def _absent(value: object) -> bool:
    return value is None


class WaitingOut(BaseModel):
    """What is waited for: `retry` (a node, until the next attempt is due, with the error of the
    last one) or `no_worker` (a run that has begun; none is there since)."""

    reason: Literal["retry", "no_worker"]
    since: datetime | None = Field(default=None, exclude_if=_absent)
    until: datetime | None = Field(default=None, exclude_if=_absent)
    max_attempts: int | None = Field(default=None, exclude_if=_absent)
    error: dict[str, Any] | None = Field(default=None, exclude_if=_absent)


class QueueOut(BaseModel):
    """Why a run has not begun: `concurrency` (one of its owner's runs must end first; `position` is
    its place among those that wait, from 1), `starting` (a worker is about to take it) or
    `no_worker` (none is there, since)."""

    reason: Literal["concurrency", "starting", "no_worker"]
    since: datetime
    position: int | None = Field(default=None, exclude_if=_absent)


class NodeOut(BaseModel):
    """One node of the run. `path` is its iteration inside loops, empty outside."""

    id: str
    type: str
    status: NodeStatus
    path: str = Field(default="", exclude_if=lambda path: path == "")
    reason: str | None = None
    attempt: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    meta: dict[str, Any] = Field(default_factory=dict)
    error: dict[str, Any] | None = None
    waiting: WaitingOut | None = Field(default=None, exclude_if=_absent)


class ExecutionSummaryOut(BaseModel):
    """An item of the list: no input, no output, no nodes."""

    id: str
    workflow_id: str
    workflow_version: int
    status: ExecutionStatus
    error: ErrorOut | None
    usage: UsageOut
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    temporal: TemporalOut


class ExecutionOut(ExecutionSummaryOut):
    """A run: `nodes` are all of the graph's, in its order, whatever their state."""

    timeout_s: float | None = Field(description="The run's time limit, in seconds.")
    cancel_requested_at: datetime | None = Field(
        description="When it was first asked to cancel; `status` says whether it is cancelled."
    )
    queue: QueueOut | None = Field(
        default=None, exclude_if=_absent, description="While the status is `queued`."
    )
    waiting: WaitingOut | None = Field(
        default=None, exclude_if=_absent, description="Set where no worker goes on with the run."
    )
    input: Any
    output: Any
    nodes: list[NodeOut]
