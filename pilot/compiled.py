"""Plans of the graphs that were run last, by their content.

The same graph, with the same names of secrets, compiles to the same plan; what it calls is looked
up for each run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pydantic_core import to_json

from pilot.converter import lean
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.graph.spec import Specs
from pilot.nodes.start import StartConfig, start_config
from pilot.recent import Recent
from pilot.store import Workflow, WorkflowVersion

MAX_BYTES = 4_000_000
"""Of all plans that are kept, as JSON; Python's objects take several times as much."""
MAX_PLAN_BYTES = MAX_BYTES // 16
IN_THREAD_NODES = 50
"""A graph of fewer compiles in a few milliseconds, and the way to a thread is one, too."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """`size` is the plan's bytes, as a run is given it."""

    plan: Plan
    start: StartConfig
    size: int


class Plans:
    """Who is given a plan must not change it."""

    def __init__(self) -> None:
        self._kept = Recent[tuple[str, frozenset[str]], Compiled](MAX_BYTES, MAX_PLAN_BYTES)

    async def of(
        self, workflow: Workflow | WorkflowVersion, specs: Specs, secrets: frozenset[str]
    ) -> Compiled:
        """Raises `GraphError`."""
        key = (workflow.content_hash, secrets)
        found = self._kept.get(key)
        if found is None:
            graph = Graph.model_validate(workflow.graph)
            has_bodies = any("body" in node.config for node in graph.nodes)
            if len(graph.nodes) < IN_THREAD_NODES and not has_bodies:
                plan = compile_plan(graph, specs, secrets)
            else:
                plan = await asyncio.to_thread(compile_plan, graph, specs, secrets)
            found = Compiled(plan, start_config(graph), size_of(plan))
            self._kept.put(key, found, found.size)
        return found


def size_of(plan: Plan) -> int:
    """Bytes of a plan as a run is given it."""
    return len(to_json(lean(plan)))
