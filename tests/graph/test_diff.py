"""The difference of two graphs: exact by properties, and told as people would."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pilot.graph.diff import MISSING, Change, GraphDiff, apply, diff
from pilot.graph.model import SubGraph
from pilot.store.json_text import content_hash

names = st.text("ab/~0", max_size=3)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(-2, 2).filter(lambda number: number in (0.0, 1.0, -1.5))
    | names
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
ids = st.sampled_from("abcd")
edges = st.fixed_dictionaries(
    {"source": ids, "target": ids},
    optional={"source_handle": st.none() | st.sampled_from(["true", "false"]), "label": values},
)
bodies = st.deferred(
    lambda: st.fixed_dictionaries(
        {"nodes": st.lists(nodes, max_size=2), "edges": st.lists(edges, max_size=2)},
        optional={"viewport": values},
    )
)
odd_bodies = st.sampled_from(
    [None, {}, {"nodes": [], "edges": None}, {"nodes": [{}], "edges": []}]
) | st.just({"nodes": [], "edges": [{"source": "a", "target": "b", "source_handle": []}]})
configs = st.builds(
    lambda config, body: config if body is MISSING else {**config, "body": body},
    st.dictionaries(names, values, max_size=3),
    st.just(MISSING) | odd_bodies | bodies,
)
nodes = st.fixed_dictionaries(
    {"id": ids, "type": st.sampled_from(["llm", "map"])},
    optional={
        "config": configs,
        "position": st.fixed_dictionaries({"x": st.integers(0, 3), "y": st.integers(0, 3)}),
        "retry": st.none() | st.fixed_dictionaries({"max_attempts": st.integers(1, 3)}),
        "on_cancel": st.booleans(),
        "data": values,
    },
)
graphs = st.fixed_dictionaries(
    {"nodes": st.lists(nodes, max_size=6), "edges": st.lists(edges, max_size=6)},
    optional={"timeout_s": st.integers(1, 3), "other": values},
)


@given(graphs, graphs)
def test_applied_to_the_first_it_gives_the_second(old: Any, new: Any) -> None:
    before = deepcopy(old)
    made = apply(diff(old, new), old)
    assert content_hash(made) == content_hash(new)
    assert old == before


@given(graphs, graphs)
def test_it_is_empty_exactly_where_the_content_is_the_same(old: Any, new: Any) -> None:
    assert diff(old, deepcopy(old)) == GraphDiff()
    assert diff(old, new).is_empty == (content_hash(old) == content_hash(new))


@given(graphs, st.permutations(range(6)), st.lists(st.integers(0, 9), max_size=6), values)
def test_what_the_canvas_alone_sees_is_cosmetic(
    old: Any, order: list[int], moved: list[int], data: Any
) -> None:
    new = deepcopy(old)
    for node, x in zip(new["nodes"], moved, strict=False):
        node["position"] = {"x": x, "y": -x}
        node["data"] = data
    for edge in new["edges"]:
        edge["animated"] = data
    unique = {node["id"]: node for node in new["nodes"]}
    if len(unique) == len(new["nodes"]):
        new["nodes"] = [new["nodes"][place] for place in order if place < len(new["nodes"])]
    found = diff(old, new)
    assert found.is_cosmetic
    assert content_hash(apply(found, old)) == content_hash(new)


@given(graphs, graphs)
def test_what_is_cosmetic_makes_no_other_graph_for_a_run(old: Any, new: Any) -> None:
    def seen(graph: Any) -> Any:
        known = SubGraph.model_validate(graph)
        shown = []
        for node in sorted(known.nodes, key=lambda node: node.id):
            dumped = node.model_dump(exclude={"position", *(node.model_extra or {})})
            body = node.config.get("body")
            with suppress(ValidationError):
                dumped["config"]["body"] = seen(SubGraph.model_validate(body) and body)
            shown.append(dumped)
        leads = [(edge.source, edge.source_handle, edge.target) for edge in known.edges]
        return [shown, leads]

    def settings(graph: Any) -> Any:
        return {name: value for name, value in graph.items() if name not in ("nodes", "edges")}

    if diff(old, new).is_cosmetic:
        assert content_hash(seen(old)) == content_hash(seen(new))
        assert content_hash(settings(old)) == content_hash(settings(new))


OLD = {
    "nodes": [
        {"id": "start", "type": "start", "position": {"x": 0, "y": 0}, "config": {}},
        {"id": "ask", "type": "llm", "config": {"model": "a", "stop": ["x"]}, "retry": None},
        {"id": "end", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "ask"}, {"source": "ask", "target": "end"}],
    "timeout_s": 60,
}


def test_a_change_is_told_at_its_place() -> None:
    new = deepcopy(OLD)
    new["nodes"][0]["position"]["x"] = 20
    new["nodes"][1] = {
        "id": "ask",
        "type": "llm",
        "config": {"model": "b", "stop": ["x", "y"], "a/b~c": 1},
        "retry": {"max_attempts": 2},
    }
    new["nodes"][2] = {"id": "last", "type": "output"}
    new["edges"][1] = {"source": "ask", "target": "last"}
    new["timeout_s"] = 90
    found = diff(OLD, new)
    [start, ask] = found.nodes.changed
    assert (start.changes, start.cosmetic) == ((), (Change("/position/x", 0, 20),))
    assert ask.cosmetic == ()
    assert ask.changes == (
        Change("/config/model", "a", "b"),
        Change("/config/stop/1", MISSING, "y"),
        Change("/config/a~1b~0c", MISSING, 1),
        Change("/retry", None, {"max_attempts": 2}),
    )
    assert [one.value["id"] for one in found.nodes.added] == ["last"]
    assert [one.value["id"] for one in found.nodes.removed] == ["end"]
    assert [one.value["target"] for one in found.edges.added] == ["last"]
    assert [one.value["target"] for one in found.edges.removed] == ["end"]
    assert found.settings == (Change("/timeout_s", 60, 90),)
    assert not found.is_cosmetic


@pytest.mark.parametrize(
    ("field", "default", "other"),
    [("retry", None, {}), ("config", {}, {"x": 1}), ("on_cancel", False, True)],
)
def test_a_default_said_aloud_changes_nothing_for_a_run(
    field: str, default: Any, other: Any
) -> None:
    new = deepcopy(OLD)
    new["nodes"][2][field] = default
    for one, two in ((OLD, new), (new, OLD)):
        assert diff(one, two).is_cosmetic
        assert not diff(one, two).is_empty
    new["nodes"][2][field] = other
    assert not diff(OLD, new).is_cosmetic


def test_the_order_of_edges_counts_and_that_of_nodes_does_not() -> None:
    new = {**OLD, "nodes": OLD["nodes"][::-1]}
    assert diff(OLD, new).nodes.order == (2, 1, 0)
    assert diff(OLD, new).is_cosmetic
    new = {**OLD, "edges": OLD["edges"][::-1]}
    assert diff(OLD, new).edges.order == (1, 0)
    assert not diff(OLD, new).is_cosmetic


def test_another_handle_is_another_edge() -> None:
    new = deepcopy(OLD)
    new["edges"][1]["source_handle"] = "error"
    found = diff(OLD, new)
    assert (len(found.edges.added), len(found.edges.removed)) == (1, 1)
    assert not found.is_cosmetic


def test_values_that_nest_deeply_are_compared() -> None:
    def nested(leaf: Any) -> Any:
        for _ in range(900):
            leaf = [leaf]
        return leaf

    old, new = ({"nodes": [], "edges": [], "x": nested(leaf)} for leaf in (1, 2))
    assert diff(old, new).settings == (Change("/x" + "/0" * 900, 1, 2),)


def test_the_graph_inside_a_node_is_compared_as_a_graph() -> None:
    body = {
        "nodes": [
            {"id": "first", "type": "code", "config": {"source": "1"}},
            {"id": "last", "type": "code", "config": {"source": "2"}},
        ],
        "edges": [{"source": "first", "target": "last"}],
    }
    old = {"nodes": [{"id": "each", "type": "map", "config": {"body": body}}], "edges": []}
    new = deepcopy(old)
    inside = new["nodes"][0]["config"]["body"]
    inside["nodes"].insert(0, {"id": "zeroth", "type": "code"})
    inside["nodes"][2]["config"]["source"] = "3"
    found = diff(old, new)
    [each] = found.nodes.changed
    assert (each.changes, each.cosmetic) == ((), ())
    assert each.body is not None
    assert [one.value["id"] for one in each.body.nodes.added] == ["zeroth"]
    assert [one.changes for one in each.body.nodes.changed] == [
        (Change("/config/source", "2", "3"),)
    ]
    assert not found.is_cosmetic
    assert apply(found, old) == new
    moved = deepcopy(old)
    moved["nodes"][0]["config"]["body"]["nodes"][0]["position"] = {"x": 1, "y": 2}
    moved["nodes"][0]["config"]["body"]["viewport"] = {"zoom": 2}
    assert diff(old, moved).is_cosmetic
    assert not diff(old, moved).is_empty


def test_what_is_no_graph_is_compared_as_a_value() -> None:
    old = {"nodes": [{"id": "call", "type": "http", "config": {"body": {"nodes": [1]}}}]}
    new = {"nodes": [{"id": "call", "type": "http", "config": {"body": {"nodes": [2]}}}]}
    [call] = diff(old, new).nodes.changed
    assert (call.changes, call.body) == ((Change("/config/body/nodes/0", 1, 2),), None)
