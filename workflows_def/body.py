"""One iteration of a loop or a map: its body, run to its end inside the workflow that calls it.

The body is a graph like any other, with nodes that are started, retried, skipped and joined by
the same rules. Its first nodes' input is the iteration's item.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio import workflow

from pilot.graph.plan import Plan
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.task import Scope
from workflows_def.failure import Failure
from workflows_def.host import host
from workflows_def.journal import LiveJournal
from workflows_def.messages import NodeState, RunInput
from workflows_def.nodes import Nodes
from workflows_def.pace import Pace
from workflows_def.records import Records


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an iteration came to: its body's output, or the failure of the node `node_id` in it
    (None where it was no node's); `cancelled`: neither. `nodes` are the body's nodes as they
    ended, `usage` their tokens and cost."""

    output: Any = None
    failure: Failure | None = None
    node_id: str | None = None
    cancelled: bool = False
    nodes: list[NodeState] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)


class Body:
    """`outer` is what the body may refer to outside itself, with the iteration's `item` and
    `index`; `path` tells it apart from the others (`workflows_def.paths`)."""

    def __init__(
        self,
        run: RunInput,
        plan: Plan,
        outer: Scope,
        path: str,
        *,
        pace: Pace,
        quiet: bool = False,
    ) -> None:
        inner = replace(run, plan=plan, input=outer.item)
        self._schedule = Schedule(plan)
        self._records = Records(inner, self._schedule, outer)
        journal = LiveJournal(run, path, quiet=quiet)
        self._path = path
        self.nodes = Nodes(
            inner, self._schedule, self._records, journal, path=path, pace=pace, quiet=quiet
        )

    async def run(self) -> Outcome:
        """Runs the body. Cancelled, it stops what is under way, waits for it, and says so; a bug
        of the interpreter's is raised as it is."""
        within = host()
        within.enter(self._path, self.nodes)
        try:
            return await self._run()
        finally:
            within.leave(self._path)
            within.noticed()

    async def _run(self) -> Outcome:
        nodes = self.nodes
        nodes.begin()
        try:
            while nodes.ending is None and not nodes.finished:
                await workflow.wait_condition(lambda: nodes.changed)
                if nodes.bug is not None:
                    raise nodes.bug
                nodes.changed = False
                host().noticed()
        except asyncio.CancelledError:
            await self._stop(Reason.EXECUTION_CANCELLED)
            return self._outcome(cancelled=True)
        ending = nodes.ending
        if ending is not None:
            await self._stop(ending.reason)
            return self._outcome(failure=ending.failure, node_id=ending.node_id)
        nodes.close(Reason.TOOL_NOT_CALLED)
        return self._outcome(output=self._records.output())

    async def _stop(self, reason: Reason) -> None:
        await self.nodes.stop(reason)
        self.nodes.close(reason)

    def _outcome(self, **fields: Any) -> Outcome:
        return Outcome(
            **fields, nodes=self._records.states(outputs=False), usage=self._records.usage
        )
