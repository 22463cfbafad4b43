"""A stretch gives each node exactly the scope that the run itself would give it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.graph.compile import compile_plan
from pilot.graph.plan import Plan, References
from pilot.graph.schedule import Schedule
from pilot.graph.spec import DEFAULT_HANDLE
from pilot.graph.stretch import MAX_NODES, Walk, Ways
from pilot.graph.task import NodeResult, Scope
from pilot.nodes import specs
from tests.graph.graphs import graph, node, with_activities
from workflows_def.messages import RunInput
from workflows_def.pace import Pace
from workflows_def.records import Records
from workflows_def.stretches import Begun, Stretches

HANDLES = ("true", "false")


def usable(_node_id: str) -> bool:
    return True


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Pure nodes of all kinds, joined at random, that refer to whatever lies before them."""
    count = draw(st.integers(2, 12))
    nodes, edges = [node("s", "start")], []
    for index in range(count):
        kind = draw(st.sampled_from(["variable", "condition", "merge", "output", "code"]))
        id = f"n{index}"
        above = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=3, unique_by=id_of))
        config: dict[str, Any] | None = None
        if kind == "variable":
            config = {"assignments": {draw(st.sampled_from("xy")): "{input}"}}
        elif kind == "condition":
            config = {"expression": "true"}
        elif kind == "merge":
            config = draw(st.sampled_from([{"output": "map"}, {"mode": "any", "output": "first"}]))
        nodes.append(node(id, kind, config=config) if config else node(id, kind))
        for one in (nodes[0] if one["type"] == "output" else one for one in above):
            handle = draw(st.sampled_from(HANDLES)) if one["type"] == "condition" else ""
            edges.append(f"{one['id']}:{handle}>{id}" if handle else f"{one['id']}>{id}")
    nodes.append(node("end", "output"))
    edges.append("s>end")
    drawn = graph(nodes, *dict.fromkeys(edges))
    plan = compile_plan(drawn, specs()) if draw(st.booleans()) else with_activities(drawn)
    schedule = Schedule(plan)
    ids = [one.id for one in plan.nodes]
    wanted = draw(
        st.lists(
            st.tuples(
                st.booleans(),
                st.lists(st.sampled_from(ids), max_size=2, unique=True),
                st.lists(st.sampled_from("xy"), max_size=2, unique=True),
            ),
            min_size=len(ids),
            max_size=len(ids),
        )
    )
    return replace(
        plan,
        nodes=[
            replace(
                one,
                references=References(
                    input=asks,
                    nodes={
                        id: ["output", "meta"] for id in found if id in schedule.upstream(one.id)
                    },
                    vars=names,
                ),
            )
            for one, (asks, found, names) in zip(plan.nodes, wanted, strict=True)
        ],
    )


def id_of(one: dict[str, Any]) -> str:
    return str(one["id"])


def result_of(plan: Plan, node_id: str, scope: Scope) -> NodeResult:
    """What the node makes of its scope: something else for each scope, by its whole text."""
    one = next(node for node in plan.nodes if node.id == node_id)
    text = f"{node_id}({scope.input}, {scope.nodes}, {scope.vars})"[:200]
    handles = [HANDLES[len(text) % 2]] if one.type == "condition" else None
    sets = dict.fromkeys(one.sets, text)
    return NodeResult(None if one.passes_input else text, {"of": node_id}, handles, sets)


