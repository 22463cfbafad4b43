"""The schedule against a brute-force reference, over random graphs and random choices."""

from __future__ import annotations

import gc
import random
import time
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.graph.plan import Plan, PlanEdge, PlanNode
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.status import NodeStatus
from tests.graph.graphs import POLICY, plan


@dataclass(frozen=True)
class Case:
    """A random plan, the handle that each node takes, and the order in which nodes end."""

    plan: Plan
    takes: dict[str, tuple[str, ...]]
    seed: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 12))
    ids = [f"n{index}" for index in range(size)]
    handles = ("default", "true", "false")
    edges = []
    for target in range(1, size):
        # every node hangs on at least one earlier one, so the graph has a single root
        for source in draw(
            st.sets(st.integers(0, target - 1), min_size=1, max_size=min(target, 4))
        ):
            taken = draw(st.sets(st.sampled_from(handles), min_size=1, max_size=2))
            edges.extend(PlanEdge(ids[source], ids[target], handle) for handle in taken)
    draw(st.randoms(use_true_random=False)).shuffle(edges)
    needs = [draw(st.one_of(st.none(), st.integers(1, 3))) for _ in ids]
    takes = {id: tuple(draw(st.sets(st.sampled_from(handles), max_size=3))) for id in ids}
    nodes = [
        PlanNode(id=id, type="t", name=id, config={}, policy=0, need=need)
        for id, need in zip(ids, needs, strict=True)
    ]
    return Case(Plan(nodes, edges, [POLICY]), takes, draw(st.integers(0, 2**32)))


def drive(case: Case) -> tuple[Schedule, list[str], list[str]]:
    """Runs the plan to its end: the schedule, the starts in order, the skips in order."""
    choose = random.Random(case.seed)
    schedule = Schedule(case.plan)
    starts: list[str] = []
    skips: list[str] = []
    changes = schedule.begin()
    waiting: list[str] = []
    running: list[str] = []
    while True:
        waiting.extend(changes.ready)
        skips.extend(node for node, _ in changes.skipped)
        while waiting and (not running or choose.random() < 0.7):
            node = waiting.pop(choose.randrange(len(waiting)))
            schedule.started(node)
            starts.append(node)
            running.append(node)
        if not running:
            return schedule, starts, skips
        node = running.pop(choose.randrange(len(running)))
        changes = schedule.completed(node, case.takes[node])


def reference(case: Case) -> dict[str, bool]:
    """Which nodes run, by going through the definition until nothing changes."""
    runs: dict[str, bool] = {}
    needs = {node.id: node.need for node in case.plan.nodes}
    while len(runs) < len(needs):
        for node, need in needs.items():
            edges = [edge for edge in case.plan.edges if edge.target == node]
            if node in runs or any(edge.source not in runs for edge in edges):
                continue
            taken = sum(
                runs[edge.source] and edge.handle in case.takes[edge.source] for edge in edges
            )
            runs[node] = not edges or taken >= (need or 1)
    return runs


@given(cases())
@settings(max_examples=400, deadline=None)
def test_runs_what_the_definition_says(case: Case) -> None:
    schedule, starts, skips = drive(case)
    expected = reference(case)
    assert schedule.finished
    assert sorted(starts) == sorted(node for node, runs in expected.items() if runs)
    assert sorted(skips) == sorted(node for node, runs in expected.items() if not runs)
    assert len(set(starts)) == len(starts), "a node ran twice"
    for node in expected:
        status = schedule.status(node)
        assert status is (NodeStatus.SUCCEEDED if expected[node] else NodeStatus.SKIPPED)
        assert (schedule.reason(node) is not None) is (status is NodeStatus.SKIPPED)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_nothing_runs_before_its_inputs(case: Case) -> None:
    """With join all, every in-edge's source has ended before the node starts."""
    needs = {node.id: node.need for node in case.plan.nodes}
    choose = random.Random(case.seed)
    schedule = Schedule(case.plan)
    pending = list(schedule.begin().ready)
    while pending:
        node = pending.pop(choose.randrange(len(pending)))
        sources = {edge.source for edge in case.plan.edges if edge.target == node}
        ended = {source for source in sources if schedule.status(source).is_final}
        if needs[node] is None:
            assert ended == sources
        else:
            assert len(schedule.taken_edges(node)) >= needs[node] or not sources
        schedule.started(node)
        pending.extend(schedule.completed(node, case.takes[node]).ready)


