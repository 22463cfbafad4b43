"""n8n's many items: loops and what follows a node that gives many become maps, where closed."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.n8n_workflow import GO, from_n8n_nodes, n8n_node, set_node

SPLIT = n8n_node("Split", "splitOut", {"fieldToSplitOut": "rows"})
LOOP = n8n_node("Loop", "splitInBatches", {"options": {}}, typeVersion=3)
GATHER = n8n_node("Gather", "aggregate", {"aggregate": "aggregateAllItemData"})


def node(found: Conversion, node_id: str) -> Any:
    return next(one for one in found.graph.nodes if one.id == node_id)


def inner(found: Conversion, node_id: str) -> dict[str, Any]:
    return {one["id"]: one for one in node(found, node_id).config["body"]["nodes"]}


def sound(found: Conversion) -> None:
    assert errors(validate(found.graph, specs())) == []
    assert not [one for one in found.report.findings if one.severity == "error"]


def if_node(name: str, value: str) -> dict[str, Any]:
    condition = {
        "leftValue": value,
        "rightValue": 1,
        "operator": {"type": "number", "operation": "gt"},
    }
    parameters = {"conditions": {"conditions": [condition], "combinator": "and"}}
    return n8n_node(name, "if", parameters, typeVersion=2)


def test_a_closed_loop_is_a_map() -> None:
    body = [
        set_node("Double", n=("number", "={{ $json.n * 2 }}")),
        set_node("Mark", m=("number", "={{ $json.n }}")),
    ]
    found = from_n8n_nodes(
        [GO, SPLIT, LOOP, *body, GATHER],
        "Go>Split", "Split>Loop", "Loop:1>Double", "Double>Mark", "Mark>Loop", "Loop:0>Gather",
    )  # fmt: skip
    sound(found)
    assert [one.id for one in found.graph.nodes] == ["start", "split", "loop", "gather", "output"]
    config = node(found, "loop").config
    assert (config["items"], config["parallelism"]) == ("{nodes.split.output}", 1)
    assert inner(found, "loop")["double"]["config"]["assignments"] == {
        "double": {"n": "{(item.n * 2)}"}
    }
    assert inner(found, "loop")["loop_item"]["config"]["value"] == "{vars.mark}"
    assert {one.name for one in found.report.carried} >= {"Double", "Mark", "Loop", "Split"}


def test_a_loop_over_an_answer_takes_its_list() -> None:
    call = n8n_node("Call", "httpRequest", {"url": "https://x.test"})
    found = from_n8n_nodes(
        [GO, call, LOOP, set_node("A", n=("number", "={{ $json.n }}"))],
        "Go>Call", "Call>Loop", "Loop:1>A", "A>Loop",
    )  # fmt: skip
    sound(found)
    assert node(found, "loop").config["items"] == (
        "{type(nodes.call.output) == list ? nodes.call.output : [nodes.call.output]}"
    )


def test_a_loop_in_a_loop_is_a_map_in_a_map() -> None:
    deep = n8n_node("Deep", "splitInBatches", {"options": {}}, typeVersion=3)
    found = from_n8n_nodes(
        [GO, SPLIT, LOOP, {**SPLIT, "name": "Cut", "id": "cut"}, deep,
         set_node("A", n=("number", "={{ $json.n }}")), GATHER],
        "Go>Split", "Split>Loop", "Loop:1>Cut", "Cut>Deep", "Deep:1>A", "A>Deep",
        "Deep:0>Gather", "Gather>Loop",
    )  # fmt: skip
    sound(found)
    body = inner(found, "loop")
    assert {"cut", "deep", "gather"} <= set(body)
    assert [one["id"] for one in body["deep"]["config"]["body"]["nodes"]] == ["a", "deep_item"]


def test_what_follows_many_items_is_a_map_up_to_what_takes_all() -> None:
    found = from_n8n_nodes(
        [GO, SPLIT, set_node("A", n=("number", "={{ $json.n }}")),
         if_node("Large", "={{ $json.n }}"), set_node("B", b="={{ $json.n }}"), GATHER,
         set_node("End", all=("array", "={{ $json.data }}"))],
        "Go>Split", "Split>A", "A>Large", "Large:0>B", "B>Gather", "Gather>End",
    )  # fmt: skip
    sound(found)
    assert [one.id for one in found.graph.nodes] == [
        "start", "split", "split_each", "split_each_items", "gather", "end", "output",
    ]  # fmt: skip
    assert {"a", "large", "b"} < set(inner(found, "split_each"))
    assert node(found, "end").config["assignments"] == {
        "end": {"all": "{nodes.gather.output.data}"}
    }


@pytest.mark.parametrize(
    ("wires", "lost"),
    [
        # entered from outside of the loop
        (("Go>Split", "Split>Loop", "Loop:1>A", "A>Loop", "Go>A"), "Loop"),
        # left to the outside
        (("Go>Split", "Split>Loop", "Loop:1>A", "A>Loop", "A>B", "Loop:0>B"), "Loop"),
        # never led back
        (("Go>Split", "Split>Loop", "Loop:1>A"), "Loop"),
        # entered from two
        (("Go>Split", "Split>A", "Go>A"), "A"),
        # left by two
        (("Go>Split", "Split>A", "Split>B", "A>Gather", "B>Gather"), "A"),
    ],
)
def test_what_is_not_closed_is_not_guessed(wires: tuple[str, ...], lost: str) -> None:
    nodes = [
        GO,
        SPLIT,
        LOOP,
        set_node("A", n=("number", "={{ $json.n }}")),
        set_node("B", n=1),
        GATHER,
    ]
    used = {part.partition(":")[0] for wire in wires for part in wire.split(">")}
    found = from_n8n_nodes([one for one in nodes if one["name"] in used], *wires)
    assert (lost, "type") in {
        (one.name, one.field) for one in found.report.findings if one.severity == "error"
    }
    assert errors(validate(found.graph, specs()))


def test_a_batch_is_not_a_single_item() -> None:
    loop = {**LOOP, "parameters": {"batchSize": 5}}
    found = from_n8n_nodes(
        [GO, SPLIT, loop, set_node("A", n=("number", "={{ $json.n }}"))],
        "Go>Split", "Split>Loop", "Loop:1>A", "A>Loop",
    )  # fmt: skip
    sound(found)
    assert "5 items at a time" in " ".join(one.message for one in found.report.approximated)
    found = from_n8n_nodes(
        [GO, SPLIT, loop, GATHER], "Go>Split", "Split>Loop", "Loop:1>Gather", "Gather>Loop"
    )
    assert node(found, "loop").type == "n8n:splitInBatches"


def test_many_loops_are_planned_in_time() -> None:
    nodes, wires = [GO], []
    before = "Go"
    for index in range(300):
        nodes += [{**LOOP, "name": f"L{index}"}, set_node(f"A{index}", n=1)]
        wires += [f"{before}>L{index}", f"L{index}:1>A{index}", f"A{index}>L{index}"]
        before = f"L{index}:0"
    found = from_n8n_nodes(nodes, *wires)
    assert [one.type for one in found.graph.nodes].count("map") == 300


def test_loops_nested_deeper_than_a_graph_may_be_are_said() -> None:
    nodes, wires = [GO], ["Go>L0"]
    for index in range(40):
        nodes.append({**LOOP, "name": f"L{index}"})
        if index:
            wires += [f"L{index - 1}:1>L{index}", f"L{index}:0>L{index - 1}"]
    nodes.append(set_node("A", n=1))
    found = from_n8n_nodes(nodes, *wires, "L39:1>A", "A>L39")
    assert [one for one in found.report.findings if one.severity == "error"]
