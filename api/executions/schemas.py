"""What goes in and out of `/api/v1/executions` and `execute`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from pilot.graph.model import Seconds
from pilot.graph.numbers import JSON_NUMBER
from pilot.graph.status import ExecutionStatus, NodeStatus

VersionNumber = Annotated[int, Field(ge=1), JSON_NUMBER]
VersionNameIn = VersionNumber | Literal["draft", "published"]
MAX_DELAY_S = 366 * 86_400.0


class ExecuteIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"input": "Hello!"}]})

    input: JsonValue = Field(
        default=None,
        description="Any JSON; where the start node declares inputs, an object with them.",
    )
    version: VersionNameIn | None = Field(
        default=None,
        description="A version's number, `draft` (the newest) or `published`. By default the "
        "published one, or the newest of a workflow that was never published.",
    )
    timeout_s: Seconds | None = Field(
        default=None,
        description="The longest that this run may take, where that is less than the workflow's "
        "own limit. It then ends `timed_out`.",
    )
    start_at: AwareDatetime | None = Field(
        default=None,
        description="When it is to begin: in the future, at most a year from now. Until then it is "
        "`queued`, and is cancelled at once where it is cancelled.",
    )
    delay_s: Annotated[float, Field(gt=0, le=MAX_DELAY_S)] | None = Field(
        default=None, description="The same, in seconds from now."
    )

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.start_at is not None and self.delay_s is not None:
            raise ValueError("give `start_at` or `delay_s`, not both")
        return self


class SignalIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    payload: JsonValue = Field(default=None, description="Any JSON, of 256 KB at most.")


class DeliveryOut(BaseModel):
    """What came of a payload at one node: `accepted`; `buffered` (the run is not there yet);
    `no_match` (its condition does not hold, as `message` says); `invalid` (by its schema);
    `closed` (it waits no more)."""

    node_id: str
    path: str = Field(default="", exclude_if=lambda path: path == "")
    status: Literal["accepted", "buffered", "no_match", "invalid", "closed"]
    message: str | None = None


class SignalOut(BaseModel):
    deliveries: list[DeliveryOut]


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
    """Why a run has not begun: `start_at` (its time is yet to come: `until`), `concurrency` (one of
    its owner's runs must end first; `position` is its place among those that wait, from 1),
    `starting` (a worker is about to take it) or
    `no_worker` (none is there, since)."""

    reason: Literal["start_at", "concurrency", "starting", "no_worker"]
    since: datetime
    until: datetime | None = Field(default=None, exclude_if=_absent)
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


class TriggeredOut(BaseModel):
    """What began a run: a schedule, `at` the time that it was for, or a webhook, `at` its call."""

    type: Literal["schedule", "webhook"]
    id: str
    at: datetime


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
    start_at: datetime | None = Field(
        default=None, exclude_if=_absent, description="Where it was to begin later: when."
    )
    triggered: TriggeredOut | None = Field(default=None, exclude_if=_absent)
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
