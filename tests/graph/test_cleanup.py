"""The clean-up part of a graph: what may stand in it, and when it runs."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.graph.compile import compile_plan
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.status import NodeStatus
from pilot.nodes import specs
from tests.graph.graphs import codes, graph, issues, node

S, OUT = node("s", "start"), node("o", "output")
EDGES = ["s>a", "a>o"]


def http(id: str, url: str = "https://example.com/", **fields: Any) -> dict[str, Any]:
    return node(id, "http", config={"url": url}, **fields)


CLEAN = http("undo", on_cancel=True)


def test_a_cleanup_needs_no_way_from_the_start_and_leads_to_no_output() -> None:
    assert codes([S, node("a"), OUT, CLEAN, http("then")], *EDGES, "undo>then") == set()


@pytest.mark.parametrize(
    ("nodes", "edges", "code"),
    [
        ([CLEAN], ["a>undo"], "cleanup_has_edge"),
        ([CLEAN, http("then")], ["undo>then", "a>then"], "cleanup_mixed"),
        ([CLEAN, node("p", "output", config={"key": "p"})], ["undo>p"], "invalid_cleanup"),
        ([node("t", "start", on_cancel=True)], [], "invalid_cleanup"),
        (
            [
                node("l", "llm", config={"prompt_template": "x", "tools": [{"node": "undo"}]}),
                CLEAN,
            ],
            ["a>l", "l>o"],
            "invalid_cleanup",
        ),
    ],
)
def test_a_cleanup_stands_apart(nodes: list[dict[str, Any]], edges: list[str], code: str) -> None:
    assert code in codes([S, node("a"), OUT, *nodes], *EDGES, *edges)


def test_a_cleanup_sees_what_ran_if_it_asks_whether_it_did() -> None:
    bare = http("undo", "https://example.com/{nodes.a.output}", on_cancel=True)
    guarded = http(
        "undo", "https://example.com/{has(nodes.a.output) ? nodes.a.output : 0}", on_cancel=True
    )
    assert codes([S, node("a"), OUT, bare], *EDGES) == {"may_be_skipped"}
    assert codes([S, node("a"), OUT, guarded], *EDGES) == set()


def test_the_rest_sees_nothing_of_the_cleanup() -> None:
    output = node("o", "output", config={"value": "{nodes.undo.output}"})
    assert codes([S, node("a"), output, CLEAN], *EDGES) == {"not_upstream"}


def test_variables_do_not_reach_the_cleanup() -> None:
    reads = http("undo", "https://example.com/{vars.v}", on_cancel=True)
    [issue] = issues([S, node("a"), OUT, reads], *EDGES)
    assert (issue.code, issue.node_id) == ("variable_not_upstream", "undo")


def schedule() -> Schedule:
    nodes = [S, node("a"), OUT, CLEAN, http("then"), http("also", on_cancel=True)]
    return Schedule(compile_plan(graph(nodes, *EDGES, "undo>then"), specs()))


def test_the_cleanup_has_no_part_in_a_run_that_ends_well() -> None:
    run = schedule()
    assert run.begin().ready == ["s"]
    for one in ("s", "a", "o"):
        run.started(one)
        run.completed(one, ["default"])
    assert run.finished
    assert run.close() == [(one, Reason.NOT_CANCELLED) for one in ("undo", "then", "also")]


def test_the_cleanup_begins_when_the_rest_has_stopped() -> None:
    run = schedule()
    run.begin()
    run.started("s")
    run.completed("s", ["default"])
    run.started("a")
    run.ended("a", NodeStatus.CANCELLED, Reason.EXECUTION_CANCELLED)
    assert run.stop(Reason.EXECUTION_CANCELLED) == ["o"]
    assert run.begin_cleanup().ready == ["undo", "also"]
    assert not run.finished
    run.started("undo")
    run.started("also")
    assert run.completed("undo", ["default"]).ready == ["then"]
    run.completed("also", [], NodeStatus.FAILED)
    run.started("then")
    run.completed("then", ["default"])
    assert run.finished
    assert run.close() == []
