from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.errors import TemplateError
from pilot.graph.evaluation import evaluate
from pilot.graph.templates import (
    MAX_RENDERED_CHARS,
    TemplateSyntaxError,
    parse_template,
    render,
    render_config,
    texts,
)
from pilot.nodes.http import HttpConfig
from pilot.nodes.llm import LlmConfig
from pilot.nodes.variable import VariableConfig


def value(text: str, **values: Any) -> Any:
    return render(parse_template(text), lambda expression: evaluate(expression, values))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Respond to: {input}", "Respond to: hi"),
        ("{input}", "hi"),
        ("{{literal}} {input}", "{literal} hi"),
        ("{{{input}}}", "{hi}"),
        ("{{}}", "{}"),
        ("", ""),
        ("no braces", "no braces"),
        ("{'}' + input}", "}hi"),
        ("{ {'a': {'b': input}} }", {"a": {"b": "hi"}}),
        ('{"a}b"} and {input}', "a}b and hi"),
        ("héllo 🙂 {input}", "héllo 🙂 hi"),
        ("{input}{input}", "hihi"),
        ("{1 + 1} {true} {null} {[1, 'é']}", '2 true null [1, "é"]'),
        ("{1.5}", 1.5),
    ],
)
def test_rendering(text: str, expected: Any) -> None:
    assert value(text, input="hi") == expected


@pytest.mark.parametrize("lone", [{"a": [1]}, [1, 2], 3, 2.5, True, None, "s"])
def test_a_lone_expression_keeps_its_type(lone: Any) -> None:
    result = value("{input}", input=lone)
    assert result == lone
    assert type(result) is type(lone)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('Answer as JSON:\n{"a": 1}', 2, 1, "{{ and }}"),
        ('{\n "a": 1\n}', 1, 1, "{{ and }}"),
        ("{}", 1, 1, "{{ and }}"),
        ("x {input", 1, 3, "never closed"),
        ("x } y", 1, 3, "a lone }"),
        ("one\ntwo {input.a +}", 2, 15, "Syntax error"),
        ("é🙂 {nope}", 1, 5, "unknown name 'nope'"),
    ],
)
def test_errors_have_a_place_and_a_hint(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_template(text)
    first = caught.value.problems[0]
    assert (first.line, first.column) == (line, column)
    assert message in first.message


def test_every_problem_of_a_template_is_named() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_template("} {nope} {a b}")
    assert len(caught.value.problems) == 3


@given(st.text(max_size=200))
def test_escaped_text_comes_back(text: str) -> None:
    assert value(text.replace("{", "{{").replace("}", "}}")) == text


@given(st.text(alphabet="{}'\"\\`ab\n", max_size=60))
def test_any_text_parses_or_says_why(text: str) -> None:
    try:
        parse_template(text)
    except TemplateSyntaxError as error:
        assert error.problems
        assert all(problem.line >= 1 and problem.column >= 1 for problem in error.problems)


def test_a_prompt_of_a_megabyte() -> None:
    begin = time.process_time()
    assert len(value("é" * 1_000_000 + "{input}", input="x" * 1_000)) == 1_001_000
    assert time.process_time() - begin < 1


def test_growth_is_bounded() -> None:
    with pytest.raises(TemplateError, match="grows over"):
        value("a" + "{input}" * 20, input="x" * (MAX_RENDERED_CHARS // 10))


def test_quadratic_scanning_is_not_to_be_had() -> None:
    """Many unclosed quotes and braces: the scan must not start over at each of them."""
    begin = time.process_time()
    for text in ("{'" * 50_001, "{" * 100_001, "{'a\\n" * 50_000, '{"""' * 20_001):
        with pytest.raises(TemplateSyntaxError):
            parse_template(text)
    assert time.process_time() - begin < 5


def test_every_template_of_a_configuration_is_found() -> None:
    config = HttpConfig.model_validate(
        {
            "url": "https://x/{input}",
            "query": {"q": ["{vars.a}", 1]},
            "headers": {"X": "a"},
            "body": {"deep": [{"er": "{input}"}]},
            "auth": {"type": "bearer", "token": "{secrets.T}"},
        }
    )
    assert [(text.path, text.text) for text in texts(config)] == [
        ("url", "https://x/{input}"),
        ("query.q[0]", "{vars.a}"),
        ("headers.X", "a"),
        ("body.deep[0].er", "{input}"),
        ("auth.token", "{secrets.T}"),
    ]


def test_configurations_render_at_any_depth() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "{input}"}]}]
    config = LlmConfig.model_validate({"messages": messages, "prompt_template": "p"})
    rendered = render_config(config, lambda text, path: f"<{path}:{text}>")
    assert rendered.messages[0].content == [
        {
            "type": "<messages[0].content[0].type:text>",
            "text": "<messages[0].content[0].text:{input}>",
        }
    ]
    assert config.messages[0].content[0]["text"] == "{input}", "the original is unchanged"


def test_keys_are_not_templates() -> None:
    config = VariableConfig.model_validate({"assignments": {"a": {"{k}": ["{input}", 1, None]}}})
    rendered = render_config(config, lambda text, _path: "R")
    assert rendered.assignments == {"a": {"{k}": ["R", 1, None]}}
