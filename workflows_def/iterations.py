"""The wire types of the children that run the bodies of loops and maps, and their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pilot.graph.iteration import OnItemError, OnLimit
from pilot.graph.plan import PlanNode
from pilot.graph.spec import Policy
from pilot.graph.task import Scope
from workflows_def.messages import RunInput

ITEMS_TYPE = "RunItems"
LOOP_TYPE = "RunLoop"
RECORD_ITERATIONS_ACTIVITY = "record_iterations"
RECALL_ITERATIONS_ACTIVITY = "recall_iterations"
GATHER_ITEMS_ACTIVITY = "gather_items"
QUERY_ITERATIONS = "iterations"

MAX_EVENTS = 4_000
"""A child whose history is about to have more goes on in a new one."""


@dataclass(frozen=True, slots=True)
class Within:
    """What a child of a loop or a map is given beside its iterations.

    `run` is the execution's, its plan left out; `node` the loop or map, with its body, whose
    activities run under `policy`; `path` is its own; `outer` what the body refers to outside.
    With a `source`, iterations that have succeeded in that execution are not run again, if they
    are for the same item or the same state. `tells`: its parent is told how far it is.
    """

    run: RunInput
    node: PlanNode
    policy: Policy
    path: str
    outer: Scope
    source: str | None = None
    tells: bool = False
    max_events: int = MAX_EVENTS


@dataclass(frozen=True, slots=True)
class IterationFailure:
    """Why the iteration `index` failed: by the node `node_id` of the body, where it was one's."""

    index: int
    code: str
    message: str
    node_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class ItemsInput:
    """A window of a map: the items from the one with the index `first` on, of `total` in all;
    `parallelism` at once. What a history before this one has come to is carried in `outputs` and
    what follows it: those are of the items before `first`, and part of the result; `recorded`: the
    store has them. Once its outputs have `most` bytes of JSON it begins no further item."""

    within: Within
    items: list[Any]
    first: int
    total: int
    parallelism: int
    on_item_error: OnItemError
    stops: bool = False
    held: bool = False
    outputs: list[Any] = field(default_factory=list)
    failures: list[IterationFailure] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    recorded: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class ItemsResult:
    """What a window came to: the outputs of its items in order, None for those among `failures`.

    They may be fewer than the items: where it `stopped` early, where they have as much as a window
    is to have, and where they would not fit into the next history: the rest is for another window.
    With a `failure`, and `cancelled`, there are none. `done` counts the items that have ended,
    failed or not. `recorded`: the store has all that they came to.
    """

    outputs: list[Any] = field(default_factory=list)
    failures: list[IterationFailure] = field(default_factory=list)
    done: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False
    failure: IterationFailure | None = None
    cancelled: bool = False
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class LoopInput:
    """A loop from the iteration `index` on, with its `state`. `holds`: whether its condition does,
    where that is known already. `told` is how often its parent was told of it, and `told_index`
    when last; `usage` is of the iterations before."""

    within: Within
    state: Any
    max_iterations: int
    on_limit: OnLimit
    index: int = 0
    holds: bool | None = None
    held: bool = False
    told: int = 0
    told_index: int = 0
    reused: int = 0
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoopResult:
    """What a loop came to after so many `iterations`, of which `reused` were another run's. It
    is `limited` where it stopped while its condition held."""

    state: Any = None
    iterations: int = 0
    reused: int = 0
    limited: bool = False
    failure: IterationFailure | None = None
    cancelled: bool = False
    usage: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IterationRow:
    """An iteration that has ended, as it is recorded. `key` is that of what it was given: its
    item, or the loop's state. `nodes` are its body's, in short."""

    index: int
    status: str
    key: str
    output: Any = None
    error: dict[str, Any] | None = None
    nodes: list[dict[str, Any]] = field(default_factory=list)
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class IterationsPage:
    """The answer of the query `iterations(after)`: rows that are to be recorded, and the number
    of the last of them."""

    rows: list[IterationRow]
    last: int


@dataclass(frozen=True, slots=True)
class RecordIterations:
    """The argument of the activity that records the rows with the numbers `after` + 1 to `last`
    of the child workflow that asks for it."""

    execution_id: str
    node_id: str
    path: str
    after: int
    last: int


@dataclass(frozen=True, slots=True)
class GatherItems:
    """The argument of the activity that makes a map's output of what is recorded of its items:
    those of `spans` (from an index to before another), in order. `failed` are those among them
    without an output, in whose place stands None, or nothing where it `skips` them. `bytes` is
    about how much JSON it comes to."""

    execution_id: str
    user_id: str
    node_id: str
    path: str
    spans: list[tuple[int, int]]
    failed: list[int]
    skips: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class RecallIterations:
    """The argument of the activity that reads which iterations of the execution `source` have
    succeeded, of the user's: with an index from `first` to before `end` (None: to the last)."""

    user_id: str
    source: str
    node_id: str
    path: str
    first: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """One that has. `key` is as `IterationRow` has it."""

    index: int
    key: str
    output: Any = None


@dataclass(frozen=True, slots=True)
class RecalledPage:
    """As many as fit, by index; more of them from `next` on, None where that was all."""

    rows: list[Recalled] = field(default_factory=list)
    next: int | None = None
