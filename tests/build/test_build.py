"""Graphs written in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilot.build import Body, Graph, Step, node
from pilot.build.node import constructors
from pilot.errors import GraphError, PilotError
from pilot.graph.issues import errors
from pilot.graph.model import RetryOverride
from pilot.graphfile import read_graph_file
from pilot.nodes import BUILT_IN
from pilot.nodes.cases import Case
from pilot.nodes.start import InputField


def triage() -> Graph:
    with Graph("Triage", "Who is to look at it.", max_parallel=2) as graph:
        ticket = node.start("start", inputs=[InputField(name="text", type="string")])
        urgent = node.condition("urgent", expression="input.text.contains('fire')")
        page = node.code("page", source="def main(input): return 'run!'").policy(
            retry=RetryOverride(max_attempts=5), timeout_s=20, on_error="branch"
        )
        done, failed = node.output("done"), node.output("failed")
        ticket >> urgent
        urgent.true >> page >> done
        urgent.false >> done
        page.error >> failed
    return graph


def test_it_is_the_json_of_a_canvas(tmp_path: Path) -> None:
    graph = triage()
    assert graph.to_json() == {
        "name": "Triage",
        "description": "Who is to look at it.",
        "max_parallel": 2,
        "nodes": [
            {
                "id": "start",
                "type": "start",
                "config": {"inputs": [{"name": "text", "type": "string"}]},
            },
            {
                "id": "urgent",
                "type": "condition",
                "config": {"expression": "input.text.contains('fire')"},
            },
            {
                "id": "page",
                "type": "code",
                "config": {"source": "def main(input): return 'run!'"},
                "retry": {"max_attempts": 5},
                "timeout_s": 20,
                "on_error": "branch",
            },
            {"id": "done", "type": "output"},
            {"id": "failed", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "urgent"},
            {"source": "urgent", "target": "page", "source_handle": "true"},
            {"source": "page", "target": "done"},
            {"source": "urgent", "target": "done", "source_handle": "false"},
            {"source": "page", "target": "failed", "source_handle": "error"},
        ],
    }
    assert errors(graph.issues()) == []
    graph.save(tmp_path / "triage.json")
    assert read_graph_file(tmp_path / "triage.json").body["edges"] == graph.to_json()["edges"]


def test_bodies_stand_in_their_node() -> None:
    with Graph("Rows") as graph:
        begin = node.start("start")
        with Body() as body:
            node.code("double", source="def main(item): return item * 2")
        each = node.map("each", items="{input}", body=body.graph)
        begin >> each >> node.output("output")
    assert errors(graph.issues()) == []
    [_, made, _] = graph.to_json()["nodes"]
    assert [one["id"] for one in made["config"]["body"]["nodes"]] == ["double"]
    assert [one.id for one in graph.graph.nodes] == ["start", "each", "output"]


def test_many_at_once() -> None:
    with Graph("Fan") as graph:
        begin = node.start("start")
        left, right = node.code("left", source="1"), node.code("right", source="2")
        begin >> (left, right) >> node.output("output")
        with pytest.raises(PilotError, match="two nodes 'left'"):
            node.code("left", source="3")
    edges = [(edge["source"], edge["target"]) for edge in graph.to_json()["edges"]]
    assert edges == [
        ("start", "left"),
        ("start", "right"),
        ("left", "output"),
        ("right", "output"),
    ]


def test_handles_are_those_of_the_configuration() -> None:
    with Graph("Handles"):
        pick = node.switch("pick", cases=[Case(handle="very-odd", expression="true")])
        assert pick.handles == ("very-odd", "else")
        end = node.output("end")
        pick["very-odd"] >> end
        with pytest.raises(AttributeError, match="no handle 'true'; its handles: very-odd, else"):
            pick.true >> end
        with pytest.raises(AttributeError, match="no handle 'error'"):
            pick.error >> end
        with pytest.raises(PilotError, match="no handle"):
            end["default"]
        assert pick.policy(on_error="branch").error.handle == "error"


def test_what_is_wrong_is_said_where_it_is_written() -> None:
    with Graph("Wrong") as graph:
        with pytest.raises(GraphError, match="2") as caught:
            node.llm("llm", prompt_template="Hi", temperature=3)
        assert caught.value.issues[0].field == "config.temperature"
        begin = node.start("start")
    with Graph("Another"):
        other = node.output("output")
        with pytest.raises(PilotError, match="not stand in the same graph"):
            begin >> other
    with pytest.raises(PilotError, match="belongs to no graph"):
        node.start("start")
    assert [one["id"] for one in graph.to_json()["nodes"]] == ["start"]


def test_what_nobody_placed_is_arranged() -> None:
    graph = triage()
    places = {one["id"]: one["position"] for one in graph.arrange().to_json()["nodes"]}
    assert places["start"]["x"] < places["urgent"]["x"] < places["page"]["x"] < places["done"]["x"]
    with Graph("Placed") as placed:
        node.start("start").at(7, 8)
    assert placed.arrange().to_json()["nodes"][0]["position"] == {"x": 7, "y": 8}


def test_there_is_a_constructor_for_every_type() -> None:
    assert set(constructors()) == {spec.type for spec in BUILT_IN}


def test_a_type_that_nobody_knows_is_carried() -> None:
    with Graph("Theirs") as graph:
        theirs = node.other("text_stats", "stats", {"unit": "words"})
        theirs["whatever"] >> node.output("output")
    assert isinstance(theirs, Step)
    assert graph.to_json()["nodes"][0] == {
        "id": "stats",
        "type": "text_stats",
        "config": {"unit": "words"},
    }
    assert [one.code for one in graph.issues()][:1] == ["unknown_node_type"]
    json.dumps(graph.to_json())
