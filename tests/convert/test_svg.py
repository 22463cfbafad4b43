"""Pictures: well-formed, escaped, nothing on top of anything else."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.convert.layers import LAYER_GAP, draw
from pilot.convert.svg import to_svg
from pilot.gallery import templates
from pilot.graph.model import Graph

SVG = "{http://www.w3.org/2000/svg}"
IDS = [f"n{number}" for number in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=40)
SIZES = st.fixed_dictionaries(
    {node_id: st.tuples(st.integers(1, 300), st.integers(1, 200)) for node_id in IDS}
)


@pytest.mark.parametrize("template", templates().values(), ids=lambda one: one.id)
def test_every_node_and_edge_of_the_gallery_is_drawn(template) -> None:
    picture = ElementTree.fromstring(to_svg(template.name, template.graph))
    assert picture.findtext(f"{SVG}title") == template.name
    bodies = [node.body for node in template.graph.nodes if node.body is not None]
    graphs = [template.graph, *bodies]
    rects = picture.findall(f"{SVG}rect")
    assert len(rects) == sum(len(graph.nodes) for graph in graphs)
    paths = [path for path in picture.findall(f"{SVG}path") if "edge" in path.get("class", "")]
    assert len(paths) == sum(len(graph.edges) for graph in graphs)
    texts = {text.text for text in picture.iter(f"{SVG}text")}
    assert {node.name for node in template.graph.nodes if len(node.name) <= 40} <= texts


@given(sizes=SIZES, edges=EDGES)
@settings(max_examples=60, deadline=None)
def test_nothing_overlaps_and_edges_lead_to_the_right(sizes, edges) -> None:
    drawing = draw(sizes, edges)
    boxes = [(*drawing.places[one], *sizes[one]) for one in IDS]
    for (x, y, width, height), (x2, y2, width2, height2) in combinations(boxes, 2):
        apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 + 1e-6
        assert apart or y2 + height2 <= y + 1e-6
    for x, y, width, height in boxes:
        assert x >= 0
        assert y >= -1e-6
        assert x + width <= drawing.width + 1e-6
        assert y + height <= drawing.height + 1e-6
    forward = [(a, b) for a, b in edges if IDS.index(a) < IDS.index(b)]
    for source, target in forward:  # without a cycle, all of them
        places = draw(sizes, forward).places
        assert places[source][0] + sizes[source][0] < places[target][0]


def test_what_follows_stands_beside_and_long_edges_go_around() -> None:
    sizes = dict.fromkeys("abc", (100.0, 40.0))
    drawing = draw(sizes, [("a", "b"), ("b", "c"), ("a", "c")])
    assert drawing.places["b"][0] == 100 + LAYER_GAP
    [_, _, around] = drawing.ways
    at = drawing.places["b"][1]
    assert len(around) == 2
    assert all(not at <= y <= at + 40 for _, y in around)


def test_names_are_text_and_never_markup() -> None:
    name = '</text><script>alert("1")</script>&\x00\x0b'
    graph = Graph.model_validate(
        {
            "nodes": [
                {"id": "a", "type": "<b>", "config": {"name": name}},
                {"id": "b", "type": "code"},
            ],
            "edges": [{"source": "a", "target": "b", "source_handle": '"><script>'}],
        }
    )
    text = to_svg(name, graph)
    assert "<script" not in text
    picture = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == {
        *("svg", "title", "style", "defs", "marker", "path", "rect", "text")
    }
    assert '"><script>' in {element.text for element in picture.iter(f"{SVG}text")}


def test_what_is_no_workflow_yet_is_drawn_too() -> None:
    for graph in (
        {"nodes": [], "edges": []},
        {"nodes": [{"id": "a", "type": "x"}], "edges": [{"source": "a", "target": "a"}]},
        {
            "nodes": [{"id": one, "type": "code"} for one in "abc"],
            "edges": [{"source": one, "target": other} for one, other in ("ab", "bc", "ca", "bz")],
        },
    ):
        ElementTree.fromstring(to_svg("draft", Graph.model_validate(graph)))


def test_a_long_graph_is_drawn_in_a_blink() -> None:
    nodes = [{"id": f"n{at}", "type": "code"} for at in range(2_000)]
    edges = [
        {"source": f"n{at}", "target": f"n{at + step}"}
        for at in range(1_900)
        for step in (1, 7, 90)
    ]
    text = to_svg("long", Graph.model_validate({"nodes": nodes, "edges": edges}))
    assert text.count('class="edge"') == len(edges)
