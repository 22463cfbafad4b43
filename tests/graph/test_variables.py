"""Environments: an assignment that came later replaces, the edges' order decides a tie."""

from __future__ import annotations

from dataclasses import replace

from pilot.graph.plan import Plan
from pilot.graph.schedule import Schedule
from pilot.graph.variables import Environment, Environments
from tests.graph.graphs import plan


def run(plan_: Plan, order: list[str]) -> dict[str, Environment]:
    """Runs the nodes in this order; the environment that each started with."""
    schedule, environments = Schedule(plan_), Environments(plan_)
    schedule.begin()
    seen = {}
    for node in order:
        seen[node] = environments.enter(node, schedule.taken_edges(node))
        schedule.started(node)
        schedule.completed(node, ["default"])
        environments.leave(node, schedule.edges_from(node), assigned=True)
    return seen


def setting(plan_: Plan, **sets: list[str]) -> Plan:
    return replace(plan_, nodes=[replace(node, sets=sets.get(node.id, [])) for node in plan_.nodes])


DIAMOND = plan(["s", "a", "b", "j"], "s>a", "s>b", "a>j", "b>j")


def test_the_nearest_assignment_counts() -> None:
    chain = setting(plan(["s", "a", "b", "c"], "s>a", "a>b", "b>c"), s=["x"], a=["x", "y"])
    assert run(chain, ["s", "a", "b", "c"])["c"] == {"x": "a", "y": "a"}


def test_an_inherited_value_never_beats_a_newer_one() -> None:
    both = setting(DIAMOND, s=["x"], a=["x"])
    assert run(both, ["s", "a", "b", "j"])["j"] == {"x": "a"}
    swapped = setting(plan(["s", "a", "b", "j"], "s>a", "s>b", "b>j", "a>j"), s=["x"], a=["x"])
    assert run(swapped, ["s", "b", "a", "j"])["j"] == {"x": "a"}


def test_the_order_of_edges_decides_between_parallel_branches_never_time() -> None:
    race = setting(DIAMOND, a=["x"], b=["x"])
    assert run(race, ["s", "a", "b", "j"])["j"] == {"x": "b"}
    assert run(race, ["s", "b", "a", "j"])["j"] == {"x": "b"}


def test_a_sibling_does_not_see_what_the_other_branch_sets() -> None:
    assert run(setting(DIAMOND, a=["x"]), ["s", "a", "b", "j"])["b"] == {}


def test_ten_thousand_assignments_stay_cheap() -> None:
    ids = [f"n{index}" for index in range(10_000)]
    chain = plan(ids, *[f"n{index}>n{index + 1}" for index in range(9_999)])
    sets = {id: [f"v{index % 200}"] for index, id in enumerate(ids)}
    seen = run(setting(chain, **sets), ids)
    assert len(seen["n9999"]) == 200
