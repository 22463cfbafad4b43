"""Short ways to write graphs in tests."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from pilot.graph import compile
from pilot.graph.compile import compile_plan
from pilot.graph.issues import Issue
from pilot.graph.model import Graph
from pilot.graph.plan import Plan, PlanEdge, PlanNode
from pilot.graph.spec import Policy
from pilot.graph.validate import validate
from pilot.nodes import specs

POLICY = Policy()


def node(id: str, type: str = "variable", *, config: Any = None, **fields: Any) -> dict[str, Any]:
    if config is None:
        config = {
            "variable": {"assignments": {"v": "x"}},
            "condition": {"expression": "input.x > 1"},
            "code": {"source": "def main(input):\n    return input"},
            "llm": {"prompt_template": "Say hi"},
            "http": {"url": "https://example.com/"},
        }.get(type, {})
    return {"id": id, "type": type, "position": {"x": 0, "y": 0}, "config": config, **fields}


def edge(text: str) -> dict[str, Any]:
    """`a>b`, or `a:handle>b`."""
    source, target = text.split(">")
    source, _, handle = source.partition(":")
    return {"source": source, "target": target} | ({"source_handle": handle} if handle else {})


def graph(nodes: list[dict[str, Any]], *edges: str, **fields: Any) -> Graph:
    return Graph.model_validate({"nodes": nodes, "edges": [edge(text) for text in edges], **fields})


def issues(nodes: list[dict[str, Any]], *edges: str) -> list[Issue]:
    return validate(graph(nodes, *edges), specs())


def codes(nodes: list[dict[str, Any]], *edges: str) -> set[str]:
    return {issue.code for issue in issues(nodes, *edges)}


def with_activities(drawn: Graph) -> Plan:
    """The plan in which no node hands its input on by itself."""
    with patch.object(compile, "MAX_HANDING_ON", 0):
        return compile_plan(drawn, specs())


def plan(nodes: list[str], *edges: str, needs: dict[str, int] | None = None) -> Plan:
    """A bare plan: ids and edges `a:handle>b`."""
    return Plan(
        nodes=[
            PlanNode(id=id, type="t", name=id, config={}, policy=0, need=(needs or {}).get(id))
            for id in nodes
        ],
        edges=[
            PlanEdge(one["source"], one["target"], one.get("source_handle", "default"))
            for one in map(edge, edges)
        ],
        policies=[POLICY],
    )
