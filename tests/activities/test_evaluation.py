"""Templates and expressions on a scope, and what an expression may cost the worker."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

from activities.evaluation import evaluate, render
from pilot.errors import ExpressionError, TemplateError
from pilot.graph.task import Scope
from pilot.nodes.http import HttpConfig
from pilot.nodes.output import OutputConfig

SCOPE = Scope(
    input={"a": 1, "text": "hé"},
    nodes={"n": {"output": [1, 2], "meta": {"status": 200}}},
    vars={"v": "x"},
    execution={"id": "e1", "input": {"q": 1}},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input.a", 1),
        ("nodes.n.output[1] + nodes.n.meta.status", 202),
        ("vars.v + '!'", "x!"),
        ("execution.id", "e1"),
        ("execution.input.q", 1),
        ("has(nodes.skipped.output)", False),
        ("nodes.skipped.?output.orValue('none')", "none"),
        ("has(vars.unset) ? vars.unset : 0", 0),
        ("nodes.n.output.map(i, i * 2)", [2, 4]),
        ("nodes.n.output.exists(i, i == 2)", True),
        ("input.text.replace('h', 'H')", "Hé"),
    ],
)
async def test_values_in_scope(text: str, expected: Any) -> None:
    assert await evaluate(text, SCOPE) == expected


async def test_every_string_of_a_configuration_is_rendered() -> None:
    config = OutputConfig(value={"a": ["{input.a}", "n {nodes.n.output}"], "b": 2})
    rendered = await render(config, SCOPE)
    assert rendered.value == {"a": [1, "n [1, 2]"], "b": 2}


async def test_secrets_come_only_from_the_caller() -> None:
    config = HttpConfig(url="https://a.b/{secrets.KEY}")
    assert (await render(config, SCOPE, secrets={"KEY": "k"})).url == "https://a.b/k"
    with pytest.raises(ExpressionError):
        await render(config, SCOPE)


async def test_an_error_names_field_and_expression() -> None:
    with pytest.raises(TemplateError, match=r"value\.x\[0\]: \{input\.zz\}: no key"):
        await render(OutputConfig(value={"x": ["{input.zz}"]}), SCOPE)


DOUBLING = "input.text"
for _level in range(28):
    DOUBLING = f"cel.bind(x{_level}, {DOUBLING}, x{_level} + x{_level})"


@pytest.mark.parametrize(
    "text",
    [
        f"({DOUBLING}).size()",
        "input.list.map(a, input.list.map(b, [a, b])).size()",
        "input.long.replace('a', input.long).size()",
        "[input.long, input.long].map(a, a.replace('a', input.long)).size()",
    ],
)
async def test_costly_expressions_end_and_leave_the_worker_alone(text: str) -> None:
    scope = Scope(input={"text": "x" * 1000, "list": list(range(2_900)), "long": "a" * 100_000})
    before = psutil.Process().memory_info().rss
    begin = time.monotonic()
    with pytest.raises(ExpressionError) as caught:
        await evaluate(text, scope)
    assert "code node" in caught.value.message
    assert time.monotonic() - begin < 30
    assert psutil.Process().memory_info().rss - before < 64 << 20
    assert await evaluate("[1, 2].map(i, i + 1)", scope) == [2, 3], "the next one works"


async def test_errors_come_back_from_the_other_process() -> None:
    with pytest.raises(ExpressionError, match='no key "zz"'):
        await evaluate("[1].map(i, input.zz)", SCOPE)
