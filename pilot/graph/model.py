"""Nodes and edges as the canvas sends them.

What a canvas adds for itself (React Flow's `data`, `width`, `selected`, an edge's `id`) is
kept and given back unchanged.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictFloat, StrictInt

from pilot.graph.numbers import JSON_NUMBER

MAX_RETRY_ATTEMPTS = 1_000
MAX_TIMEOUT_S = 365 * 24 * 3600.0
MAX_PARALLEL = 500
SETTINGS = ("timeout_s", "max_parallel")
"""What a graph has beside its nodes and edges."""


class Position(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: StrictInt | StrictFloat = 0
    y: StrictInt | StrictFloat = 0


class RetryOverride(BaseModel):
    """A node's own retry policy; what is left out keeps the node type's default.

    Times are in seconds. `max_attempts` counts the first try, so 1 means no retry.
    """

    model_config = ConfigDict(extra="forbid")

    max_attempts: Annotated[int, Field(ge=1, le=MAX_RETRY_ATTEMPTS), JSON_NUMBER] | None = None
    initial_s: Annotated[float, Field(gt=0, le=86_400), JSON_NUMBER] | None = None
    backoff: Annotated[float, Field(ge=1, le=100), JSON_NUMBER] | None = None
    max_s: Annotated[float, Field(gt=0, le=86_400), JSON_NUMBER] | None = None
    non_retryable: Annotated[list[str], Field(max_length=100)] | None = None


class DefaultOutput(BaseModel):
    """`on_error: {"default": value}`: the node's output is `value` when it fails."""

    model_config = ConfigDict(extra="forbid")

    default: JsonValue


class NOf(BaseModel):
    """`join: {"n_of": k}`: the node runs as soon as `k` of its in-edges are taken."""

    model_config = ConfigDict(extra="forbid")

    n_of: Annotated[int, Field(ge=1), JSON_NUMBER]


class Pinned(BaseModel):
    """What a node gives, instead of being run, in runs that ask for it (`use_pins`): while a draft
    is worked on. `handles` are those that it takes; without any it is the default handle."""

    model_config = ConfigDict(extra="forbid")

    output: JsonValue = None
    handles: Annotated[list[str], Field(max_length=100)] | None = None
    vars: Annotated[dict[str, JsonValue], Field(max_length=200)] = Field(default_factory=dict)


OnError = Literal["fail", "continue", "branch"] | DefaultOutput
Join = Literal["all", "any"] | NOf
Seconds = Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S), JSON_NUMBER]
MaxParallel = Annotated[int, Field(ge=1, le=MAX_PARALLEL), JSON_NUMBER]


class Node(BaseModel):
    """A node: its type, its configuration and the policy that stands beside it.

    With `on_cancel` it begins the clean-up: it runs, and what follows it, when the execution is
    cancelled or timed out, and not otherwise.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    position: Position | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    retry: RetryOverride | None = None
    timeout_s: Seconds | None = None
    on_error: OnError | None = None
    join: Join | None = None
    on_cancel: StrictBool = False
    pinned: Pinned | None = None

    @property
    def name(self) -> str:
        """What people see: `config.name`, else the id."""
        name = self.config.get("name")
        return name if isinstance(name, str) and name else self.id

    @property
    def body(self) -> SubGraph | None:
        """The graph that it holds, for drawings: by its looks, whatever its type."""
        body = self.config.get("body")
        if not isinstance(body, dict) or not isinstance(body.get("nodes"), list):
            return None
        return SubGraph.model_validate(body)


class Edge(BaseModel):
    """An edge. Without a `source_handle` it leaves by the source's default handle."""

    model_config = ConfigDict(extra="allow")

    source: str
    target: str
    source_handle: str | None = None


class SubGraph(BaseModel):
    """Nodes and edges: those of a workflow, or the body of one of its nodes."""

    model_config = ConfigDict(extra="ignore")

    nodes: list[Node] = Field(default_factory=list)
    edges: list[Edge] = Field(default_factory=list)


class Graph(SubGraph):
    """The nodes and edges of one workflow version, and what holds for its executions as a whole.

    `timeout_s` bounds the time of one, `max_parallel` how many of its nodes run at once.
    """

    timeout_s: Seconds | None = None
    max_parallel: MaxParallel | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Those that are set, by name."""
        return {name: getattr(self, name) for name in SETTINGS if getattr(self, name) is not None}

    def to_json(self) -> dict[str, Any]:
        """The graph as it was sent: unknown fields kept, unset ones left out."""
        return self.model_dump(mode="json", exclude_unset=True)
