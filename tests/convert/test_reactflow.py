"""React Flow's JSON, in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.convert.document import NotConvertibleError
from pilot.convert.format import Format
from pilot.convert.formats import convert, export
from pilot.graph.model import Graph
from pilot.nodes import specs

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
CANVAS = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(0, 500),
        "selected": st.booleans(),
        "parentId": st.text(max_size=5),
        "data": st.dictionaries(
            st.sampled_from(["label", "config", "note", "x"]), VALUES, max_size=3
        ),
        "measured": st.fixed_dictionaries({"width": st.integers(0, 500)}),
    },
)
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "retry": st.fixed_dictionaries({"max_attempts": st.integers(1, 9)}),
        "timeout_s": st.sampled_from([1.5, 30.0]),
        "on_error": st.sampled_from(["fail", "branch", {"default": [1, None]}]),
        "join": st.sampled_from(["any", {"n_of": 2}]),
        "on_cancel": st.booleans(),
        "config": st.dictionaries(st.text(max_size=6), VALUES, max_size=3),
    },
)
POSITION = st.fixed_dictionaries({"x": st.integers(-999, 999), "y": st.floats(-9, 9)})


@st.composite
def graphs(draw: Any) -> dict[str, Any]:
    ids = draw(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6, unique=True))
    nodes = [
        {
            **draw(CANVAS),
            **draw(POLICY),
            "id": node_id,
            "type": draw(st.sampled_from(["start", "llm", "code", "condition", "other"])),
            "position": draw(POSITION),
        }
        for node_id in ids
    ]
    one = st.sampled_from(ids)
    edges = draw(
        st.lists(
            st.fixed_dictionaries(
                {"source": one, "target": one},
                optional={
                    "source_handle": st.none() | st.text(max_size=5),
                    "id": st.text(max_size=5),
                    "targetHandle": st.text(max_size=5),
                    "data": st.dictionaries(st.text(max_size=4), VALUES, max_size=2),
                },
            ),
            max_size=8,
        )
    )
    graph: dict[str, Any] = {"nodes": nodes, "edges": edges}
    if draw(st.booleans()):
        graph["timeout_s"] = draw(st.sampled_from([5.0, 60.0]))
    if draw(st.booleans()):
        graph["max_parallel"] = draw(st.integers(1, 500))
    return graph


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from([Format.PILOT, Format.REACTFLOW]), st.booleans())
def test_a_graph_comes_back_as_it_went(body: dict[str, Any], way: Format, told: bool) -> None:
    graph = Graph.model_validate(body)
    text = export(way, "A name", "what for", graph)
    if (
        not told
        and way is Format.PILOT
        and any(isinstance(n.get("data"), dict) for n in body["nodes"])
    ):
        told = True  # nodes with a canvas' data and no config look like React Flow's
    back = convert(json.loads(text), specs(), way if told else None)
    assert back.graph.to_json() == graph.to_json()
    assert (back.name, back.description) == ("A name", "what for")
    assert {one.node_id for one in back.report.carried} == {node["id"] for node in body["nodes"]}
    assert back.report.findings == ()


FLOW: dict[str, Any] = {
    "nodes": [
        {"id": "1", "type": "input", "position": {"x": 0, "y": 0}, "data": {"label": "Begin"}},
        {
            "id": "2",
            "type": "llm",
            "position": {"x": 100, "y": 0},
            "data": {"label": "Ask", "prompt_template": "Say {input.word}", "color": "red"},
            "measured": {"width": 150, "height": 40},
            "dragging": False,
        },
        {
            "id": "3",
            "type": "condition",
            "position": {"x": 200, "y": 0},
            "data": {"config": {"expression": "input != ''"}, "on_error": "branch"},
        },
        {"id": "4", "type": "output", "position": {"x": 300, "y": 0}, "data": {}},
    ],
    "edges": [
        {"id": "e1", "source": "1", "target": "2", "animated": True, "sourceHandle": "a"},
        {"id": "e2", "source": "2", "target": "3", "markerEnd": {"type": "arrow"}},
        {"id": "e3", "source": "3", "target": "4", "sourceHandle": "true", "targetHandle": "in"},
    ],
    "viewport": {"x": 0, "y": 0, "zoom": 1},
}


def test_a_flow_that_was_never_ours_is_taken_by_type_and_data() -> None:
    found = convert(FLOW, specs())
    assert found.report.format == "reactflow"
    start, ask, branch, _ = found.graph.nodes
    assert (start.type, start.config) == ("start", {"name": "Begin"})
    assert ask.config == {"prompt_template": "Say {input.word}", "name": "Ask"}
    assert (branch.config, branch.on_error) == ({"expression": "input != ''"}, "branch")
    assert [edge.source_handle for edge in found.graph.edges] == [None, None, "true"]


def test_in_and_out_keeps_every_field_that_is_the_canvas_own() -> None:
    found = convert(FLOW, specs())
    back = json.loads(export(Format.REACTFLOW, found.name, found.description, found.graph))
    for was, now in zip(FLOW["nodes"], back["nodes"], strict=True):
        for name in ("id", "position", "measured", "dragging"):
            assert now.get(name) == was.get(name)
        assert was["data"].items() <= now["data"].items()
    assert back["edges"] == FLOW["edges"]


def test_a_node_of_no_known_type_stays_and_is_reported() -> None:
    found = convert(
        {"nodes": [{"id": "a", "type": "fancy", "data": {"k": 1}}], "edges": []}, specs()
    )
    assert found.graph.to_json()["nodes"] == [{"id": "a", "type": "fancy", "data": {"k": 1}}]
    [finding] = [one for one in found.report.dropped if one.node_id is not None]
    assert (finding.node_id, finding.field, finding.severity) == ("a", "type", "error")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"nodes": "x"},
        {"nodes": [1]},
        {"nodes": [{"data": {}, "type": "x"}], "edges": []},
        {"nodes": [{"id": "a", "type": "x", "data": {}}], "edges": [{"source": 1}]},
        {"nodes": [], "edges": {}},
    ],
)
def test_what_is_no_flow_is_said(body: Any) -> None:
    with pytest.raises(NotConvertibleError):
        convert(body, specs())


SUBFLOW: dict[str, Any] = {
    "nodes": [
        {"id": "s", "type": "input", "position": {"x": 0, "y": 0}, "data": {}},
        {"id": "g", "type": "group", "position": {"x": 50, "y": 10}, "data": {}},
        {
            "id": "each",
            "type": "map",
            "position": {"x": 5, "y": 5},
            "parentId": "g",
            "extent": "parent",
            "data": {"items": "{input}"},
            "style": {"width": 400},
        },
        {
            "id": "again",
            "type": "loop",
            "position": {"x": 20, "y": 20},
            "parentId": "each",
            "extent": "parent",
            "data": {"initial": "{item}", "condition": "index < 2"},
        },
        {
            "id": "say",
            "type": "variable",
            "position": {"x": 9, "y": 9},
            "parentNode": "again",
            "data": {"assignments": {"x": "{item}"}},
        },
        {
            "id": "next",
            "type": "output",
            "position": {"x": 99, "y": 9},
            "parentId": "again",
            "data": {"value": "{vars.x}"},
        },
        {"id": "o", "type": "output", "position": {"x": 900, "y": 0}, "data": {}},
    ],
    "edges": [
        {"id": "1", "source": "s", "target": "each", "targetHandle": "in"},
        {"id": "2", "source": "say", "target": "next", "animated": True},
        {"id": "3", "source": "each", "target": "o"},
    ],
}


def test_a_sub_flow_of_a_map_is_its_body_and_goes_out_as_one() -> None:
    found = convert(SUBFLOW, specs())
    assert [(one.outcome, one.severity) for one in found.report.findings] == [("dropped", "info")]
    assert [one.id for one in found.graph.nodes] == ["s", "each", "o"]
    each = found.graph.nodes[1]
    assert (each.position.x, each.position.y) == (55, 15)  # type: ignore[union-attr]
    [again] = each.config["body"]["nodes"]
    assert (again["id"], again["extent"]) == ("again", "parent")
    assert [one["id"] for one in again["config"]["body"]["nodes"]] == ["say", "next"]
    assert [one["id"] for one in again["config"]["body"]["edges"]] == ["2"]
    flow = json.loads(export(Format.REACTFLOW, "n", "", found.graph))
    assert {one["id"]: one.get("parentId", one.get("parentNode")) for one in flow["nodes"]} == {
        "s": None, "each": None, "o": None, "again": "each", "say": "again", "next": "again",
    }  # fmt: skip
    ids = [one["id"] for one in flow["nodes"]]
    assert ids.index("each") < ids.index("again") < ids.index("say")
    assert sorted(one["id"] for one in flow["edges"]) == ["1", "2", "3"]
    back = convert(flow, specs())
    assert back.graph.to_json() == found.graph.to_json()
    assert back.report.findings == ()


def test_edges_into_a_sub_flow_are_said() -> None:
    edges = [
        *SUBFLOW["edges"],
        {"id": "4", "source": "again", "target": "say"},
        {"id": "5", "source": "s", "target": "say"},
    ]
    found = convert({**SUBFLOW, "edges": edges}, specs())
    said = {one.original: one.severity for one in found.report.findings if one.field == "edges"}
    assert said == {"again > say": "info", "s > say": "error"}


PARTS = [f"p{index}" for index in range(8)]


@st.composite
def flows(draw: Any) -> dict[str, Any]:
    """Flows of sub-flows and groups, also such as lie in themselves."""
    nodes = []
    for part in draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8, unique=True)):
        node = {
            "id": part,
            "type": draw(st.sampled_from(["map", "loop", "group", "variable", "output"])),
            "position": {"x": draw(st.integers(-9, 9)), "y": 0},
            "data": {"label": part},
        }
        parent = draw(st.none() | st.sampled_from(PARTS))
        nodes.append(node if parent is None else {**node, "parentId": parent, "extent": "parent"})
    one = st.sampled_from(PARTS)
    edges = draw(st.lists(st.fixed_dictionaries({"source": one, "target": one}), max_size=6))
    return {"nodes": nodes, "edges": edges}


@settings(max_examples=300, deadline=None)
@given(flows())
def test_of_a_flow_nothing_is_lost_and_what_came_in_comes_back(flow: dict[str, Any]) -> None:
    found = convert(flow, specs(), Format.REACTFLOW)
    text = json.loads(export(Format.REACTFLOW, "n", "", found.graph))
    again = convert(text, specs(), Format.REACTFLOW)
    assert again.graph.to_json() == found.graph.to_json()
    reported = {one.source_id for one in found.report.findings}
    kept = {one["id"] for one in text["nodes"]} | inner_ids(found.graph.to_json()["nodes"])
    assert {one["id"] for one in flow["nodes"]} <= kept | reported
    said = {one.original for one in found.report.findings}
    edges = all_edges(found.graph.to_json())
    for edge in flow["edges"]:
        pair = (edge["source"], edge["target"])
        assert pair in edges or " > ".join(pair) in said


def inner_ids(nodes: list[dict[str, Any]]) -> set[str]:
    found = set()
    for node in nodes:
        found.add(node["id"])
        found |= inner_ids(node.get("config", {}).get("body", {}).get("nodes", []))
    return found


def all_edges(level: dict[str, Any]) -> set[tuple[str, str]]:
    found = {(edge["source"], edge["target"]) for edge in level["edges"]}
    for node in level["nodes"]:
        body = node.get("config", {}).get("body")
        if body is not None:
            found |= all_edges(body)
    return found
