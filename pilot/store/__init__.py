"""What is kept of workflows and executions, and the protocol that keeps it.

Temporal is the truth of a run; the store is what people list, search and read. Every method
that takes an `owner` sees only that owner's objects: another's is `NotFoundError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pilot.events.edition import UNKNOWN
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus, NodeStatus

if TYPE_CHECKING:
    from pilot.payloads.values import Values
    from pilot.store.admission import Admission
    from pilot.store.api_keys import ApiKeyStore
    from pilot.store.forgetting import ForgettingStore
    from pilot.store.iterations import IterationStore
    from pilot.store.llm_calls import LlmCallStore
    from pilot.store.places import PlaceStore
    from pilot.store.publications import PublicationStore
    from pilot.store.retention import RetentionStore
    from pilot.store.secrets import SecretStore
    from pilot.store.shares import ShareStore
    from pilot.store.slots import SlotStore
    from pilot.store.triggers import TriggerStore
    from pilot.store.usage import UsageStore
    from pilot.store.waits import WaitStore

T = TypeVar("T")

MAX_PAGE = 200
ROOTS = "roots"
"""In place of a parent's id: the executions that none has."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list, newest first. `next_cursor` is opaque; None on the last page."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A stored workflow at its newest version.

    `graph` is `Graph.to_json()`. `version` counts from 1 and grows by one with each change.
    `content_hash` is the SHA-256 of the graph's canonical JSON. `published_version` is the one that
    runs by default, None where there is none; `publication` counts how often that has changed
    (`pilot.store.publications`), 0 for a workflow that was never published.
    """

    id: str
    owner: str
    name: str
    description: str
    graph: dict[str, Any]
    version: int
    content_hash: str
    created_at: datetime
    updated_at: datetime
    published_version: int | None = None
    publication: int = 0

    @property
    def is_offline(self) -> bool:
        """It was published once, and is not any more."""
        return self.publication > 0 and self.published_version is None


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """A row of the list of workflows: everything but the graph."""

    id: str
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime
    published_version: int | None = None
    publication: int = 0


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """One immutable version. Executions are pinned to it by (workflow_id, version).

    `created_by` is the user who saved it, None where that was not noted.
    """

    workflow_id: str
    version: int
    name: str
    graph: dict[str, Any]
    content_hash: str
    created_at: datetime
    description: str = ""
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class NodeRun:
    """The state of one node in one execution, keyed by (`node_id`, `path`)."""

    node_id: str
    type: str
    status: NodeStatus
    path: str = ""
    reason: str | None = None
    attempt: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """The run that began another: by which of its nodes, and by which of that node's runs (`path`).
    `root_id` is the run that none began, so many steps up as `depth` says, from 1."""

    execution_id: str
    node_id: str
    path: str
    root_id: str
    depth: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow version. `last_seq` is the highest `seq` that the store holds.

    `started_by` is the user who started it, None where that was the owner.
    `timeout_s` is the run's time limit, in seconds; None without one. `cancel_requested_at` is
    when somebody first asked to cancel it; the status says whether it has come to that. One that
    had to wait for a slot (`pilot.store.slots`) did so from `held_at` to `released_at`; one that
    is to begin later, at `start_at`, waits for it from then on. `triggered_by` is the schedule
    (`schedule:<id>`), webhook (`webhook:<id>`) or Temporal workflow (`workflow:<id>`) that began
    it, `triggered_at` the schedule's time that it was begun for, or when it was called. `parent`
    is the run that began it.

    `mode` is `run`, `test` (one node alone) or `dry_run`; `source_id` is the execution that it
    goes on from, and `resume` what it does not run anew (`pilot.resumption.Resumption` as JSON;
    None in lists).
    """

    id: str
    owner: str
    workflow_id: str
    workflow_version: int
    status: ExecutionStatus
    input: Any
    created_at: datetime
    output: Any = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    temporal_run_id: str | None = None
    last_seq: int = 0
    started_by: str | None = None
    timeout_s: float | None = None
    cancel_requested_at: datetime | None = None
    edition: str = UNKNOWN
    held_at: datetime | None = None
    released_at: datetime | None = None
    start_at: datetime | None = None
    triggered_by: str | None = None
    triggered_at: datetime | None = None
    mode: str = "run"
    source_id: str | None = None
    resume: dict[str, Any] | None = None
    parent: Parent | None = None

    @property
    def is_held(self) -> bool:
        """It waits for its time or a slot: nobody may start it."""
        return self.held_at is not None and self.released_at is None and not self.status.is_final

    @property
    def may_start(self) -> bool:
        """Its run has not begun, and nothing stands in the way."""
        return (
            self.status is ExecutionStatus.QUEUED
            and self.temporal_run_id is None
            and self.cancel_requested_at is None
            and not self.is_held
        )

    @property
    def due_at(self) -> datetime:
        """Since when somebody may be about to start it."""
        return self.released_at or self.created_at

    @property
    def temporal_workflow_id(self) -> str:
        return temporal_workflow_id(self.id)


