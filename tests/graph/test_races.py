"""Merges that cancel what loses, against a definition by paths; and merge and switch as nodes."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.graph.compile import compile_plan
from pilot.graph.plan import Plan, PlanNode
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.status import NodeStatus
from pilot.nodes import specs
from tests.graph.graphs import codes, graph, issues, node, plan
from tests.graph.test_schedule import Case, cases, reference


def only_for(drawn: Plan, target: str) -> set[str]:
    """The nodes of which every way on leads through the target, by following all ways."""
    out: dict[str, list[str]] = {one.id: [] for one in drawn.nodes}
    for edge in drawn.edges:
        out[edge.source].append(edge.target)

    def ends(at: str) -> set[str]:
        """Where the ways from here come to an end, not going on from the target."""
        if at == target or not out[at]:
            return {at}
        return set().union(*(ends(to) for to in out[at]))

    return {one for one in out if one != target and ends(one) == {target}}


@st.composite
def racing(draw: st.DrawFn) -> Case:
    case = draw(cases())
    nodes = [
        replace(one, cancels=one.need is not None and draw(st.booleans()))
        for one in case.plan.nodes
    ]
    return replace(case, plan=replace(case.plan, nodes=nodes))


@given(racing())
@settings(max_examples=400, deadline=None)
def test_what_loses_is_what_runs_only_for_the_winner(case: Case) -> None:
    cancels = {one.id for one in case.plan.nodes if one.cancels}
    choose = random.Random(case.seed)
    schedule = Schedule(case.plan)
    running: list[str] = []
    lost: set[str] = set()
    left: set[str] = set()
    waiting: list[str] = []
    changes = schedule.begin()
    while True:
        waiting.extend(changes.ready)
        for one in changes.ready:
            if one in cancels and schedule.status(one) is NodeStatus.PENDING:
                skipped, under_way = schedule.decide_race(one)
                expected = only_for(case.plan, one)
                assert set(under_way) == expected & set(running)
                assert set(skipped) <= expected
                assert all(schedule.status(loser).is_final for loser in expected - set(under_way))
                waiting = [ready for ready in waiting if ready not in skipped]
                lost |= expected
                left |= set(under_way)
        while waiting and (not running or choose.random() < 0.7):
            one = waiting.pop(choose.randrange(len(waiting)))
            schedule.started(one)
            running.append(one)
        if not running:
            break
        one = running.pop(choose.randrange(len(running)))
        if one in left and choose.random() < 0.8:
            changes = schedule.completed(one, [], NodeStatus.CANCELLED, Reason.LOST_RACE)
        else:  # it was done before the cancellation came
            changes = schedule.completed(one, case.takes[one])
    assert schedule.finished
    runs = reference(case)
    for one in runs:
        assert schedule.status(one).is_final
        if one not in lost:
            assert (schedule.status(one) is NodeStatus.SUCCEEDED) is runs[one], one


def test_a_node_that_leads_elsewhere_goes_on() -> None:
    """s ─ a ─┐          b leads to x as well; c only to the merge by d
    s ─ b ─┼─ m ─ o
    s ─ c ─ d ┘    b ─ x
    """
    nodes = plan(list("sabcdmox"), "s>a", "s>b", "s>c", "c>d", "a>m", "b>m", "d>m", "m>o", "b>x",
                 needs={"m": 1})  # fmt: skip
    schedule = Schedule(nodes)
    schedule.begin()
    for one in "s":
        schedule.started(one)
        schedule.completed(one, ["default"])
    for one in "abc":
        schedule.started(one)
    assert schedule.completed("a", ["default"]).ready == ["m"]
    assert schedule.decide_race("m") == (["d"], ["c"])
    assert schedule.reason("d") is Reason.LOST_RACE
    schedule.started("m")
    assert schedule.completed("m", ["default"]).ready == ["o"]
    assert schedule.completed("c", [], NodeStatus.CANCELLED, Reason.LOST_RACE).ready == []
    assert schedule.completed("b", ["default"]).ready == ["x"]
    assert schedule.first_edge("m") == 4


# -- the nodes -------------------------------------------------------------------------------

S, O = node("s", "start"), node("o", "output")  # noqa: E741


def merge(**config: Any) -> dict[str, Any]:
    return node("m", "merge", config=config)


def switch(*expressions: str, **config: Any) -> dict[str, Any]:
    cases = [{"handle": f"c{i}", "expression": text} for i, text in enumerate(expressions)]
    return node("w", "switch", config={"cases": cases, **config})


def sets(id: str, **assignments: Any) -> dict[str, Any]:
    return node(id, config={"assignments": assignments})


FORK = ("s>a", "s>b", "a>m", "b>m", "m>o")


def merged(one: dict[str, Any]) -> PlanNode:
    nodes = [S, sets("a", v=1), sets("b", w=2), one, O]
    return next(one for one in compile_plan(graph(nodes, *FORK), specs()).nodes if one.id == "m")


@pytest.mark.parametrize(
    ("config", "need", "gathers", "cancels"),
    [
        ({}, None, "all", False),
        ({"mode": "any"}, 1, "all", False),
        ({"mode": "any", "output": "first", "cancel_losers": True}, 1, "first", True),
        ({"mode": "n_of", "n": 2, "output": "list"}, 2, "all", False),
    ],
)
def test_a_merge_says_how_it_joins(
    config: dict[str, Any], need: int | None, gathers: str, cancels: bool
) -> None:
    found = merged(merge(**config))
    assert (found.need, found.gathers, found.cancels) == (need, gathers, cancels)
    assert found.references.input


@pytest.mark.parametrize(
    ("one", "code", "field"),
    [
        (merge(mode="n_of"), "invalid_merge", "config.n"),
        (merge(n=2), "invalid_merge", "config.n"),
        (merge(mode="n_of", n=3), "invalid_join", "config.n"),
        (merge(cancel_losers=True), "invalid_merge", "config.cancel_losers"),
        (merge() | {"join": "any"}, "invalid_join", "join"),
    ],
)
def test_what_a_merge_may_not_be(one: dict[str, Any], code: str, field: str) -> None:
    [issue] = issues([S, sets("a", v=1), sets("b", w=2), one, O], *FORK)
    assert (issue.code, issue.node_id, issue.field) == (code, "m", field)


def test_a_merge_has_edges_and_races_are_bounded() -> None:
    body = {"nodes": [node("m", "merge")], "edges": []}
    [issue] = issues([S, node("each", "map", config={"body": body}), O], "s>each", "each>o")
    assert (issue.code, issue.node_id) == ("nothing_to_merge", "m")
    many = [
        node(f"m{i}", "merge", config={"mode": "any", "cancel_losers": True}) for i in range(201)
    ]
    row = ["s", *[one["id"] for one in many], "o"]
    [issue] = issues([S, *many, O], *[f"{a}>{b}" for a, b in pairwise(row)])
    assert (issue.code, issue.node_id) == ("too_many_races", "m200")


def test_a_branch_that_a_merge_did_not_wait_for_is_guarded() -> None:
    nodes = [S, sets("a", v=1), sets("b", w=2), merge(mode="any"),
             node("o", "output", config={"value": "{nodes.a.output}"})]  # fmt: skip
    assert "may_be_skipped" in codes(nodes, *FORK)
    nodes[3] = merge(mode="n_of", n=2)
    assert codes(nodes, *FORK) == set()
    nodes[3] = merge()
    assert issues(nodes, *FORK) == []


def test_a_merge_that_needs_all_makes_sure_of_those_that_may_be_skipped() -> None:
    nodes = [S, node("c", "condition"), sets("a", v=1), sets("b", w=2), merge(mode="n_of", n=2),
             node("o", "output", config={"value": "{nodes.b.output} {vars.w}"})]  # fmt: skip
    edges = ("s>c", "s>a", "c:true>b", "a>m", "b>m", "m>o")
    assert codes(nodes, *edges) == {"missing_branch"}
    nodes[4] = merge(mode="all")
    assert "may_be_skipped" in codes(nodes, *edges)


def test_a_switch_has_its_cases_as_handles() -> None:
    nodes = [S, switch("input > 1", "input > 2"), O]
    assert issues(nodes, "s>w", "w:c0>o", "w:c1>o", "w:else>o") == []
    assert codes(nodes, "s>w", "w:c0>o", "w:c2>o") == {"unknown_handle", "missing_branch"}
    assert codes([S, switch(), O], "s>w", "w:else>o") == {"invalid_switch"}
    same = switch("true") | {"config": {"cases": [{"handle": "else", "expression": "true"}]}}
    assert "invalid_handle" in codes([S, same, O], "s>w", "w:else>o")


@pytest.mark.parametrize(("mode", "races"), [("first", False), ("all", True)])
def test_branches_of_a_switch_may_run_side_by_side(mode: str, races: bool) -> None:
    nodes = [S, switch("true", "true", mode=mode), sets("a", v=1), sets("b", v=2), O]
    found = codes(nodes, "s>w", "w:c0>a", "w:c1>b", "w:else>o", "a>o", "b>o")
    assert found == ({"variable_race"} if races else set())


def test_a_graph_says_how_many_of_its_nodes_run_at_once() -> None:
    drawn = graph([S, O], "s>o", max_parallel=3)
    assert compile_plan(drawn, specs()).max_parallel == 3
    assert drawn.to_json()["max_parallel"] == 3
    assert compile_plan(graph([S, O], "s>o"), specs()).max_parallel is None
