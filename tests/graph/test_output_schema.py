"""What a workflow answers, as a JSON Schema, and what is known not to be in it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from pilot.nodes.output_schema import embedded, graph_output_schema, lacks
from tests.graph.graphs import codes, graph, node

START = node("s", "start")
CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "object", "properties": {"b": {}}, "additionalProperties": False}},
    "additionalProperties": False,
}


def output(id: str, **config: Any) -> dict[str, Any]:
    return node(id, "output", config=config)


def test_one_output_is_its_own_schema() -> None:
    assert graph_output_schema(graph([START, output("o", output_schema=CLOSED)], "s>o")) == CLOSED
    assert graph_output_schema(graph([START, output("o")], "s>o")) == {}
    assert graph_output_schema(graph([START])) is None


def test_several_are_an_object_of_those_that_ran() -> None:
    found = graph_output_schema(
        graph([START, output("o", output_schema=CLOSED), output("p", key="q")], "s>o", "s>p")
    )
    assert found == {
        "type": "object",
        "properties": {"o": CLOSED, "q": {}},
        "additionalProperties": False,
        "required": ["o", "q"],
    }


def test_what_may_be_skipped_may_be_null_or_missing() -> None:
    nodes = [START, node("c", "condition"), output("o", output_schema=CLOSED)]
    found = graph_output_schema(graph(nodes, "s>c", "c:true>o"))
    assert found == {"anyOf": [CLOSED, {"type": "null"}]}
    assert lacks(found, ["a"]) is None
    assert lacks(found, ["c"]) == "c"
    found = graph_output_schema(graph([*nodes, output("p")], "s>c", "c:true>o", "c:false>p"))
    assert found is not None
    assert (found["type"], "required" in found) == (["object", "null"], False)
    branches = [node("h", "http", on_error="branch"), *nodes[2:]]
    assert "anyOf" in (graph_output_schema(graph([START, *branches], "s>h", "h>o")) or {})
    joined = [*nodes[:2], node("v"), node("w"), nodes[2]]
    found = graph_output_schema(graph(joined, "s>c", "c:true>v", "c:false>w", "v>o", "w>o"))
    assert found == {"anyOf": [CLOSED, {"type": "null"}]}  # never less than what may come


def test_references_are_followed_inside_of_the_schema_that_has_them() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}}
    nodes = [START, output("o", output_schema=schema), output("p p", output_schema=schema)]
    found = graph_output_schema(graph(nodes, "s>o", "s>p p"))
    assert found is not None
    validator = jsonschema.Draft202012Validator(found)
    assert validator.is_valid({"o": {"n": 1}, "p p": {"n": 2}})
    assert not validator.is_valid({"o": {"n": 1}, "p p": {"n": "x"}})
    alone = graph_output_schema(graph(nodes[:2], "s>o"))
    assert alone == schema
    assert not jsonschema.Draft202012Validator({"anyOf": [embedded(schema)]}).is_valid({"n": "x"})


@pytest.mark.parametrize("on_error", [{"default": 1}, "continue"])
def test_an_output_that_may_fail_is_anything(on_error: Any) -> None:
    one = output("o", output_schema=CLOSED) | {"on_error": on_error}
    assert graph_output_schema(graph([START, one], "s>o")) == {}


@pytest.mark.parametrize(
    ("schema", "path", "field"),
    [
        (CLOSED, ["a"], None),
        (CLOSED, ["a", "b", "deeper"], None),
        (CLOSED, ["c"], "c"),
        (CLOSED, ["a", "c"], "c"),
        ({}, ["c"], None),
        ({"type": "object", "properties": {"a": {}}}, ["c"], None),
        ({"properties": {}, "additionalProperties": False}, ["c"], None),  # no object, perhaps
        (CLOSED | {"patternProperties": {"^c": {}}}, ["c"], None),
        (CLOSED | {"$ref": "#/$defs/x"}, ["c"], None),
        ({"type": "array", "items": CLOSED}, [0, "c"], None),
    ],
)
def test_only_what_is_surely_missing_is_said(schema: Any, path: Any, field: str | None) -> None:
    assert lacks(schema, path) == field


def test_a_schema_that_is_none_is_an_issue() -> None:
    assert "invalid_schema" in codes([START, output("o", output_schema={"type": "objekt"})], "s>o")