class Run:
    """A run without Temporal: one node at a time, in the order in which they become ready."""

    def __init__(self, plan: Plan) -> None:
        run = RunInput("e", "w", "n", 1, "u", plan, {"message": "Hi"})
        self.plan = plan
        self.schedule = Schedule(plan)
        self.records = Records(run, self.schedule)
        self.stretches = Stretches(run, self.records, Pace.__new__(Pace), "", quiet=False)
        self.ready = self.schedule.begin().ready
        self.scopes: dict[str, Scope] = {}

    def start(self, node_id: str) -> None:
        self.ready.remove(node_id)
        self.schedule.started(node_id)

    def enter(self, node_id: str) -> tuple[Any, Scope]:
        one = next(node for node in self.plan.nodes if node.id == node_id)
        self.start(node_id)
        return self.records.enter(one)

    def end(self, node_id: str, value: Any, result: NodeResult) -> None:
        one = next(node for node in self.plan.nodes if node.id == node_id)
        record = self.records[node_id]
        record.ran, record.meta, record.vars = True, result.meta, result.vars
        record.output = value if one.passes_input else result.output
        changes = self.schedule.completed(node_id, result.handles or [DEFAULT_HANDLE])
        self.records.leave(one)
        self.ready += changes.ready

    def step(self) -> None:
        node_id = self.ready[0]
        value, self.scopes[node_id] = self.enter(node_id)
        self.end(node_id, value, result_of(self.plan, node_id, self.scopes[node_id]))

    def walk(self, begun: Begun, fails: set[str]) -> dict[str, Scope]:
        """The scopes with which a stretch runs its nodes."""
        walk = Walk(begun.stretch)
        found = {}
        for one in walk.nodes:
            scope = walk.enter(one)
            if scope is not None:
                found[one.id] = scope
                if one.id not in fails:
                    walk.succeeded(one, result_of(self.plan, one.id, scope))
        return found


@settings(max_examples=300, deadline=None)
@given(plans(), st.integers(0, 6), st.sets(st.integers(0, 11), max_size=2))
def test_a_stretch_gives_the_scopes_that_the_run_would(
    plan: Plan, before: int, failing: set[int]
) -> None:
    run = Run(plan)
    for _ in range(before):
        if run.ready:
            run.step()
    pure = [one for one in run.ready if next(n for n in plan.nodes if n.id == one).pure]
    begun = run.stretches.begin(pure, usable) if pure else None
    if begun is None:
        return
    fails = {f"n{index}" for index in failing}
    walked = run.walk(begun, fails)
    assert set(begun.entered) <= set(walked)
    # the run, in the order of the stretch, takes what it gave: each was ready in its turn
    for node_id, scope in walked.items():
        if node_id in fails:
            continue
        assert run.schedule.is_ready(node_id)
        if node_id in begun.entered:  # as it was then: one that starts early may have more by now
            run.start(node_id)
            value, mine = begun.entered[node_id]
        else:
            value, mine = run.enter(node_id)
        assert mine == scope
        run.end(node_id, value, result_of(plan, node_id, scope))


def test_a_chain_is_one_stretch_up_to_the_most() -> None:
    ids = [f"n{index}" for index in range(2 * MAX_NODES)]
    plan = compile_plan(
        graph(
            [node("s", "start"), *map(node, ids), node("o", "output")],
            *[f"{a}>{b}" for a, b in itertools.pairwise(["s", *ids, "o"])],
        ),
        specs(),
    )
    assert Ways(plan).below(["s"], usable) == ids[: MAX_NODES - 1]


def test_a_stretch_ends_where_others_are_needed() -> None:
    """At a node that is no pure one, below it, at joins with what runs elsewhere, and at joins
    that do not wait for all."""
    plan = compile_plan(
        graph(
            [node("s", "start"), node("a"), node("b"), node("k", "code"), node("j"),
             node("either", join="any"), node("x"), node("o", "output")],
            "s>a", "a>b", "a>k", "b>j", "k>j", "a>either", "b>either", "b>x", "j>o", "either>o",
        ),
        specs(),
    )  # fmt: skip
    assert Ways(plan).below(["s"], usable) == ["a", "b", "x"]
    assert Ways(plan).below(["s"], lambda id: id != "b") == ["a"]


def test_two_assignments_at_a_join_are_the_workflows_to_decide() -> None:
    """One that is referred to ends the stretch where they meet."""
    plan = with_activities(
        graph(
            [node("s", "start"), node("a"), node("b"),
             node("j", config={"assignments": {"w": "{vars.v}"}}), node("o", "output")],
            "s>a", "s>b", "a>j", "b>j", "j>o",
        )
    )  # fmt: skip
    run = Run(plan)
    begun = run.stretches.begin(run.ready, usable)
    assert begun is not None
    assert [one.id for one in begun.stretch.nodes] == ["s", "a", "b", "j", "o"]
    assert list(run.walk(begun, set())) == ["s", "a", "b"]
