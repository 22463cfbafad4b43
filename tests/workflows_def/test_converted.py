"""Graphs from elsewhere do here what they did there: run on the interpreter."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.test_dify import converted as dify
from tests.openai_server import Reply


async def run(runner: Any, found: Conversion, input: Any) -> Any:
    body = found.graph.to_json()
    edges = [
        f"{edge['source']}:{edge.get('source_handle', 'default')}>{edge['target']}"
        for edge in body["edges"]
    ]
    return await runner.run(body["nodes"], *edges, input=input)


async def test_the_chatflow_runs_as_in_dify(runner: Any, model: Any) -> None:
    found = dify("support_chat")
    model.script(Reply(text='{"class_name": "small talk"}'), Reply(text="Hello Ada."))
    given = {"customer": "Ada", "query": "Hi there", "history": [{"role": "user", "content": "x"}]}
    assert await run(runner, found, given) == "Hello Ada. (status )"
    asked, wrote = (one["messages"] for one in model.requests)
    assert "Shop: Tea {and} more" in asked[0]["content"]
    assert asked[-1]["content"] == "Hi there"
    assert wrote[0]["content"] == ("You are warm. Known: Dear Ada,\n0 topics so far {ok}")
    assert wrote[1:] == [
        {"role": "user", "content": "x"},
        {"role": "user", "content": "Hi there"},
    ]


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ({"text": "a b c d"}, {"many": "many: 4", "few": None, "none": None, "total": 4}),
        ({"text": "one"}, {"many": None, "few": "few", "none": None, "total": 1}),
        ({"text": "Ah"}, {"many": None, "few": "few", "none": None, "total": 1}),
        ({"text": "x y"}, {"many": None, "few": None, "none": "none", "total": 2}),
    ],
)
async def test_code_and_cases_do_as_in_dify(runner: Any, given: Any, output: Any) -> None:
    found = dify("word_work")
    assert errors(validate(found.graph, specs())) == []
    assert found.report.findings == ()
    assert await run(runner, found, given) == output
