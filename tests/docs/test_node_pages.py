"""What the documentation shows is true: graphs are valid, expressions give what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pilot.graph.evaluation import evaluate
from pilot.graph.expressions import compile_expression
from pilot.graph.model import Graph, Node, RetryOverride
from pilot.graph.validate import validate
from pilot.nodes import BUILT_IN, specs
from pilot.nodes.code import MODULES
from pilot.nodes.start import InputField

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "nodes").glob("*.md"))
GRAPHS = [
    pytest.param(match, id=f"{page.stem}-{index}")
    for page in PAGES
    for index, match in enumerate(re.findall(r"```json graph\n(.*?)```", page.read_text(), re.S))
]
EXPRESSIONS = [
    line
    for block in re.findall(r"```cel\n(.*?)```", (DOCS / "expressions.md").read_text(), re.S)
    for line in block.splitlines()
    if line
]


@pytest.mark.parametrize("text", GRAPHS)
def test_every_graph_of_the_documentation_is_valid(text: str) -> None:
    body: dict[str, Any] = json.loads(text)
    issues = validate(Graph.model_validate(body), specs())
    assert [(issue.code, issue.message) for issue in issues] == []


@pytest.mark.parametrize("line", EXPRESSIONS)
def test_every_expression_gives_what_it_says(line: str) -> None:
    text, _, expected = line.rpartition(" // ")
    value, wanted = evaluate(compile_expression(text), {}), json.loads(expected)
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.type)
def test_every_field_of_a_type_is_on_its_page(spec: Any) -> None:
    text = (DOCS / "nodes" / f"{spec.type}.md").read_text()
    assert f"# {spec.type}\n" in text
    for field in spec.config.model_fields:
        assert f"`{field}`" in text, field


def test_the_rest_of_the_pages() -> None:
    start, policy = (DOCS / "nodes" / f"{name}.md" for name in ("start", "policy"))
    assert all(f"`{field}`" in start.read_text() for field in InputField.model_fields)
    text = policy.read_text()
    assert all(f"`{field}`" in text for field in RetryOverride.model_fields)
    beside = set(Node.model_fields) - {"id", "type", "position", "config"}
    assert all(f"`{field}`" in text for field in beside), beside
    code = re.sub(r"\s+", " ", (DOCS / "nodes" / "code.md").read_text())
    assert ", ".join(MODULES[:-1]) in code


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, DOCS / "expressions.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)
