"""The JSON Schema of a workflow's file: current, and of the same mind as the validator."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pilot.gallery import templates
from pilot.graph.configuration import typed_config
from pilot.graph.json_schema import graph_schema
from pilot.graph.model import Graph
from pilot.graphfile import read_graph_file
from pilot.nodes import BUILT_IN

ROOT = Path(__file__).parents[2]
SPECS = {spec.type: spec for spec in BUILT_IN}
SCHEMA = graph_schema(SPECS)
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs" / "schema" / "graph.schema.json").read_text())
    assert published == SCHEMA, "make it anew: make published"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", sorted(templates()))
def test_every_example_is_of_it(name: str) -> None:
    CHECK.validate(json.loads((ROOT / "examples" / f"{name}.json").read_text()))


def chatbot(**config: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((ROOT / "examples" / "simple_chatbot.json").read_text())
    [llm] = [one for one in body["nodes"] if one["type"] == "llm"]
    llm["config"] |= config
    return body


@pytest.mark.parametrize(
    "config",
    [
        {"temprature": 1},
        {"temperature": 3},
        {"model": 5},
        {"on_unknown": "ask"},
        {"messages": [{"role": "nobody", "content": ""}]},
        {"tools": [{"name": "search"}]},
        {"cache": {"ttl_s": 0}},
    ],
)
def test_what_the_validator_refuses_an_editor_underlines(config: dict[str, Any]) -> None:
    body = chatbot(**config)
    [llm] = [one for one in Graph.model_validate(body).nodes if one.type == "llm"]
    issues: list[Any] = []
    assert typed_config(llm, SPECS["llm"], SPECS, issues) is None
    [error] = CHECK.iter_errors(body)
    assert error.json_path.startswith("$.nodes["), error.json_path
    assert ".config" in error.json_path


def test_bodies_and_policies_are_looked_into_too() -> None:
    body = copy.deepcopy(json.loads((ROOT / "examples" / "refine.json").read_text()))
    [loop] = [one for one in body["nodes"] if one["type"] == "loop"]
    loop["config"]["body"]["nodes"][0]["config"]["modle"] = "x"
    body["nodes"][0]["retry"] = {"max_attempts": 0}
    body["nodes"][1]["type"] = "lop"
    assert len(list(CHECK.iter_errors(body))) == 2
    body["nodes"][1]["type"] = "loop"
    assert any("modle" in error.message for error in CHECK.iter_errors(body))


def test_a_file_may_name_it(tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_text(json.dumps({"$schema": "./graph.schema.json", **chatbot()}))
    assert "$schema" not in read_graph_file(file).body
    CHECK.validate(json.loads(file.read_text()))
