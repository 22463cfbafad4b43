"""What goes in and out of `/api/v1/executions` and `execute`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from pilot.graph.model import Seconds
from pilot.graph.numbers import JSON_NUMBER
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.resumption import Mode

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

    dry_run: bool = Field(
        default=False,
        description="Models and the world outside are not asked: what such nodes give is taken "
        "from the execution `source_id`.",
    )
    source_id: UUID | None = Field(
        default=None,
        description="Of a dry run: the execution with the recording [the last that succeeded].",
    )
    use_pins: bool = Field(
        default=False, description="Nodes with a `pinned` output give that and are not run."
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


class RetryIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    begin: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        alias="from",
        description="The nodes to begin at; they and all below them are run again [those that "
        "failed or were cancelled].",
    )
    version: VersionNameIn | Literal["same"] = Field(
        default="same",
        description="The workflow version to run. What was changed since is run again.",
    )


class RecordedIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    output: JsonValue = None
    meta: dict[str, JsonValue] = Field(default_factory=dict)


class TryIn(BaseModel):
    """What a single node is tried with. With `execution_id`, what is not given is taken from that
    execution."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"input": "Hi"}]})

    input: JsonValue = Field(default=None, description="The node's `input`.")
    nodes: dict[str, RecordedIn] = Field(
        default_factory=dict, description="By node id, what it may refer to as `nodes.<id>`."
    )
    vars: dict[str, JsonValue] = Field(default_factory=dict)
    item: JsonValue = None
    index: Annotated[int, Field(ge=0)] | None = None
    execution_input: JsonValue = None
    execution_id: UUID | None = None
    timeout_s: Seconds | None = None


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


def absent(value: object) -> bool:
    return value is None


class WaitingOut(BaseModel):
    """What is waited for: `retry` (a node, until the next attempt is due, with the error of the
    last one) or `no_worker` (a run that has begun, or a node of it: since then no worker polls the
    task queue `queue`, in which it has something to be done)."""

    reason: Literal["retry", "no_worker"]
    since: datetime | None = Field(default=None, exclude_if=absent)
    until: datetime | None = Field(default=None, exclude_if=absent)
    max_attempts: int | None = Field(default=None, exclude_if=absent)
    error: dict[str, Any] | None = Field(default=None, exclude_if=absent)
    queue: str | None = Field(default=None, exclude_if=absent)


class QueueOut(BaseModel):
    """Why a run has not begun: `start_at` (its time is yet to come: `until`), `concurrency` (one of
    its owner's runs must end first; `position` is its place among those that wait, from 1),
    `starting` (a worker is about to take it) or
    `no_worker` (none is there, since)."""

    reason: Literal["start_at", "concurrency", "starting", "no_worker"]
    since: datetime
    until: datetime | None = Field(default=None, exclude_if=absent)
    position: int | None = Field(default=None, exclude_if=absent)


class LargeOut(BaseModel):
    """An output that is too large to stand here: `bytes` of JSON, how it begins, and where it is
    whole, to be read in parts too (`Range`)."""

    bytes: int
    preview: str
    href: str


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
    large_output: LargeOut | None = Field(
        default=None, exclude_if=absent, description="In place of an `output` over 1.9 MB."
    )
    meta: dict[str, Any] = Field(default_factory=dict)
    error: dict[str, Any] | None = None
    waiting: WaitingOut | None = Field(default=None, exclude_if=absent)


class TriggeredOut(BaseModel):
    """What began a run: a schedule, `at` the time that it was for; a webhook, `at` its call; or a
    Temporal workflow that is not of πlot, of which `id` is the workflow's."""

    type: Literal["schedule", "webhook", "workflow"]
    id: str
    at: datetime


class ParentOut(BaseModel):
    """The node of another execution that began this one. `path` is which of its runs, in loops
    and as a model's tool."""

    execution_id: str
    node_id: str
    path: str = Field(default="", exclude_if=lambda path: path == "")


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
        default=None, exclude_if=absent, description="Where it was to begin later: when."
    )
    triggered: TriggeredOut | None = Field(default=None, exclude_if=absent)
    mode: Mode = Field(
        description="`run`; `test`: one node alone; `dry_run`: what reaches outside was recorded."
    )
    source_id: str | None = Field(
        default=None, exclude_if=absent, description="The execution that this one goes on from."
    )
    parent: ParentOut | None = Field(default=None, exclude_if=absent)
    temporal: TemporalOut


class ExecutionOut(ExecutionSummaryOut):
    """A run: `nodes` are all of the graph's, in its order, whatever their state."""

    timeout_s: float | None = Field(description="The run's time limit, in seconds.")
    cancel_requested_at: datetime | None = Field(
        description="When it was first asked to cancel; `status` says whether it is cancelled."
    )
    queue: QueueOut | None = Field(
        default=None, exclude_if=absent, description="While the status is `queued`."
    )
    waiting: WaitingOut | None = Field(
        default=None, exclude_if=absent, description="Set where no worker goes on with the run."
    )
    input: Any
    output: Any
    large_output: LargeOut | None = Field(
        default=None, exclude_if=absent, description="In place of an `output` over 1.9 MB."
    )
    nodes: list[NodeOut]
