"""start, condition, variable and output as activities."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.condition import condition
from activities.output import output
from activities.start import start
from activities.variable import variable
from pilot.graph.task import NodeResult, NodeTask, Scope


async def run(activity: Any, config: dict[str, Any], **scope: Any) -> NodeResult:
    task = NodeTask("e", "w", "u", "n", "t", "n", config, Scope(**scope))
    result: NodeResult = await ActivityEnvironment().run(activity, task)
    return result


async def failure(activity: Any, config: dict[str, Any], **scope: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as caught:
        await run(activity, config, **scope)
    return caught.value


INPUTS = {
    "inputs": [
        {"name": "n", "type": "integer"},
        {"name": "tone", "type": "string", "default": "kind"},
        {"name": "extra", "type": "any", "required": False},
    ]
}


async def test_start_fills_defaults_and_keeps_what_else_came() -> None:
    result = await run(start, INPUTS, input={"n": 1, "more": [1]})
    assert result.output == {"n": 1, "tone": "kind", "more": [1]}


@pytest.mark.parametrize("input", ["text", None, 3, {"a": 1}, [1]])
async def test_start_without_declared_inputs_takes_anything(input: Any) -> None:
    assert (await run(start, {}, input=input)).output == input


@pytest.mark.parametrize(
    ("input", "code"),
    [
        ({}, "missing_input"),
        ({"n": "1"}, "invalid_input"),
        ({"n": True}, "invalid_input"),
        ({"n": 1.5}, "invalid_input"),
        ({"n": None}, "invalid_input"),
        ({"n": 1, "tone": 5}, "invalid_input"),
        ("text", "invalid_input"),
    ],
)
async def test_start_refuses_bad_input(input: Any, code: str) -> None:
    error = await failure(start, INPUTS, input=input)
    assert (error.type, error.non_retryable) == (code, True)


@pytest.mark.parametrize(("x", "branch"), [(2, "true"), (1, "false")])
async def test_condition_takes_true_or_false(x: int, branch: str) -> None:
    result = await run(condition, {"expression": "input.x > 1"}, input={"x": x})
    assert result.handles == [branch]
    assert result.meta["branch"] == branch


@pytest.mark.parametrize(("x", "branch"), [(9, "big"), (3, "mid"), (0, "else")])
async def test_condition_takes_the_first_case_that_holds(x: int, branch: str) -> None:
    cases = [
        {"handle": "big", "expression": "input > 5"},
        {"handle": "mid", "expression": "input > 1"},
    ]
    assert (await run(condition, {"cases": cases}, input=x)).handles == [branch]


async def test_a_condition_that_gives_no_boolean_fails() -> None:
    error = await failure(condition, {"expression": "input"}, input="yes")
    assert (error.type, error.non_retryable) == ("expression_not_bool", True)


@pytest.mark.parametrize(
    ("operation", "before", "value", "after"),
    [
        ("set", 1, 2, 2),
        ("append", [1], 2, [1, 2]),
        ("append", None, {"a": 1}, [{"a": 1}]),
        ("increment", 1, 2.5, 3.5),
        ("increment", None, 2, 2),
        ("merge", {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ("merge", {"a": 1}, {"a": 2}, {"a": 2}),
    ],
)
async def test_variable_operations(operation: str, before: Any, value: Any, after: Any) -> None:
    config = {"assignments": {"v": value}, "operations": {"v": operation}}
    result = await run(variable, config, vars={} if before is None else {"v": before})
    assert result.vars == {"v": after}


@pytest.mark.parametrize(
    ("operation", "before", "value"),
    [
        ("append", "text", 1),
        ("increment", "1", 1),
        ("increment", True, 1),
        ("increment", 1, "x"),
        ("merge", [1], {}),
        ("merge", {}, [1]),
    ],
)
async def test_operations_on_the_wrong_type_fail(operation: str, before: Any, value: Any) -> None:
    config = {"assignments": {"v": value}, "operations": {"v": operation}}
    error = await failure(variable, config, vars={"v": before})
    assert (error.type, error.non_retryable) == ("type_mismatch", True)


async def test_an_output_is_held_to_its_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config = {"value": {"n": "{input}"}, "output_schema": schema}
    assert (await run(output, config, input=3)).output == {"n": 3}
    error = await failure(output, config, input="three")
    assert (error.type, error.non_retryable) == ("output_schema_mismatch", True)
    assert "$.n" in error.message
    assert "three" not in error.message


async def test_output_renders_its_value() -> None:
    assert (await run(output, {}, input=[1])).output == [1]
    assert (await run(output, {"value": {"k": "a {input}"}}, input="b")).output == {"k": "a b"}
