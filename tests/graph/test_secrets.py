"""References to secrets: which are known, where the unknown ones stand, what a node is given."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.errors import GraphError
from pilot.graph.compile import compile_plan
from pilot.graph.secrets import secret_names
from pilot.graph.validate import validate
from pilot.nodes import specs
from pilot.nodes.http import HttpConfig
from pilot.nodes.llm import LlmConfig
from tests.graph.graphs import graph, node

S, OUT = node("s", "start"), node("o", "output")


def calling(**config: Any) -> Any:
    nodes = [S, node("h", "http", config={"url": "https://example.com/", **config}), OUT]
    return graph(nodes, "s>h", "h>o")


def test_an_unknown_secret_is_an_error_at_its_place() -> None:
    asks = calling(headers={"A": "x", "B": "one\nBearer {secrets.ABSENT}"})
    [issue] = validate(asks, specs(), frozenset({"PRESENT"}))
    assert (issue.code, issue.severity) == ("unknown_secret", "error")
    assert (issue.node_id, issue.field) == ("h", "config.headers.B")
    assert (issue.line, issue.column) == (2, 9)
    assert "'ABSENT'" in issue.message
    with pytest.raises(GraphError):
        compile_plan(asks, specs(), frozenset())


def test_known_secrets_and_unchecked_ones_are_no_issue() -> None:
    asks = calling(auth={"type": "bearer", "token": "{secrets.TOKEN}"})
    assert validate(asks, specs(), frozenset({"TOKEN"})) == []
    assert validate(asks, specs()) == []
    assert compile_plan(asks, specs(), frozenset({"TOKEN"}))
    assert validate(asks, specs(), frozenset({"token"}))[0].code == "unknown_secret"


@pytest.mark.parametrize(
    "text", ["{has(secrets.T) ? secrets.T : 'none'}", "{secrets.?T.orValue('none')}"]
)
def test_a_secret_that_is_asked_for_first_may_be_missing(text: str) -> None:
    asks = calling(headers={"A": text})
    assert validate(asks, specs(), frozenset()) == []
    assert secret_names(HttpConfig(url="https://x", headers={"A": text})) == {"T": False}


@pytest.mark.parametrize("text", ["{secrets}", "{secrets[input]}"])
def test_only_a_name_that_is_written_out_is_a_reference(text: str) -> None:
    [issue] = validate(calling(headers={"A": text}), specs(), frozenset({"A"}))
    assert issue.code == "dynamic_reference"


def test_a_plan_holds_the_reference() -> None:
    asks = calling(auth={"type": "bearer", "token": "{secrets.TOKEN}"})
    plan = compile_plan(asks, specs(), frozenset({"TOKEN"}))
    assert plan.nodes[1].config["auth"] == {"type": "bearer", "token": "{secrets.TOKEN}"}


def test_a_configuration_asks_for_the_names_that_stand_in_it() -> None:
    config = HttpConfig(
        url="https://{secrets.HOST}/{input.x}",
        query={"a": ["{secrets.Q}"]},
        body={"deep": [{"x": '{secrets["B"] + secrets.C}'}], "plain": "secrets.NOT"},
    )
    assert secret_names(config) == {"HOST": True, "Q": True, "B": True, "C": True}
    assert secret_names(LlmConfig(prompt_template="no {input}", api_key="{secrets.K}")) == {
        "K": True
    }
    assert secret_names(HttpConfig(url="https://x")) == {}
    asked = "{has(secrets.T) ? secrets.T : ''}"
    both = HttpConfig(url="https://x", headers={"A": asked, "B": "{secrets.T}"})
    assert secret_names(both) == {"T": True}
