"""What an activity is given and what it gives back: the wire types of one node's attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MODEL_BUSY = "model_busy"
"""The code of an attempt that ended because its model has no room: the node waits."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The values in scope of a node's templates and expressions: only those it refers to.

    `input` is the output of the taken upstream node (several: a map by node id). `nodes` maps
    a node id to `{"output": ..., "meta": ...}`; a node that was skipped is absent.
    `execution` holds `id`, and `input` where it is referred to. `item` and `index` are what a
    loop or a map is at, for the nodes in it.
    """

    input: Any = None
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    vars: dict[str, Any] = field(default_factory=dict)
    execution: dict[str, Any] = field(default_factory=dict)
    item: Any = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of another node that a model asks for. `node` and `arguments` are for the node;
    with an `error` there is nothing to run, and the model is told why."""

    id: str
    name: str
    node: str = ""
    arguments: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class NodeTask:
    """The one argument of every node activity. `path` is the iteration path in loops and
    maps, empty outside, and for a tool `<calling node>#<round>.<call>`.

    `round` counts a node's activities where it calls tools in between, and `transcript` has the
    messages of the rounds before: what the model asked for, and what the tools gave.

    `attempts_before` counts attempts of earlier activities of this node (and round), the last of
    which was cut off by its worker's stop. `quiet`: its live events (tokens, logs,
    further attempts) are shown to nobody, as there are too many like it. `callers` are the run's.
    `keeps`: whether a large output may be kept apart, and a reference be the result. `yields`: the
    workflow waits for room at a model in the attempt's stead (`MODEL_BUSY`).
    """

    execution_id: str
    workflow_id: str
    user_id: str
    node_id: str
    type: str
    name: str
    config: dict[str, Any]
    scope: Scope
    path: str = ""
    round: int = 0
    transcript: list[dict[str, Any]] = field(default_factory=list)
    attempts_before: int = 0
    quiet: bool = False
    callers: list[str] = field(default_factory=list)
    keeps: bool = False
    yields: bool = False


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What an attempt that succeeded gives back.

    `handles` are the out-handles that it takes (None: the default handle), `vars` the
    variables that it sets. `output` is ignored for types that pass their input on. `meta`
    holds `duration_ms`, `started_at`, `attempt`, and by type `usage`, `status`, `branch`,
    `logs`.

    With `tool_calls` the node is not done: they are run, and the node's activity again, with
    `messages` and what the tools gave added to its transcript.

    Nor is it with `follow`: the workflow goes on with the node as its type does
    (`workflows_def.steps`), and `follow` is what it needs to know for that.
    """

    output: Any = None
    meta: dict[str, Any] = field(default_factory=dict)
    handles: list[str] | None = None
    vars: dict[str, Any] = field(default_factory=dict)
    tool_calls: list[ToolCall] | None = None
    messages: list[dict[str, Any]] | None = None
    follow: dict[str, Any] | None = None
