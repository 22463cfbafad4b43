"""Pure nodes of a run that run together (`pilot.graph.stretch`): which, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.common import RetryPolicy

from pilot.graph.plan import PlanNode
from pilot.graph.stretch import MAX_NODES, Stretch, StretchNode, StretchResult, Ways
from pilot.graph.task import Scope
from workflows_def.dispatch import keeps
from workflows_def.messages import STRETCH_ACTIVITY, RunInput
from workflows_def.pace import Pace
from workflows_def.records import Records

TIMEOUT = timedelta(seconds=30)
"""The activity gives back what it has after one second; the rest is for a busy worker."""
ONCE = RetryPolicy(maximum_attempts=1)
"""What a stretch does not come to runs node by node, each with attempts of its own."""

MAX_GIVEN_BYTES = 100_000
"""About how much JSON the nodes of one stretch are given together, less than what goes to a payload
store. The first may be given more. Runs in flight hold to it, as to `MAX_NODES`."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A stretch to run, and the whole input and scope with which each ready node enters it."""

    stretch: Stretch
    entered: dict[str, tuple[Any, Scope]]

    @property
    def first(self) -> str:
        return self.stretch.nodes[0].id


class Stretches:
    """`alone` are pure nodes that have to run by themselves."""

    def __init__(self, run: RunInput, records: Records, pace: Pace, path: str, quiet: bool) -> None:
        self._run = run
        self._records = records
        self._pace = pace
        self._path = path
        self._quiet = quiet
        self._nodes = {node.id: node for node in run.plan.nodes}
        self._pure = {node.id for node in run.plan.nodes if node.pure}
        self._ways = Ways(run.plan) if self._pure else None
        self.alone: set[str] = set()

    def begin(self, ready: Sequence[str], usable: Callable[[str], bool]) -> Begun | None:
        """A stretch that begins with the first of the nodes that are ready, and all others that
        go together with it; None where it would run by itself anyway. `usable`: whether a node
        may be part of a stretch at all."""
        if self._ways is None:
            return None

        def may(node_id: str) -> bool:
            return node_id in self._pure and node_id not in self.alone and usable(node_id)

        if not may(ready[0]):
            return None
        entered: dict[str, tuple[Any, Scope]] = {}
        room = MAX_GIVEN_BYTES
        for node_id in islice(filter(may, ready), MAX_NODES):
            node = self._nodes[node_id]
            value, scope = self._records.enter(node)
            room -= len(to_json((node.config, scope)))
            if entered and room < 0:
                break
            entered[node_id] = value, scope
        below = self._below(entered, may, room)
        if len(entered) + len(below) == 1:
            return None
        wanted = {name for one in below for name in one.references.vars}
        read = _read(below)
        nodes = [
            self._root(node_id, value if node_id in read else None, scope, wanted)
            for node_id, (value, scope) in entered.items()
        ]
        run = self._run
        stretch = Stretch(
            run.execution_id,
            run.workflow_id,
            run.user_id,
            nodes + below,
            self._path,
            self._quiet,
            run.callers,
        )
        return Begun(stretch, entered)

    async def run(self, stretch: Stretch) -> StretchResult:
        """Raises `FailureError` where the stretch came to nothing."""
        await self._pace.hand_over(0)
        result: StretchResult = await workflow.execute_local_activity(
            STRETCH_ACTIVITY,
            stretch,
            result_type=StretchResult,
            start_to_close_timeout=TIMEOUT,
            retry_policy=ONCE,
            summary=f"{len(stretch.nodes)} nodes from {stretch.nodes[0].name}",
        )
        self._pace.add(result)
        return result

    def _root(self, node_id: str, value: Any, scope: Scope, wanted: set[str]) -> StretchNode:
        return StretchNode(
            **self._of(self._nodes[node_id]),
            scope=scope,
            value=value,
            assigned=self._records.assigned(node_id, wanted) if wanted else {},
        )

    def _below(
        self, entered: dict[str, tuple[Any, Scope]], may: Callable[[str], bool], room: int
    ) -> list[StretchNode]:
        """What follows in the stretch, as far as there is room for what it has to be given."""
        assert self._ways is not None
        nodes: list[StretchNode] = []
        for node_id in self._ways.below(entered, may):
            node = self._nodes[node_id]
            one = StretchNode(
                **self._of(node),
                scope=self._records.known(node),
                edges=self._ways.edges_to(node_id),
                references=node.references,
                gathers=node.gathers,
            )
            room -= len(to_json(one))
            if room < 0:
                break
            nodes.append(one)
        values = [entered[node_id][0] for node_id in _read(nodes) if node_id in entered]
        return nodes if len(to_json(values)) <= MAX_GIVEN_BYTES else []

    def _of(self, node: PlanNode) -> dict[str, Any]:
        return {
            "id": node.id,
            "type": node.type,
            "name": node.name,
            "config": node.config,
            "passes_input": node.passes_input,
            "sets": node.sets,
            "keeps": keeps(self._run, node, self._path),
        }


def _read(below: list[StretchNode]) -> set[str]:
    """The nodes of whose output something in the stretch depends. No other is handed over: nodes
    that pass on a map of maps make values that no JSON could hold."""
    read: set[str] = set()
    for node in reversed(below):
        if node.references.input or (node.passes_input and node.id in read):
            read.update(source for source, _ in node.edges)
        read.update(id for id, parts in node.references.nodes.items() if "output" in parts)
    return read