@given(cases(), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_a_stop_ends_every_node(case: Case, after: int) -> None:
    schedule = Schedule(case.plan)
    ready = list(schedule.begin().ready)
    for _ in range(after):
        if not ready:
            break
        node = ready.pop(0)
        schedule.started(node)
        ready.extend(schedule.completed(node, case.takes[node]).ready)
    running = ready[:1]
    for node in running:
        schedule.started(node)
    open_nodes = {
        node.id for node in case.plan.nodes if not schedule.status(node.id).is_final
    } - set(running)
    stopped = schedule.stop(Reason.EXECUTION_CANCELLED)
    assert set(stopped) == open_nodes
    for node in running:
        schedule.ended(node, NodeStatus.CANCELLED, Reason.EXECUTION_CANCELLED)
    assert schedule.finished


def test_a_diamond_with_an_untaken_branch_joins_once() -> None:
    schedule = Schedule(plan(["s", "a", "b", "j"], "s:true>a", "s:false>b", "a>j", "b>j"))
    assert schedule.begin().ready == ["s"]
    schedule.started("s")
    changes = schedule.completed("s", ["true"])
    assert changes.ready == ["a"]
    assert changes.skipped == [("b", Reason.BRANCH_NOT_TAKEN)]
    schedule.started("a")
    assert schedule.completed("a", ["default"]).ready == ["j"]


def test_skips_propagate_past_many_nodes() -> None:
    ids = ["s", *[f"n{index}" for index in range(50_000)]]
    schedule = Schedule(
        plan(ids, "s:true>n0", *[f"n{index}>n{index + 1}" for index in range(49_999)])
    )
    schedule.begin()
    schedule.started("s")
    assert len(schedule.completed("s", ["false"]).skipped) == 50_000


def test_any_runs_with_the_first_and_never_again() -> None:
    schedule = Schedule(plan(["s", "a", "b", "j"], "s>a", "s>b", "a>j", "b>j", needs={"j": 1}))
    schedule.begin()
    schedule.started("s")
    assert schedule.completed("s", ["default"]).ready == ["a", "b"]
    schedule.started("a")
    schedule.started("b")
    assert schedule.completed("b", ["default"]).ready == ["j"]
    assert schedule.completed("a", ["default"]).ready == []


def test_n_of_is_skipped_once_it_cannot_be_met() -> None:
    schedule = Schedule(plan(["s", "a", "b", "j"], "s>a", "s>b", "a:x>j", "b:x>j", needs={"j": 2}))
    schedule.begin()
    schedule.started("s")
    schedule.completed("s", ["default"])
    schedule.started("a")
    schedule.started("b")
    assert schedule.completed("a", ["x"]).ready == []
    assert schedule.completed("b", ["other"]).skipped == [("j", Reason.JOIN_NOT_MET)]


def test_a_node_cannot_start_before_it_is_ready() -> None:
    schedule = Schedule(plan(["s", "a"], "s>a"))
    schedule.begin()
    with pytest.raises(AssertionError):
        schedule.started("a")


def _whole_run(size: int) -> float:
    ids = [f"n{index}" for index in range(size)]
    edges = [f"n{index}>n{index + 1}" for index in range(size - 1)]
    edges += [f"n{index}>n{index + 2}" for index in range(size - 2)]
    ready_plan = plan(ids, *edges)
    # a collection's cost is that of the whole process's heap, not of this run
    gc.disable()
    try:
        begin = time.process_time()
        schedule = Schedule(ready_plan)
        ready = schedule.begin().ready
        while ready:
            node = ready.pop()
            schedule.started(node)
            ready.extend(schedule.completed(node, ["default"]).ready)
        assert schedule.finished
        return time.process_time() - begin
    finally:
        gc.enable()


def test_a_whole_run_decides_once_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    decide, decided = Schedule._decide, 0

    def counted(self: Schedule, *arguments: Any) -> Any:
        nonlocal decided
        decided += 1
        return decide(self, *arguments)

    monkeypatch.setattr(Schedule, "_decide", counted)
    _whole_run(1_000)
    assert decided == 999 + 998


def test_a_whole_run_is_linear_in_the_graph() -> None:
    """Ten times the nodes cost about ten times as much; quadratic would be a hundred."""
    small = min(_whole_run(3_000) for _ in range(3))
    large = min(_whole_run(30_000) for _ in range(3))
    assert large / small < 30
