"""Nodes that are tools: what may be one, and how the schedule leaves them be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pilot.graph.compile import compile_plan
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.status import NodeStatus
from pilot.nodes import specs
from tests.graph.graphs import codes, graph, issues, node, plan

S, OUT = node("s", "start"), node("o", "output")
EDGES = ("s>ask", "ask>o")


def ask(*tools: dict[str, Any] | str) -> dict[str, Any]:
    given = [{"node": tool} if isinstance(tool, str) else tool for tool in tools]
    return node("ask", "llm", config={"prompt_template": "x", "tools": given})


@pytest.mark.parametrize("type", ["code", "http"])
def test_a_tool_needs_no_edge(type: str) -> None:
    nodes = [S, ask("t"), node("t", type), OUT]
    assert issues(nodes, *EDGES) == []
    tools = {one.id: one.tool for one in compile_plan(graph(nodes, *EDGES), specs()).nodes}
    assert tools == {"s": False, "ask": False, "t": True, "o": False}


def test_without_its_use_the_node_is_unreachable() -> None:
    assert "unreachable_node" in codes([S, ask(), node("t", "code"), OUT], *EDGES)


@pytest.mark.parametrize("edge", ["s>t", "t>o"])
def test_a_tool_has_no_edges(edge: str) -> None:
    found = issues([S, ask("t"), node("t", "code"), OUT], *EDGES, edge)
    assert [(issue.code, issue.node_id) for issue in found] == [("tool_has_edges", "t")]


def test_a_tool_is_there_and_can_be_called() -> None:
    found = issues([S, ask("nope", "s"), OUT], *EDGES)
    assert [(issue.code, issue.field) for issue in found] == [
        ("unknown_tool", "config.tools[0].node"),
        ("invalid_tool", "config.tools[1].node"),
    ]
    assert "code, http" in found[1].message


def test_names_differ_and_parameters_are_an_objects_schema() -> None:
    tools = ({"node": "t"}, {"node": "u", "name": "t", "parameters": {"type": "array"}})
    found = issues([S, ask(*tools), node("t", "code"), node("u", "code"), OUT], *EDGES)
    assert [(issue.code, issue.field) for issue in found] == [
        ("duplicate_tool", "config.tools[1].name"),
        ("invalid_schema", "config.tools[1].parameters"),
    ]


def test_a_tool_knows_its_arguments_and_nothing_upstream() -> None:
    def tool(source: str) -> dict[str, Any]:
        return node("t", "http", config={"url": source})

    assert codes([S, ask("t"), tool("https://x/{input.q}/{execution.input.a}"), OUT], *EDGES) == (
        set()
    )
    assert codes([S, ask("t"), tool("https://x/{nodes.s.output}"), OUT], *EDGES) == {"not_upstream"}


def with_tools(*tools: str) -> Schedule:
    bare = plan(["a", *tools])
    nodes = [replace(one, tool=one.id in tools) for one in bare.nodes]
    return Schedule(replace(bare, nodes=nodes))


def test_the_schedule_waits_for_no_tool() -> None:
    schedule = with_tools("t", "u")
    assert schedule.begin().ready == ["a"]
    schedule.started("a")
    assert schedule.called("t")
    assert not schedule.called("t")
    assert not schedule.finished
    schedule.completed("a", ["default"])
    assert schedule.finished
    assert schedule.end_tools() == ["t"]
    assert schedule.close() == [("u", Reason.TOOL_NOT_CALLED)]
    assert (schedule.status("t"), schedule.status("u")) == (
        NodeStatus.SUCCEEDED,
        NodeStatus.SKIPPED,
    )
    assert schedule.reason("u") is Reason.TOOL_NOT_CALLED
    assert schedule.finished
