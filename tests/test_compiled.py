"""A graph is compiled for its first run, and again when it or the names of secrets change."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from pilot import compiled
from pilot.compiled import Plans
from pilot.errors import GraphError
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.nodes import specs
from pilot.store import WorkflowVersion
from pilot.store.json_text import content_hash

NONE: frozenset[str] = frozenset()


def version(*assignments: dict[str, Any]) -> WorkflowVersion:
    nodes = [
        {"id": "start", "type": "start"},
        *(
            {"id": f"n{n}", "type": "variable", "config": {"assignments": each}}
            for n, each in enumerate(assignments)
        ),
        {"id": "output", "type": "output"},
    ]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(nodes)]
    graph = {"nodes": nodes, "edges": edges}
    return WorkflowVersion("w", 1, "w", graph, content_hash(graph), datetime.now(UTC))


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch) -> list[Graph]:
    seen: list[Graph] = []

    def noted(graph: Graph, *rest: Any) -> Any:
        seen.append(graph)
        return compile_plan(graph, *rest)

    monkeypatch.setattr(compiled, "compile_plan", noted)
    return seen


async def test_the_same_graph_is_compiled_once(compiling: list[Graph]) -> None:
    plans, one = Plans(), version({"x": "{input}"})
    first = await plans.of(one, specs(), NONE)
    again = await plans.of(version({"x": "{input}"}), specs(), NONE)
    assert again is first
    assert first.plan == compile_plan(Graph.model_validate(one.graph), specs(), NONE)
    other = await plans.of(version({"x": "{input.y}"}), specs(), NONE)
    assert other.plan != first.plan
    assert len(compiling) == 2


async def test_a_secret_that_goes_is_missed(compiling: list[Graph]) -> None:
    plans = Plans()
    node = {"id": "ask", "type": "http", "config": {"url": "https://a.example/{secrets.KEY}"}}
    start, output = {"id": "start", "type": "start"}, {"id": "output", "type": "output"}
    edges = [{"source": "start", "target": "ask"}, {"source": "ask", "target": "output"}]
    graph = {"nodes": [start, node, output], "edges": edges}
    one = WorkflowVersion("w", 1, "w", graph, content_hash(graph), datetime.now(UTC))
    await plans.of(one, specs(), frozenset({"KEY"}))
    for _ in range(2):
        with pytest.raises(GraphError):
            await plans.of(one, specs(), NONE)
    await plans.of(one, specs(), frozenset({"KEY"}))
    assert len(compiling) == 3


async def test_large_graphs_are_compiled_beside_and_too_large_plans_not_kept(
    compiling: list[Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans, large = Plans(), version(*[{"x": 1}] * 2 * compiled.IN_THREAD_NODES)
    first = await plans.of(large, specs(), NONE)
    assert (await plans.of(large, specs(), NONE)) is first
    monkeypatch.setattr(compiled, "MAX_PLAN_BYTES", first.size - 1)
    few = Plans()
    assert (await few.of(large, specs(), NONE)).plan == first.plan
    assert (await few.of(large, specs(), NONE)).plan == first.plan
    assert len(compiling) == 3
