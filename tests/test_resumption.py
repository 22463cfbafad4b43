"""Which nodes a retry runs again: on graphs of all shapes, a kept node has nothing new above it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.errors import RefusedError
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.status import NodeStatus
from pilot.nodes import specs
from pilot.resumption import Mode, Resumption, decide, outside, pins_of
from pilot.store import NodeRun
from tests.graph.graphs import graph, node
from workflows_def.messages import Recorded

S, F, C, K = NodeStatus.SUCCEEDED, NodeStatus.FAILED, NodeStatus.CANCELLED, NodeStatus.SKIPPED


def chain() -> Graph:
    middle = [node(name, "code", config={"source": "1"}) for name in "abc"]
    return graph([node("s", "start"), *middle, node("o", "output")], "s>a", "a>b", "b>c", "c>o")


def runs(**states: NodeStatus) -> list[NodeRun]:
    return [NodeRun(name, "code", status) for name, status in states.items()]


def decided(before: Graph, after: Graph, states: list[NodeRun], begin: list[str] | None = None):
    return decide(before, after, compile_plan(after, specs()), states, begin)


def test_by_default_what_failed_is_run_again() -> None:
    found = decided(chain(), chain(), runs(s=S, a=S, b=F, c=K, o=K))
    assert (found.reuse, found.rerun, found.partial) == (["s", "a"], ["b"], [])


def test_from_a_node_all_below_is_run_again() -> None:
    found = decided(chain(), chain(), runs(s=S, a=S, b=S, c=S, o=S), ["b"])
    assert (found.reuse, found.rerun) == (["s", "a"], ["b", "c", "o"])


def test_what_changed_is_run_again_and_all_below() -> None:
    after = chain()
    after.nodes[1].config["source"] = "2"
    found = decided(chain(), after, runs(s=S, a=S, b=S, c=F, o=K))
    assert (found.reuse, found.rerun) == (["s"], ["a", "b", "c"])


def test_a_failure_that_was_taken_up_is_kept() -> None:
    one = chain()
    one.nodes[1].on_error = "continue"
    found = decided(one, one, runs(s=S, a=F, b=C, c=K, o=K))
    assert (found.reuse, found.rerun) == (["s", "a"], ["b"])


@pytest.mark.parametrize(
    ("states", "begin", "code"),
    [
        (runs(s=S, a=S, b=S, c=S, o=S), None, "nothing_to_retry"),
        (runs(s=S, a=F, b=K), ["b"], "not_run"),
        (runs(s=S, a=F), ["x"], "unknown_node"),
    ],
)
def test_where_none_can_begin(states: list[NodeRun], begin: list[str] | None, code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decided(chain(), chain(), states, begin)
    assert refused.value.code == code


@given(st.data())
def test_a_kept_node_has_only_kept_nodes_above_it(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 8))
    names = [f"n{i}" for i in range(count)]
    edges = [
        f"{names[i]}>{names[j]}"
        for j in range(1, count)
        for i in range(j)
        if data.draw(st.booleans()) or i == j - 1
    ]
    nodes = [node("s", "start"), *(node(one, "code", config={"source": "1"}) for one in names)]
    drawn = graph(nodes, "s>n0", *edges)
    states = runs(s=S, **dict.fromkeys(names, S))
    begin = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    found = decided(drawn, drawn, states, begin)
    assert not set(begin) & set(found.reuse)
    for edge in drawn.edges:
        assert edge.target not in found.reuse or edge.source in found.reuse
    assert sorted([*found.reuse, *found.rerun]) == sorted(["s", *names])


def test_what_reaches_outside() -> None:
    one = graph(
        [node("s", "start"), node("h", "http", config={"url": "http://x"}), node("o", "output")],
        "s>h",
        "h>o",
    )
    assert outside(compile_plan(one, specs()), specs()) == ["h"]


def test_a_row_keeps_it_whole() -> None:
    one = Resumption(["a"], ["m"], {"b": Recorded(1, {"pinned": True}, {"v": 2}, ["true"])})
    row = type("Row", (), {"resume": one.to_json()})()
    assert Resumption.of(row) == one
    assert Mode("run") is Mode.RUN


def test_pins() -> None:
    one = graph([node("s", "start", pinned={"output": [1], "handles": ["default"]})])
    assert pins_of(one) == {"s": Recorded([1], {"pinned": True}, {}, ["default"])}
