"""A graph made ready to run: what the interpreter workflow is given.

A plan holds nothing of the canvas, and everything that must not change while a run lasts:
each node's policy, handles and references are resolved here, once, so that neither a new
release's defaults nor an expression compiler are needed in workflow code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from pilot.graph.spec import DEFAULT_HANDLE, Policy
from pilot.graph.wiring import Wiring

OnErrorAction = Literal["fail", "continue", "branch", "default"]


@dataclass(frozen=True, slots=True)
class References:
    """The values that a node's configuration refers to, so that it is given only these.

    `nodes` maps a node id to the parts of it (`output`, `meta`). `all_nodes` and `all_vars`
    ask for whatever lies upstream (a code node's `nodes` and `vars`). `item` is that of the loop
    or map around the node.
    """

    input: bool = False
    nodes: dict[str, list[str]] = field(default_factory=dict)
    vars: list[str] = field(default_factory=list)
    execution_input: bool = False
    all_nodes: bool = False
    all_vars: bool = False
    item: bool = False


NO_REFERENCES = References()


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A node as the interpreter sees it.

    `policy` is an index into the plan's. `need` is the number of taken in-edges that starts it
    early (`join: any` is 1); None waits until no in-edge is unknown. A `tool` runs only when
    another node calls it. With `gathers` its input is always a map by node id, of all outputs
    that came or of the first alone; with `cancels` what runs only for it is cancelled when it
    starts. A `pure` one may run in one activity with others (`pilot.graph.stretch`); one that
    `hands_on` gives its input on whatever that is, and has no activity at all.
    `body` is the graph inside a loop or a map; the `references` of such a
    node are also what its body's nodes refer to outside it.
    """

    id: str
    type: str
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    policy: int = 0
    references: References = field(default_factory=lambda: NO_REFERENCES)
    need: int | None = None
    on_error: OnErrorAction = "fail"
    default_output: Any = None
    passes_input: bool = False
    sets: list[str] = field(default_factory=list)
    output_key: str | None = None
    tool: bool = False
    body: Plan | None = None
    gathers: Literal["all", "first"] | None = None
    cancels: bool = False
    pure: bool = False
    hands_on: bool = False


@dataclass(frozen=True, slots=True)
class PlanEdge:
    source: str
    target: str
    handle: str = DEFAULT_HANDLE


Link: TypeAlias = tuple[int, int] | tuple[int, int, str]


@dataclass(frozen=True)
class Plan:
    """Nodes in the order of the graph; edges in the order that decides at joins; the policies
    that the nodes name, each once: most nodes of a type share one. The nodes in `cleanup` (ids)
    run when the run is cancelled or timed out, and only then. At most `max_parallel` nodes run at
    once, beside those that wait for something outside.

    `links` are edges as a later release may write them in the place of `edges`: the places of two
    nodes, and the handle if it is not the default one. They are read, and not written yet, as 0.3
    cannot read them."""

    nodes: list[PlanNode]
    edges: Annotated[list[PlanEdge], Field(default_factory=list)]
    policies: list[Policy]
    cleanup: list[str] = field(default_factory=list)
    max_parallel: int | None = None
    links: list[Link] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.links:
            ids = [node.id for node in self.nodes]
            edges = [PlanEdge(ids[a], ids[b], *handle) for a, b, *handle in self.links]
            object.__setattr__(self, "edges", [*self.edges, *edges])
            object.__setattr__(self, "links", [])

    @cached_property
    def wiring(self) -> Wiring:
        return Wiring([node.id for node in self.nodes], self.edges)

    def every_node(self) -> Iterator[PlanNode]:
        """With those of the bodies of loops and maps, each after its own."""
        for node in self.nodes:
            yield node
            if node.body is not None:
                yield from node.body.every_node()
