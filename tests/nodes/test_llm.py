"""What the llm node's own check finds in a configuration."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.nodes.json_schema import schema_problem
from pilot.nodes.llm import SPEC, LlmConfig


def issues(**config: Any) -> list[tuple[str, str | None]]:
    parsed = LlmConfig.model_validate({"prompt_template": "x", **config})
    return [(issue.code, issue.field) for issue in SPEC.check(parsed)]


def test_one_of_prompt_messages_and_history_is_there() -> None:
    assert issues(prompt_template=None) == [("missing_prompt", "prompt_template")]
    assert issues(prompt_template=None, history="{input}") == []


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"type": "audio"}, ".type"),
        ({}, ".type"),
        ({"type": "text"}, ".text"),
        ({"type": "image_url", "image_url": "https://x"}, ".image_url"),
    ],
)
def test_content_parts_have_a_known_shape(part: dict[str, Any], path: str) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": [part]}]
    assert issues(messages=messages) == [
        ("invalid_content_part", f"messages[1].content[0]{path}"),
    ]


def test_an_image_by_a_template_is_fine() -> None:
    image = {"type": "image_url", "image_url": {"url": "{input.url}"}}
    assert issues(messages=[{"role": "user", "content": [image]}]) == []


def test_the_schema_is_checked_where_it_stands() -> None:
    bad = {"type": "strin"}
    assert issues(output_schema=bad) == [("invalid_schema", "output_schema")]
    wrapped = {"type": "json_schema", "json_schema": {"name": "a", "schema": bad}}
    at = "response_format.json_schema.schema"
    assert issues(response_format=wrapped) == [("invalid_schema", at)]
    assert issues(response_format={"type": "json_schema"}) == [("invalid_schema", at)]
    assert issues(response_format={"type": "xml"}) == [
        ("invalid_response_format", "response_format.type")
    ]
    assert issues(response_format={"type": "json_object"}, output_schema={}) == [
        ("invalid_response_format", "output_schema")
    ]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "a schema is a JSON object"),
        ({"properties": {"a": {"$ref": "https://example.com/x"}}}, "$.properties.a: $ref"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"$id": "https://example.com"}, "$id"),
        ({"pattern": "("}, "no regular expression"),
        ({"patternProperties": {"a" * 501: True}}, "at most 500"),
        ({"description": "x" * 60_000}, "at most 50,000"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "$.$schema"),
        ({"minimum": "one"}, "$.minimum"),
    ],
)
def test_schemas_that_are_not_accepted(schema: Any, said: str) -> None:
    assert said in str(schema_problem(schema))


def test_a_deep_schema_is_not_accepted() -> None:
    schema: dict[str, Any] = {}
    for _ in range(40):
        schema = {"items": schema}
    assert "32 levels" in str(schema_problem(schema))


def test_schemas_that_are_accepted() -> None:
    tree = {"$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}
    names = {"properties": {"$ref": {"type": "string"}, "pattern": {}, "$id": {}}}
    data = {"const": {"$ref": "anything"}, "enum": [{"pattern": "("}]}
    for schema in ({}, tree, names, data):
        assert schema_problem(schema) is None
