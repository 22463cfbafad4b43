"""The start node's fields: what they take, and the JSON Schema that says the same."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.graph.model import Graph
from pilot.nodes.input_schema import graph_input_schema, input_schema
from pilot.nodes.start import StartConfig, check, resolve_input

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from(["", "a", "b"]),
    st.just([]),
    st.just({}),
)
FIELDS = st.lists(
    st.builds(
        dict,
        name=st.sampled_from(["a", "b", "c"]),
        type=st.sampled_from(["string", "number", "integer", "boolean", "object", "array", "any"]),
        required=st.booleans(),
        enum=st.none() | st.lists(VALUES, min_size=1, max_size=3),
    ),
    max_size=3,
    unique_by=lambda field: field["name"],
)


@given(FIELDS, st.one_of(VALUES, st.dictionaries(st.sampled_from("abcd"), VALUES)))
def test_the_schema_takes_what_the_start_node_takes(
    fields: list[dict[str, Any]], value: Any
) -> None:
    config = StartConfig.model_validate({"inputs": fields})
    schema = input_schema(config)
    jsonschema.Draft202012Validator.check_schema(schema)
    _, issues = resolve_input(config, value)
    assert jsonschema.Draft202012Validator(schema).is_valid(value) is (not issues)


def test_a_schema_tells_defaults_and_descriptions() -> None:
    config = StartConfig.model_validate(
        {
            "inputs": [
                {"name": "text", "type": "string", "description": "What to say."},
                {"name": "tone", "type": "string", "default": "kind", "enum": ["kind", "curt"]},
                {"name": "n", "type": "integer", "required": False},
                {"name": "x"},
            ]
        }
    )
    assert input_schema(config) == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What to say."},
            "tone": {"type": "string", "enum": ["kind", "curt"], "default": "kind"},
            "n": {"type": ["integer", "null"]},
            "x": {},
        },
        "required": ["text", "x"],
        "additionalProperties": True,
    }


@pytest.mark.parametrize(
    ("nodes", "schema"),
    [
        ([], None),
        ([{"id": "s", "type": "start"}], {}),
        ([{"id": "s", "type": "start", "config": {"inputs": [{"name": "1"}]}}], None),
        ([{"id": "o", "type": "output"}], None),
    ],
)
def test_a_draft_may_have_no_schema(nodes: list[dict[str, Any]], schema: Any) -> None:
    assert graph_input_schema(Graph.model_validate({"nodes": nodes})) == schema


def test_values_are_of_the_enumeration() -> None:
    config = StartConfig.model_validate(
        {"inputs": [{"name": "n", "type": "integer", "enum": [1, 2], "default": 3}]}
    )
    assert [issue.code for issue in check(config)] == ["invalid_default"]
    _, issues = resolve_input(config, {"n": 5})
    assert issues[0].message == "the input 'n' must be one of 1, 2"
    assert resolve_input(config, {"n": 2.0})[1] == []
    assert resolve_input(config, {"n": True})[1]
