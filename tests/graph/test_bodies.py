"""The bodies of loops and maps: what is in scope in them, what goes with their plan, and that each
issue is told where it is."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.graph.compile import compile_plan
from pilot.graph.issues import Issue, errors
from pilot.graph.model import Graph
from pilot.graph.plan import Plan, PlanNode, References
from pilot.graph.validate import validate
from pilot.nodes import specs
from pilot.temporal import data_converter
from tests.graph.graphs import edge, graph, issues, node

S, O = node("s", "start"), node("o", "output")  # noqa: E741


def body(nodes: list[dict[str, Any]], *edges: str) -> dict[str, Any]:
    return {"nodes": nodes, "edges": [edge(text) for text in edges]}


def each(nodes: list[dict[str, Any]], *edges: str, id: str = "each", **config: Any) -> Any:
    return node(id, "map", config={"body": body(nodes, *edges), **config})


def again(nodes: list[dict[str, Any]], *edges: str, id: str = "again", **config: Any) -> Any:
    config = {"condition": "index < 3", "body": body(nodes, *edges), **config}
    return node(id, "loop", config=config)


def says(id: str, text: Any) -> dict[str, Any]:
    return node(id, "output", config={"value": text})


def sets(id: str, **assignments: Any) -> dict[str, Any]:
    return node(id, config={"assignments": assignments})


def code(id: str, source: str) -> dict[str, Any]:
    return node(id, "code", config={"source": source})


def _row(ids: list[str]) -> list[str]:
    return [f"{one}>{other}" for one, other in pairwise(ids)]


def around(*nodes: dict[str, Any]) -> list[Issue]:
    """The issues of start, the nodes in a row, and output."""
    row = [S, *nodes, O]
    ids = [one["id"] for one in row]
    return issues(row, *_row(ids))


def plan_of(*nodes: dict[str, Any]) -> dict[str, PlanNode]:
    row = [S, *nodes, O]
    ids = [one["id"] for one in row]
    edges = _row(ids)
    return {one.id: one for one in compile_plan(graph(row, *edges), specs()).nodes}


GOOD = {
    "item and index": each([says("a", "{item} {index}")]),
    "the input of the first node": each([says("a", "{input}")]),
    "its own nodes": each([sets("a", v=1), says("b", "{nodes.a.output}")], "a>b"),
    "a node before it": each([says("a", "{nodes.s.output}")]),
    "the execution": each([says("a", "{execution.id} {execution.input}")]),
    "no output, one end": each([sets("a", v="{item}")]),
    "two beginnings": each([sets("a", v=1), sets("b", w=1), says("c", 1)], "a>c", "b>c"),
    "several outputs": each([says("a", 1), says("b", 2)]),
    "a loop in a map": each([again([says("a", "{item}")], initial="{item}")]),
    "the state of a loop": again([says("a", "{item + 1}")], condition="item < 10 && index < 5"),
    "what an item gave": each([says("a", "{item}")], stop_when="item == 3 || index > 9"),
    "a code node": each([code("a", "def main(item, index):\n    return item")]),
    "a lone parameter": each([code("a", "def main(item):\n    return item")]),
    "a tool": each([
        node("a", "llm", config={"prompt_template": "{item}", "tools": [{"node": "t"}]}),
        node("t", "code"),
    ]),
    "a secret": each([node("a", "http", config={"url": "https://a.b/{secrets.KEY}"})]),
    "a branch that joins": each(
        [node("a", "condition", config={"expression": "item > 1"}), sets("b", v=1), says("c", 1)],
        "a:true>b", "a:false>c", "b>c",
    ),
}  # fmt: skip

# name: (container, code, what the issue points at)
BAD: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "no body": (node("each", "map"), "empty_body", {"node_id": "each", "field": "config.body"}),
    "an empty body": (each([]), "empty_body", {"node_id": "each", "field": "config.body"}),
    "a node without a type": (
        node("each", "map", config={"body": {"nodes": [{"id": "a"}]}}), "invalid_config",
        {"node_id": "each", "field": "config.body.nodes[0].type"}),
    "an unknown type": (each([node("a", "magic")]), "unknown_node_type",
                        {"node_id": "a", "container": "each"}),
    "a start node": (each([node("a", "start")]), "start_in_body",
                     {"node_id": "a", "container": "each"}),
    "a clean-up node": (each([says("b", 1), node("a", on_cancel=True)]), "invalid_cleanup",
                        {"node_id": "a", "field": "on_cancel", "container": "each"}),
    "several ends": (each([sets("a", v=1), sets("b", w=1)]), "several_ends",
                     {"node_id": "each", "field": "config.body", "container": None}),
    "a cycle": (each([sets("a", v=1), sets("b", w=1), says("c", 1)], "a>b", "b>a", "b>c"), "cycle",
                {"container": "each"}),
    "an id of the graph around": (each([says("s", 1)]), "duplicate_node_id",
                                  {"node_id": "s", "field": "id", "container": "each"}),
    "the container's own id": (each([says("each", 1)]), "duplicate_node_id",
                               {"node_id": "each", "container": "each"}),
    "an edge out of the body": (each([says("a", 1), sets("b", v=1)], "b>o"), "unknown_edge_target",
                                {"container": "each", "field": "target"}),
    "a node after it": (each([says("a", "{nodes.o.output}")]), "not_upstream",
                        {"node_id": "a", "field": "config.value", "line": 1, "column": 2,
                         "container": "each"}),
    "the container itself": (each([says("a", "{nodes.each.output}")]), "not_upstream",
                             {"node_id": "a", "container": "each"}),
    "an unknown variable": (each([says("a", "{vars.x}")]), "unknown_variable",
                            {"node_id": "a", "container": "each"}),
    "a node of another branch in it": (
        each([node("a", "condition", config={"expression": "item"}), sets("b", v=1),
              says("c", "{nodes.b.output}")], "a:true>b", "b>c", "a:false>c"), "may_be_skipped",
        {"node_id": "c", "container": "each"}),
    "an issue two levels down": (
        each([again([says("a", "{nope}")])]), "invalid_template",
        {"node_id": "a", "field": "config.value", "container": "each/again"}),
    "no body two levels down": (
        each([node("again", "loop", config={"condition": "true"})]), "empty_body",
        {"node_id": "again", "field": "config.body", "container": "each"}),
    "a condition that is no bool": (again([says("a", 1)], condition="'a'"), "expression_not_bool",
                                    {"node_id": "again", "field": "config.condition"}),
    "a loop without a condition": (
        node("again", "loop", config={"body": body([says("a", 1)])}), "invalid_config",
        {"field": "config.condition"}),
    "item in the items of a map": (each([says("a", 1)], items="{item}"), "unknown_name",
                                   {"node_id": "each", "field": "config.items"}),
    "too many at once": (each([says("a", 1)], parallelism=1_001), "invalid_config",
                         {"field": "config.parallelism"}),
    "a secret in an output": (each([says("a", "{secrets.KEY}")]), "secret_not_allowed",
                              {"node_id": "a", "container": "each"}),
    "a tool from outside": (
        each([node("a", "llm", config={"prompt_template": "x", "tools": [{"node": "s"}]})]),
        "unknown_tool", {"node_id": "a", "container": "each"}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_what_a_body_may_be(name: str) -> None:
    assert around(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_what_it_may_not(name: str) -> None:
    container, code, points_at = BAD[name]
    found = [issue for issue in around(container) if issue.code == code]
    assert found, around(container)
    assert {field: getattr(found[0], field) for field in points_at} == points_at
    assert [issue.severity for issue in around(container)].count("error") == 1


@pytest.mark.parametrize(
    "outside",
    [
        says("x", "{item}"),
        says("x", "{index}"),
        code("x", "def main(input, item):\n    return item"),
    ],
)
def test_item_and_index_are_nowhere_else(outside: dict[str, Any]) -> None:
    [issue] = errors(issues([S, outside, O], "s>x", "s>o"))
    assert (issue.code, issue.node_id) == ("unknown_name", "x")
    assert issue.message.endswith("exists only in loops and maps")


def test_a_lone_parameter_called_item_is_the_input_where_there_is_no_loop() -> None:
    source = "def main(item):\n    return item"
    found = plan_of(code("x", source))["x"].references
    assert (found.input, found.item) == (True, False)
    inner = _inner(plan_of(each([code("x", source)]))["each"])["x"]
    assert (inner.references.input, inner.references.item) == (False, True)


def test_a_name_of_the_codes_own_may_be_item() -> None:
    source = "total = 0\nfor item in [1, 2]:\n    total += item\ntotal"
    assert around(code("x", source)) == []


def test_upstream_is_counted_from_the_container() -> None:
    """A branch that may be skipped must be guarded in the body as at the map."""
    nodes = [S, node("c", "condition"), sets("a", v=1), each([says("x", "{nodes.a.output}")]), O]
    edges = ("s>c", "c:true>a", "a>each", "c:false>each", "each>o")
    [issue] = issues(nodes, *edges)
    assert (issue.code, issue.node_id, issue.container) == ("may_be_skipped", "x", "each")
    assert "'each' runs" in issue.message
    nodes[3] = each([says("x", "{has(nodes.a.output) ? nodes.a.output : 0}")])
    assert issues(nodes, *edges) == []


def test_a_variable_from_outside_or_inside() -> None:
    nodes = [S, node("c", "condition"), sets("a", v=1), each([says("x", "{vars.v}")]), O]
    edges = ("s>c", "c:true>a", "a>each", "c:false>each", "each>o")
    [issue] = issues(nodes, *edges)
    assert (issue.code, issue.node_id, issue.container) == ("may_be_unset", "x", "each")
    nodes[3] = each([sets("b", v=2), says("x", "{vars.v}")], "b>x")
    assert issues(nodes, *edges) == [], "set on every way inside"
    nodes[3] = each([says("x", 1)])
    nodes[4] = says("o", "{vars.w}")
    [issue] = issues([*nodes[:3], each([sets("x", w=1)]), nodes[4]], *edges)
    assert issue.code == "unknown_variable", "what is set in a body stays in it"


def test_what_a_body_refers_to_goes_with_its_container() -> None:
    inner = each(
        [
            says(
                "x", "{nodes.s.meta.attempt} {nodes.a.output} {vars.v} {vars.w} {execution.input}"
            ),
            sets("a", w=1),
        ],
        "a>x",
        items="{[input]}",
        id="inner",
    )
    plan = plan_of(sets("before", v=1), each([sets("y", u=1), inner], "y>inner"))
    outer = plan["each"].references
    assert outer.nodes == {"s": ["meta"]}
    assert outer.vars == ["v"], "w is set and read inside"
    assert outer.execution_input
    assert outer.input, "the items"
    assert not outer.item
    assert _inner(plan["each"])["inner"].references == outer
    own = _inner(_inner(plan["each"])["inner"])["x"].references
    assert own.nodes == {"s": ["meta"], "a": ["output"]}
    assert own.vars == ["v", "w"]


def test_code_that_asks_for_all_is_given_all_around_it() -> None:
    source = "def main(nodes, vars):\n    return 1"
    plan = plan_of(each([code("x", source)]))
    assert plan["each"].references.all_nodes
    assert plan["each"].references.all_vars


def test_a_nested_container_is_given_the_item_that_it_refers_to() -> None:
    plan = plan_of(each([again([says("x", "{item}")], initial="{item}", condition="item < 1")]))
    assert _inner(plan["each"])["again"].references.item
    assert not plan["each"].references.item
    alone = plan_of(each([again([says("x", "{item}")], condition="item < 1")]))
    assert not _inner(alone["each"])["again"].references.item, "its own items are not from outside"


def test_a_body_is_compiled_once_and_stands_nowhere_else() -> None:
    plan = plan_of(each([sets("a", v="{item}")], parallelism=7, name="Each one"))
    one = plan["each"]
    assert one.config == {"parallelism": 7}
    assert one.name == "Each one"
    assert one.body is not None
    assert [inner.output_key for inner in one.body.nodes] == ["a"], "the only end is the result"
    several = plan_of(each([says("a", 1), says("b", 2)]))["each"].body
    assert several is not None
    assert [inner.output_key for inner in several.nodes] == ["a", "b"]


def test_what_a_canvas_adds_inside_is_kept() -> None:
    inner = node("a", "output", data={"label": "x"}, width=3)
    given = graph([S, each([inner]), O], "s>each", "each>o")
    assert given.to_json()["nodes"][1]["config"]["body"]["nodes"][0] == inner


@pytest.mark.parametrize("depth", [5, 6])
def test_how_deep_bodies_go(depth: int) -> None:
    nested = says("x", "{item}")
    for level in range(depth, 0, -1):
        nested = each([nested], id=f"m{level}")
    found = [(issue.code, issue.node_id, issue.container) for issue in around(nested)]
    assert found == ([] if depth == 5 else [("body_too_deep", "m6", "m1/m2/m3/m4/m5")])


@pytest.mark.parametrize(("count", "fits"), [(780, True), (800, False)])
def test_an_iteration_fits_into_one_history(count: int, fits: bool) -> None:
    nodes = [node(f"c{i}", "code") for i in range(count)]
    chain = [f"c{i}>c{i + 1}" for i in range(count - 1)]
    found = [(issue.code, issue.node_id) for issue in around(each(nodes, *chain))]
    assert found == ([] if fits else [("body_too_long", "each")])


def test_a_limit_counts_the_nodes_of_bodies() -> None:
    nodes = [sets(f"n{i}", v=1) for i in range(5_000)]
    nested = each([*nodes, each(nodes, id="inner")])
    [issue] = around(nested)
    assert issue.code == "too_many_nodes"
    assert "10,004" in issue.message


@pytest.mark.parametrize("hostile", [[], 1, "x", {"nodes": 3}, {"nodes": [1, None]}, {"edges": 1}])
def test_a_body_may_be_anything_at_first(hostile: Any) -> None:
    assert around(node("each", "map", config={"body": hostile}))


def test_ten_thousand_nodes_in_bodies_take_no_longer() -> None:
    def chain(prefix: str, count: int) -> tuple[list[dict[str, Any]], list[str]]:
        nodes = [
            sets(
                f"{prefix}{i}", v=f"{{nodes.{prefix}{i - 1}.output}} {{item}}" if i else "{vars.w}"
            )
            for i in range(count)
        ]
        return nodes, [f"{prefix}{i}>{prefix}{i + 1}" for i in range(count - 1)]

    nested, edges = chain("e", 1_998)
    for level in "dcba":
        outer, along = chain(level, 1_998)
        nested = [*outer, each(nested, *edges, id=f"m{level}")]
        edges = [*along, f"{level}1997>m{level}"]
    row = [S, sets("w", w=1), each(nested, *edges, id="m"), O]
    big = graph(row, "s>w", "w>m", "m>o")
    begin = time.process_time()
    assert validate(big, specs()) == []
    assert time.process_time() - begin < 5, "1 s alone; the bound allows for a busy machine"


# -- any graph -------------------------------------------------------------------------------


@st.composite
def nested_graphs(draw: st.DrawFn, depth: int = 0) -> Any:
    """Chains of variables, loops and maps, each referring to whatever is in scope there."""
    counter = draw(st.shared(st.builds(lambda: [0]), key="counter"))
    scope: list[str] = draw(st.shared(st.builds(list), key="scope"))
    visible = len(scope)
    row: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        counter[0] += 1
        id = f"n{counter[0]}"
        texts = [f"{{nodes.{other}.output}}" for other in draw(st.sets(st.sampled_from(scope)))]
        if depth:
            texts.append(draw(st.sampled_from(["{item}", "{index}", ""])))
        kind = draw(st.sampled_from(["variable", "map", "loop"])) if depth < 3 else "variable"
        if kind == "variable":
            row.append(sets(id, v=" ".join(sorted(texts))))
        else:
            inner, along = draw(nested_graphs(depth + 1))
            make = each if kind == "map" else again
            row.append(make(inner, *along, id=id))
        scope.append(id)
    del scope[visible:]
    return row, _row([one["id"] for one in row])


def _whole(drawn: tuple[list[dict[str, Any]], list[str]]) -> Graph:
    row, edges = drawn
    return graph([S, *row, O], f"s>{row[0]['id']}", *edges, f"{row[-1]['id']}>o")


def _inner(one: PlanNode) -> dict[str, PlanNode]:
    assert one.body is not None
    return {inner.id: inner for inner in one.body.nodes}


def _outside(plan: Plan) -> list[References]:
    return [one.references for one in plan.nodes]


def _check_carried(plan: Plan, outer: References | None) -> None:
    """Whatever a node refers to is in its own graph, or carried by the container around it."""
    ids = {one.id for one in plan.nodes}
    for one in plan.nodes:
        for wanted, parts in one.references.nodes.items():
            if wanted not in ids:
                assert outer is not None
                assert set(parts) <= set(outer.nodes[wanted])
        if one.body is not None:
            assert "body" not in one.config
            _check_carried(one.body, one.references)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_nesting_is_carried_and_survives_its_way(data: st.DataObject) -> None:
    data.draw(st.shared(st.builds(lambda: [0]), key="counter"))
    scope = data.draw(st.shared(st.builds(list), key="scope"))
    scope.append("s")
    drawn = _whole(data.draw(nested_graphs()))
    assert validate(drawn, specs()) == []
    plan = compile_plan(drawn, specs())
    _check_carried(plan, None)
    payload = data_converter.payload_converter.to_payload(plan)
    assert data_converter.payload_converter.from_payload(payload, Plan) == plan
    every = [one.id for one in plan.every_node()]
    assert len(every) == len(set(every))
