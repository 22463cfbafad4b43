"""The wire types of the interpreter: its argument, queries and results, and their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from pilot.events.edition import UNKNOWN
from pilot.graph.plan import Plan
from pilot.graph.task import Scope
from pilot.payloads.sizes import Sizes

WORKFLOW_TYPE = "InterpretGraph"
RECORD_ACTIVITY = "record_execution"
CHECK_DELIVERY_ACTIVITY = "check_delivery"
RECALL_ACTIVITY = "recall_nodes"
NOTE_WAIT_ACTIVITY = "note_wait"
STRETCH_ACTIVITY = "run_stretch"

QUERY_SNAPSHOT = "snapshot"
QUERY_EVENTS = "events"
SIGNAL_PAUSE = "pause"
SIGNAL_RESUME = "resume"
UPDATE_DELIVER = "deliver"
UPDATE_CLAIM = "claim"
UPDATE_SETTLE = "settle"
SIGNAL_CHILD_PROGRESS = "child_progress"
SIGNAL_ENOUGH = "enough"
QUERY_CHILD = "child"
QUERY_WAITERS = "waiters"
QUERY_WAITS = "waits"
UPDATE_ANSWER = "answer"

SEARCH_ATTRIBUTE_USER = "PilotUser"
SEARCH_ATTRIBUTE_WORKFLOW = "PilotWorkflow"
SEARCH_ATTRIBUTE_STATUS = "PilotStatus"

CLEANUP_LIMIT_S = 300.0
"""How long the clean-up nodes of a run may take in all."""

MAX_WAITING_NAMED = 20
"""Nodes that are named where a loop or a map says that all in it waits."""

EVENTS_PAGE_BYTES = 1_000_000
"""About how much JSON one answer of the query `events` holds: gRPC's limit is 4 MB."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a node came to in another run: the fields of `pilot.graph.task.NodeResult`, or, where
    `error` is set, of a failure that its `on_error` took up."""

    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    handles: list[str] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """What a run takes from others instead of running it.

    The nodes in `reuse` end with what the execution `source` recorded of them, and fail with
    `no_recording` where it recorded nothing; those in `pinned` with what stands here. The loops
    and maps in `partial` failed there: they go on with the iterations that had not ended.
    """

    source: str | None = None
    reuse: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    pinned: dict[str, Recorded] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecallRequest:
    """The argument of the activity that reads what an execution recorded of `nodes`, from the
    event after `after_seq` on."""

    user_id: str
    source: str
    nodes: list[str]
    after_seq: int = 0


@dataclass(frozen=True, slots=True)
class RecallPage:
    """What was found by node id, and the `seq` to go on from; None where that was all."""

    records: dict[str, Recorded] = field(default_factory=dict)
    after_seq: int | None = None


@dataclass(frozen=True, slots=True)
class ParentRun:
    """The node of another run that began this one, and which of that node's runs it was."""

    execution_id: str
    node_id: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class RunInput:
    """The one argument of `InterpretGraph`: an immutable graph version and its input.

    `execution_id` stands in the workflow's id, too: a later release may leave it out, but 0.3 needs
    it. `timeout_s` bounds the whole run, from its start and with its pauses; None: no limit.
    `given` is what the nodes may refer to beside the plan's own, where a single node is tried. One
    that a `parent` began gives a `ChildResult`.
    `starter` is the id of the workflow that waits for the run's end (`workflows_def.scheduled`).
    `callers` are the ids of other workflows of which a run began this one, or one above it, each
    once: their budgets hold for it, too.
    `sizes` are what its values may have, and `queues` where the activities of some node types go
    (`pilot.queues`), both as it was when the run began.
    """

    execution_id: Annotated[str, Field(default="")]
    workflow_id: str
    workflow_name: str
    workflow_version: int
    user_id: str
    plan: Plan
    input: Any = None
    timeout_s: float | None = None
    resume: Resume | None = None
    given: Scope | None = None
    parent: ParentRun | None = None
    starter: str | None = None
    callers: list[str] = field(default_factory=list)
    sizes: Sizes = field(default_factory=Sizes)
    queues: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What a run gives to the one that began it: `usage` is that of all its nodes."""

    output: Any = None
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiters:
    """The answer of the query `waiters`: which of the nodes asked for wait in this workflow now,
    by id and path, and the ids of its child workflows."""

    nodes: list[tuple[str, str]]
    children: list[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """A node that waits now: for what (`duration`, `until`, `signal`, `webhook`, `approval`),
    since when, and until when at the latest, both RFC 3339; and what such a node tells of it."""

    node_id: str
    path: str
    kind: str
    since: str
    until: str | None = None
    signal: str | None = None
    title: str | None = None
    required: int | None = None
    approvals: int | None = None


@dataclass(frozen=True, slots=True)
class StandingPage:
    """The answer of the query `waits`: what nodes wait for in this workflow now, whether there
    are more of them, and the ids of its child workflows."""

    waits: list[Standing]
    children: list[str]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """The argument of the update `deliver`: a payload for nodes that wait for a signal or for a
    webhook, or will."""

    nodes: list[tuple[str, str]]
    """By id and path."""
    payload: Any = None
    digest: str = ""
    """Of the body, where its key may not come again with another one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The argument of the update `claim`, and its answer: where what has a key goes, by Temporal
    workflow, the nodes by id and path. Temporal answers a repetition with the first one's."""

    digest: str
    places: dict[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a delivery at one node.

    `accepted`; `buffered`: the node does not wait yet, it will be looked at then; `no_match`: the
    node's condition does not hold for it, as `message` says; `invalid`: it does not fit the
    node's schema, as `problems` say, each with its JSON path; `closed`: the node waits no more.
    """

    node_id: str
    path: str
    status: str
    message: str | None = None
    problems: list[dict[str, str]] = field(default_factory=list)
    digest: str = ""
    """The delivery's."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The argument of the update `settle`, and its answer: what came of all that a claim sent. It
    stays there when the workflows that took it have gone on in new histories."""

    receipts: list[Receipt]


@dataclass(frozen=True, slots=True)
class DeliveryCheck:
    """The argument of the local activity `check_delivery`: a payload, and what is asked of it."""

    payload: Any
    schema: dict[str, Any] | None = None
    condition: str | None = None
    done_when: str | None = None
    scope: Scope = field(default_factory=Scope)


@dataclass(frozen=True, slots=True)
class DeliveryVerdict:
    """`problems` are where the payload does not fit the schema, `matches` whether the condition
    holds (a `message` says why it could not be asked), `done` whether it is the last one."""

    problems: list[dict[str, str]] = field(default_factory=list)
    matches: bool = True
    done: bool = False
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ChildProgress:
    """What a child workflow (its id) tells its parent from time to time: of its iterations, how
    many have ended, and how many of these failed. Or, where `waiting` is set, nothing of that, but
    that all that is under way in it waits, and which nodes do (with their paths); none: no more.
    """

    child: str
    done: int
    failed: int = 0
    waiting: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The argument of the update `answer`: what somebody says to an approval. Who they are, the
    `role` that they have for the run (None: none), and whether they started it, the API has
    found out."""

    node_id: str
    path: str
    user_id: str
    decision: Literal["approved", "rejected"]
    values: Any = None
    comment: str | None = None
    role: str | None = None
    is_starter: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """What an answer came to: `approved`, `rejected`, or `waiting` for others; `invalid` where
    its values do not fit the form, as `problems` say."""

    status: str
    approvals: int = 0
    required: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)
    digest: str = ""
    """The answer's."""


@dataclass(frozen=True, slots=True)
class WaitNote:
    """The argument of the activity `note_wait`: the state of a node that waits, for those who look
    for it (`pilot.store.waits`). Times are RFC 3339."""

    execution_id: str
    node_id: str
    path: str
    kind: str
    created_at: str
    seq: int = 0
    expires_at: str | None = None
    closed_at: str | None = None
    role: str | None = None
    users: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    allow_self: bool = True
    data: dict[str, Any] = field(default_factory=dict)


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
    stored may not be true, and these events are of that `edition`. `note_run`: nobody has written
    down which Temporal run it was. `starter` is told when it is written."""

    execution_id: str
    last_seq: int
    rebuilt: bool = False
    note_run: bool = False
    starter: str | None = None
    edition: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How many events the store lacked and were fetched by query."""

    repaired: int = 0