@dataclass(frozen=True, slots=True)
class DayCount:
    """The executions that were created on a day (UTC) and have a status now."""

    day: date
    status: ExecutionStatus
    count: int


@dataclass(frozen=True, slots=True)
class OpenCount:
    """The open executions of one status: how many, and when the oldest was due to be started."""

    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the store is with an execution, and in which edition of it."""

    execution_id: str
    owner: str
    created_at: datetime
    last_seq: int
    edition: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Told:
    """Events of one execution, all of one edition. `ends`: the last of them is the run's end, which
    may be written where all before it are there."""

    execution_id: str
    events: Sequence[Event]
    edition: str = UNKNOWN
    ends: bool = False


def temporal_workflow_id(execution_id: str) -> str:
    """The id of the Temporal workflow that runs an execution."""
    return f"execution-{execution_id}"


class Store(Protocol):
    """Every implementation passes the contract suite in `tests/store/`.

    Methods raise `UnavailableError` when the database does not answer. `values` keeps outputs that
    are too large for a row; `output` of an execution or a node is then a reference (`Kept`).
    """

    values: Values

    @property
    def secrets(self) -> SecretStore: ...

    @property
    def shares(self) -> ShareStore: ...

    @property
    def publications(self) -> PublicationStore: ...

    @property
    def slots(self) -> SlotStore: ...

    @property
    def triggers(self) -> TriggerStore: ...

    @property
    def waits(self) -> WaitStore: ...

    @property
    def api_keys(self) -> ApiKeyStore: ...

    @property
    def usage(self) -> UsageStore: ...

    @property
    def llm_calls(self) -> LlmCallStore: ...

    @property
    def places(self) -> PlaceStore: ...

    @property
    def iterations(self) -> IterationStore: ...

    @property
    def retention(self) -> RetentionStore: ...

    @property
    def forgetting(self) -> ForgettingStore: ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """One round trip. Raises `UnavailableError`; `StorageFullError` where reading works
        but nothing can be saved."""
        ...

    async def create_workflow(
        self,
        owner: str,
        *,
        name: str,
        description: str,
        graph: dict[str, Any],
        by: str | None = None,
    ) -> Workflow:
        """A new workflow at version 1, in one transaction with that version. `by` is the user who
        saves it."""
        ...

    async def get_workflow(self, owner: str, workflow_id: str) -> Workflow: ...

    async def admit(self, workflow_id: str, grantees: Sequence[str]) -> Admission | None:
        """A workflow of whoever's, with whose it is and the highest role in which it is shared
        with any of the grantees, two at most: who asks must look at these before anything of it is
        shown. None: there is none, or it is deleted."""
        ...

    async def list_workflows(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WorkflowSummary]:
        """Newest first by `created_at`, then id. A bad cursor is `ConflictError` with the
        code `invalid_cursor`."""
        ...

    async def update_workflow(
        self,
        owner: str,
        workflow_id: str,
        *,
        name: str,
        description: str,
        graph: dict[str, Any],
        expected_version: int | None,
        by: str | None = None,
    ) -> Workflow:
        """A new version; the same content leaves the version as it is. What is published stays.

        Raises `StaleVersionError` when `expected_version` is given and is not the newest.
        """
        ...

    async def delete_workflow(self, owner: str, workflow_id: str) -> None:
        """Hides the workflow from every list and read. Its executions stay readable.

        Raises `ConflictError` while one of its executions is open (`open_executions`), or a
        schedule or webhook would begin more (`has_triggers`).
        """
        ...

    async def get_version(self, owner: str, workflow_id: str, version: int) -> WorkflowVersion:
        """A version, also of a deleted workflow (its executions still point at it). Versions
        never change, and are shared: the caller leaves the graph as it is."""
        ...

    async def create_execution(
        self, execution: Execution, *, most: int | None = None
    ) -> tuple[Execution, bool]:
        """Writes the row once: the stored row, and whether this call wrote it. It is held where
        the owner has `most` executions open already, or others of theirs are held; one that is
        held as it is given stays so.

        Raises `NotFoundError` when the id is taken by another owner, or the workflow is gone.
        """
        ...

    async def get_execution(self, owner: str, execution_id: str) -> Execution: ...

    async def list_executions(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        parent: str | None = None,
        first: datetime | None = None,
        last: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        """Newest first; `input` and `output` are left None in lists. `parent` is the id of the
        execution that began them, or `ROOTS`; None: with or without one. `first` and `last` bound
        when they were created: from `first` on, and before `last`."""
        ...

    async def executions_by_day(
        self, owner: str, *, first: datetime, last: datetime, workflow_id: str | None = None
    ) -> list[DayCount]:
        """How many executions that no other began were created on each day (UTC) between `first`
        and `last`, by status; the oldest day first, without those of none."""
        ...

    async def open_executions(
        self, *, before: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[Execution]:
        """Executions of all owners that were created before then and are not final, newest
        first; `input` and `output` are left None. For the reconciler: of those that are held,
        which Temporal does not know, only what is to be cancelled."""
        ...

    async def triggered(
        self, owner: str, triggered_by: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Execution]:
        """What a schedule or a webhook of the owner's has begun, newest first; `input` and
        `output` are left None."""
        ...

    async def open_counts(self) -> dict[ExecutionStatus, OpenCount]:
        """How many executions of all owners are open and not held, by status; a status without
        any is left out."""
        ...

    async def progress(self, execution_ids: Sequence[str]) -> list[Progress]:
        """Of those executions that there are, whoever owns them. For the live feed."""
        ...

    async def begun(
        self, owners: Sequence[str], *, since: datetime, limit: int = 1000
    ) -> list[Progress]:
        """Of at most `limit` of the owners' executions that were created since then and have
        any event. For the live feed."""
        ...

    async def node_runs(self, owner: str, execution_id: str) -> list[NodeRun]:
        """The nodes that have any state yet, in the order in which they got it."""
        ...

    async def set_temporal_run(self, execution_id: str, run_id: str) -> None:
        """Notes the run id of the started Temporal workflow."""
        ...

    async def request_cancel(self, execution_id: str, at: datetime) -> None:
        """Notes that the execution is to be cancelled. The first time stays, and one that is
        final already is left as it is."""
        ...

    async def overdue_cancels(self, *, before: datetime, limit: int) -> list[Execution]:
        """Executions of all owners that were to be cancelled before then and are not final,
        the longest waiting first; `input` and `output` are left None."""
        ...

    async def append_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """Writes durable events and folds them into the rows of execution and nodes, in one
        transaction. Idempotent by `seq`, in any order: an event that is there already changes
        nothing, and an older event never overwrites what a newer one said.

        `edition` (`pilot.events.edition`) is that of all these events. The execution keeps the
        newest that it was given, which is the greatest text:

        - of an older one, only events that the newest shares with it are written;
        - a newer one, where `begins_after` says a `seq`, first takes back all that events after
          that `seq` have said, in the same transaction: the events, and the rows of execution
          and nodes are as if they had never come (a node that only they named has no row; a
          value that the events' previews no longer hold whole may stay a preview);
        - one that is unknown is no such statement: the events are added to what is there;
        - of an execution that is final, an edition has nothing more to say: it writes nothing.
        """
        ...

    async def append_round(self, told: Sequence[Told]) -> set[str]:
        """`append_events` of many executions, each named once, in one transaction, as far as they
        simply go on with what is stored. Gives the ids of those that were written: of the others
        nothing is, and `append_events` writes them or says why not. Raises what concerns them all,
        and then nothing is written."""
        ...

    async def replace_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """Forgets all that events have said of the run, and writes these in their place, in one
        transaction; `edition` is theirs, where it is known. The run's first events, at least: more
        may follow by `append_events`."""
        ...

    async def events(
        self, owner: str, execution_id: str, *, after_seq: int = 0, limit: int = 1000
    ) -> list[Event]:
        """Durable events in order of `seq`. Large outputs are replaced by a preview."""
        ...

    async def missing_from(self, execution_id: str) -> int:
        """The lowest `seq` from which the store lacks an event: all below it are there."""
        ...
