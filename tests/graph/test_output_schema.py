"""What a workflow answers, as a JSON Schema, and what is known not to be in it."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.nodes.output_schema import graph_output_schema, lacks
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
    }


def test_an_output_that_may_be_a_default_is_anything() -> None:
    one = output("o", output_schema=CLOSED) | {"on_error": {"default": 1}}
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
