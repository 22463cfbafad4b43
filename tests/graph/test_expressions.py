from __future__ import annotations

import re
from typing import Any

import pytest

from pilot.errors import ExpressionError
from pilot.graph.evaluation import MAX_COLLECTED_ITEMS, evaluate
from pilot.graph.expressions import CompileError, compile_expression


def value(text: str, **values: Any) -> Any:
    return evaluate(compile_expression(text), values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input.a", 1),
        ("input.list[1].b", "x"),
        ("input.a + 1", 2),
        ("input.a > 0 && input.list.size() == 2", True),
        ("input.list.map(i, i)", [0, {"b": "x"}]),
        ("has(input.zz) ? input.zz : 'none'", "none"),
        ("input.?zz.orValue(7)", 7),
        ("'a,b'.split(',')", ["a", "b"]),
        ("math.greatest(1, 2)", 2),
        ("base64.encode(b'hi')", "aGk="),
        ("timestamp('2024-01-01T00:00:00Z') + duration('1h')", "2024-01-01T01:00:00Z"),
        ("duration('90s')", "90s"),
        ("{'k': [1, 2.5, null, true]}", {"k": [1, 2.5, None, True]}),
        ("input.text.upperAscii()", "HÉ"),
        ("'%s-%d'.format(['é', 3])", "é-3"),
        ("input['a']", 1),
        ("input.`a`", 1),
        ("input.huge", 2**70),
        ("input.huge > 1.0", True),
    ],
)
def test_values(text: str, expected: Any) -> None:
    data = {"a": 1, "list": [0, {"b": "x"}], "text": "hÉ", "huge": 2**70}
    assert value(text, input=data) == expected


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("input.b", {}, 'no key "b"'),
        ("input.b + 1", {}, 'no key "b"'),
        ("input.a.b", {"a": 3}, "a number"),
        ("input[5]", [1], "no index 5"),
        ("input.a + 1.5", {"a": 1}, "double(...)"),
        ("1 / input", 0, "divide by zero"),
        ("optional.of(input)", 1, "orValue"),
        ("1.0 / 0.0", None, "not a JSON number"),
    ],
)
def test_failures_say_what_to_do(text: str, data: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(message)):
        value(text, input=data)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("input.a +", 1, 10, "Syntax error"),
        ("input.a &&\n  nope > 1", 2, 3, "unknown name 'nope'"),
        ("1 + 'a'", 1, 3, "no matching overload"),
        ("", 1, 1, "empty"),
        ("ünïcode", 1, 1, "Syntax error"),
        ("'é' + nope", 1, 7, "unknown name 'nope'"),
        ("(" * 200 + "1" + ")" * 200, 1, 1, "32 levels"),
        ("1" * 20_001, 1, 1, "20,000"),
        ("\ud800", 1, 1, "Unicode"),
    ],
)
def test_compile_errors_have_a_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_expression(text)
    first = caught.value.problems[0]
    assert (first.line, first.column) == (line, column)
    assert message in first.message


def test_all_problems_of_an_expression_are_named() -> None:
    with pytest.raises(CompileError) as caught:
        compile_expression("nope + 1 > 2 ||\n nah")
    assert [problem.line for problem in caught.value.problems] == [1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes.a.output.x", [("nodes", ("a", "output", "x"), 0)]),
        ("nodes['b-c'].output[0]", [("nodes", ("b-c", "output", 0), 0)]),
        ("nodes.`b-c`.meta", [("nodes", ("b-c", "meta"), 0)]),
        ("1 + vars.x", [("vars", ("x",), 4)]),
        ("execution.id", [("execution.id", (), 0)]),
        ("execution.input.a", [("execution.input", ("a",), 0)]),
        ("[1].map(nodes, nodes)", []),
        ("[1].map(v, vars.x)", [("vars", ("x",), 11)]),
    ],
)
def test_references(text: str, expected: list[Any]) -> None:
    found = compile_expression(text).references
    assert [(one.root, one.segments, one.offset) for one in found] == expected


def test_tested_optional_and_dynamic_references() -> None:
    [tested] = compile_expression("has(nodes.a.output)").references
    assert tested.tested
    assert tested.segments == ("a", "output")
    [optional] = compile_expression("nodes.a.?output.orValue(1)").references
    assert optional.optional_at == 1
    dynamic, inner = compile_expression("nodes[input.k].output").references
    assert dynamic.dynamic
    assert dynamic.segments == ()
    assert inner.root == "input"


@pytest.mark.parametrize(
    ("text", "amplifies"),
    [
        ("input.a", False),
        ("input.a + input.b > 3", False),
        ("input.exists(i, i > 1)", True),
        ("cel.bind(x, input, x + x)", True),
        ("input.replace('a', 'aaaa')", True),
        ("[input].join(',')", True),
        (" + ".join(["input"] * 20), True),
    ],
)
def test_what_can_cost_more_than_its_data_is_known(text: str, amplifies: bool) -> None:
    assert compile_expression(text).amplifies is amplifies


@pytest.mark.parametrize("macro", ["map(i, i)", "filter(i, true)"])
def test_long_lists_are_sent_to_the_code_node(macro: str) -> None:
    assert value(f"input.{macro}.size()", input=[1] * 100) == 100
    with pytest.raises(ExpressionError, match="code node") as caught:
        value(f"input.{macro}", input=[1] * (MAX_COLLECTED_ITEMS + 1))
    assert caught.value.code == "list_too_long"


def test_the_iteration_budget_has_a_hint() -> None:
    with pytest.raises(ExpressionError, match="code node"):
        value("input.all(i, input.all(j, true))", input=list(range(2000)))


def test_regexes_are_linear() -> None:
    assert value("input.matches('(a+)+$')", input="a" * 5_000 + "b") is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("json.encode(input)", '{"a": ["é", 1, 2.5, null, true]}'),
        ("json.encode('x')", '"x"'),
        ("json.encode(input.a[1] + 1)", "2"),
        ("json.decode('{\"k\": [1, 2.5]}').k[1]", 2.5),
        ("json.decode(json.encode(input)) == input", True),
        ("[3, 1, 2].sort()", [1, 2, 3]),
        ("['b', 'a'].sort()", ["a", "b"]),
        ("[1, 1.0, 'a', 'a', [1]].distinct()", [1, "a", [1]]),
        ("[[1], [2, [3]], 4].flatten()", [1, 2, [3], 4]),
        ("[1, 2].sum()", 3),
        ("[0.1, 0.2, 0.3].sum()", 0.6),
        ("[].sum()", 0),
    ],
)
def test_functions_of_our_own(text: str, expected: Any) -> None:
    assert value(text, input={"a": ["é", 1, 2.5, None, True]}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("json.decode('nope')", "Expecting value"),
        ("json.decode('NaN')", "not a JSON number"),
        ("json.decode(input)", "nested deeper"),
        ("[1, 'a'].sort()", "numbers among strings"),
        ("[[1]].sort()", "numbers or of strings"),
        ("['a'].sum()", "list of numbers"),
    ],
)
def test_functions_of_our_own_refuse(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        value(text, input="[" * 5_000 + "]" * 5_000)
