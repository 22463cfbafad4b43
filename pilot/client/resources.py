"""The API's resources, as a program reads them. Fields that a newer server adds are left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pilot.client.problem import issue_from_json
from pilot.graph.issues import Issue
from pilot.graph.status import ExecutionStatus, NodeStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    next_cursor: str | None

    @classmethod
    def of(cls, read: Callable[[dict[str, Any]], T]) -> Callable[[dict[str, Any]], Page[T]]:
        return lambda body: cls([read(item) for item in body["items"]], body.get("next_cursor"))


@dataclass(frozen=True, slots=True)
class Workflow:
    """`nodes` and `edges` are as the canvas holds them, empty in a list. `issues` with the
    severity `error` keep it from being executed. `published_version` is the one that runs by
    default; None where none was ever published (`publication` is 0, and the newest runs), and
    where the workflow is offline."""

    id: str
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime
    nodes: list[dict[str, Any]] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    timeout_s: float | None = None
    issues: list[Issue] = field(default_factory=list)
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    published_version: int | None = None
    publication: int = 0

    @property
    def etag(self) -> str:
        """Names what the workflow is, for `If-Match`."""
        number = f".{self.publication}" if self.publication else ""
        return f'"{self.version}{number}"'

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Workflow:
        return cls(
            id=body["id"],
            name=body["name"],
            description=body["description"],
            version=body["version"],
            created_at=read_time(body["created_at"]),
            updated_at=read_time(body["updated_at"]),
            nodes=body.get("nodes") or [],
            edges=body.get("edges") or [],
            timeout_s=body.get("timeout_s"),
            issues=[issue_from_json(issue) for issue in body.get("issues") or []],
            input_schema=body.get("input_schema"),
            output_schema=body.get("output_schema"),
            published_version=body.get("published_version"),
            publication=body.get("publication") or 0,
        )


@dataclass(frozen=True, slots=True)
class Wait:
    """A node that waits now: for a `duration`, `until` a time, a `signal`, a `webhook` (`url` is
    where it is answered) or an `approval`. `path` says in which iteration."""

    execution_id: str
    node_id: str
    path: str
    kind: str
    since: datetime
    until: datetime | None = None
    signal: str | None = None
    title: str | None = None
    required: int | None = None
    approvals: int | None = None
    url: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Wait:
        return cls(
            execution_id=body["execution_id"],
            node_id=body["node_id"],
            path=body.get("path", ""),
            kind=body["for"],
            since=read_time(body["since"]),
            until=maybe_time(body.get("until")),
            signal=body.get("signal"),
            title=body.get("title"),
            required=body.get("required"),
            approvals=body.get("approvals"),
            url=body.get("url"),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Usage:
        body = body or {}
        return cls(
            int(body.get("prompt_tokens") or 0),
            int(body.get("completion_tokens") or 0),
            float(body.get("cost_usd") or 0),
        )


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Error:
    code: str
    message: str
    node_id: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Error | None:
        if body is None:
            return None
        return cls(str(body.get("code")), str(body.get("message", "")), body.get("node_id"))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a run or a node waits for: `reason`, since when, until when, after which error; in a
    queue its `position`, from 1; for a worker of which task `queue`."""

    reason: str
    since: datetime | None = None
    until: datetime | None = None
    error: Error | None = None
    position: int | None = None
    queue: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Waiting | None:
        if body is None:
            return None
        since, until = body.get("since"), body.get("until")
        return cls(
            str(body.get("reason")),
            None if since is None else read_time(since),
            None if until is None else read_time(until),
            Error.from_json(body.get("error")),
            body.get("position"),
            body.get("queue"),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a run; `path` is empty outside loops and tool calls."""

    id: str
    type: str
    status: NodeStatus
    path: str = ""
    reason: str | None = None
    attempt: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    error: Error | None = None
    waiting: Waiting | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Node:
        return cls(
            id=body["id"],
            type=body["type"],
            status=NodeStatus(body["status"]),
            path=body.get("path") or "",
            reason=body.get("reason"),
            attempt=body.get("attempt"),
            started_at=maybe_time(body.get("started_at")),
            finished_at=maybe_time(body.get("finished_at")),
            output=body.get("output"),
            meta=body.get("meta") or {},
            error=Error.from_json(body.get("error")),
            waiting=Waiting.from_json(body.get("waiting")),
        )


@dataclass(frozen=True, slots=True)
class Parent:
    """The node of another execution that began this one; `path` is which of its runs, in loops,
    in maps and as a model's tool."""

    execution_id: str
    node_id: str
    path: str = ""

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Parent | None:
        if body is None:
            return None
        return cls(body["execution_id"], body["node_id"], body.get("path") or "")


@dataclass(frozen=True, slots=True)
class Execution:
    """A run. `input`, `output` and `nodes` are empty in a list. An output that is too large to be
    here has its size in `large_output` (bytes of JSON), and is read by itself. `queue` says why it
    has not begun, `waiting` why it does not go on. `temporal_url` opens it in Temporal's Web UI."""

    id: str
    workflow_id: str
    workflow_version: int
    status: ExecutionStatus
    created_at: datetime
    input: Any = None
    output: Any = None
    large_output: int | None = None
    error: Error | None = None
    nodes: list[Node] = field(default_factory=list)
    usage: Usage = NO_USAGE
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue: Waiting | None = None
    waiting: Waiting | None = None
    temporal_url: str | None = None
    start_at: datetime | None = None
    parent: Parent | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Execution:
        return cls(
            id=body["id"],
            workflow_id=body["workflow_id"],
            workflow_version=body["workflow_version"],
            status=ExecutionStatus(body["status"]),
            created_at=read_time(body["created_at"]),
            input=body.get("input"),
            output=body.get("output"),
            large_output=(body.get("large_output") or {}).get("bytes"),
            error=Error.from_json(body.get("error")),
            nodes=[Node.from_json(node) for node in body.get("nodes") or []],
            usage=Usage.from_json(body.get("usage")),
            started_at=maybe_time(body.get("started_at")),
            finished_at=maybe_time(body.get("finished_at")),
            queue=Waiting.from_json(body.get("queue")),
            waiting=Waiting.from_json(body.get("waiting")),
            temporal_url=(body.get("temporal") or {}).get("url"),
            start_at=maybe_time(body.get("start_at")),
            parent=Parent.from_json(body.get("parent")),
        )


@dataclass(frozen=True, slots=True)
class Trigger:
    """A schedule or a webhook: `kind` says which, `definition` is what it was told to do. `state`
    is `active`, `paused` or `pending`, `failure` why its last run could not be begun.

    `next_times`, `skipped` and `missed` are a schedule's, where one is read; `token` and `url` a
    webhook's, where it was just made or given a new token.
    """

    id: str
    kind: str
    workflow_id: str
    name: str
    state: str
    paused: bool
    note: str
    revision: int
    created_at: datetime
    definition: dict[str, Any]
    input: Any = None
    timeout_s: float | None = None
    failure: Error | None = None
    next_times: list[datetime] = field(default_factory=list)
    skipped: int | None = None
    missed: int | None = None
    token: str | None = None
    url: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Trigger:
        return cls(
            id=body["id"],
            kind=body["kind"],
            workflow_id=body["workflow_id"],
            name=body["name"],
            state=body["state"],
            paused=body["paused"],
            note=body["note"],
            revision=body["revision"],
            created_at=read_time(body["created_at"]),
            definition=body.get(body["kind"]) or {},
            input=body.get("input"),
            timeout_s=body.get("timeout_s"),
            failure=Error.from_json(body.get("failure")),
            next_times=[read_time(text) for text in body.get("next_times") or []],
            skipped=body.get("skipped"),
            missed=body.get("missed"),
            token=body.get("token"),
            url=body.get("url"),
        )


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of all that is a user's or an organisation's. `status`: none, running, done or
    failed; `deleted` counts by kind once it is done."""

    status: str
    requested_at: datetime | None = None
    finished_at: datetime | None = None
    deleted: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Deletion:
        return cls(
            body["status"],
            maybe_time(body.get("requested_at")),
            maybe_time(body.get("finished_at")),
            body.get("deleted") or {},
        )


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def maybe_time(text: str | None) -> datetime | None:
    return None if text is None else read_time(text)
