"""Nodes that are more than one activity: what the workflow does for them after it.

The activity of such a node evaluates its configuration and says by `NodeResult.follow` how to go
on; the function that stands here under the node's type then waits, or runs children, and gives
the node's result. It raises a `FailureError` where the node fails, as an activity would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pilot.graph.plan import PlanNode
from pilot.graph.task import NodeResult, Scope
from workflows_def.host import host
from workflows_def.messages import RunInput
from workflows_def.pace import Pace


class Teller(Protocol):
    """What shows a node that is under way: as one of the graph's, or as a model's tool."""

    @property
    def held(self) -> bool:
        """Whether the run is paused."""
        ...

    def wait(self, node: PlanNode, waiting: dict[str, Any]) -> None: ...

    def progress(self, node: PlanNode, progress: dict[str, Any]) -> None: ...

    def tell(self, node: PlanNode, meta: dict[str, Any]) -> None: ...

    def add_usage(self, usage: dict[str, Any]) -> None: ...


@dataclass(slots=True)
class Step:
    """A node under way whose activity has said how it goes on.

    `value` is the node's whole input, `scope` what its activity was given, `path` where it stands
    (`workflows_def.paths`), `first` what the activity gave.
    """

    run: RunInput
    node: PlanNode
    value: Any
    scope: Scope
    path: str
    first: NodeResult
    pace: Pace
    nodes: Teller

    @property
    def follow(self) -> dict[str, Any]:
        return self.first.follow or {}

    @property
    def held(self) -> bool:
        return self.nodes.held

    def waits(self, **waiting: Any) -> None:
        """Tells that the node waits for something outside: what for, and until when."""
        self.nodes.wait(self.node, waiting)
        host().standing.begin(self.node.id, self.path, waiting)

    def progress(self, **progress: Any) -> None:
        """Tells how far the node is: `done`, `failed`, `total`. Each is an event, so the caller
        bounds their number."""
        self.nodes.progress(self.node, progress)

    def tell(self, **meta: Any) -> None:
        """Tells what is known of the node by now, which is under way."""
        self.nodes.tell(self.node, meta)

    def add_usage(self, usage: dict[str, Any]) -> None:
        """Tokens and cost of what ran for this node, in children."""
        self.nodes.add_usage(usage)

    def result(self, output: Any = None, **fields: Any) -> NodeResult:
        """The node's result: its activity's with this output; `meta` adds to the activity's."""
        meta = {**self.first.meta, **fields.pop("meta", {})}
        return NodeResult(output=output, meta=meta, **fields)


Follow = Callable[[Step], Awaitable[NodeResult]]

FOLLOWS: dict[str, Follow] = {}
"""By node type."""


async def follow(step: Step) -> NodeResult:
    """What the node's type does after its activity, to the end."""
    try:
        return await FOLLOWS[step.node.type](step)
    finally:
        host().standing.end(step.node.id, step.path)
