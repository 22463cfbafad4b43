"""Graphs from elsewhere do here what they did there: run on the interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.n8n_workflow import GO, from_n8n_nodes, n8n_node, set_node
from tests.convert.test_dify import converted as dify
from tests.convert.test_n8n import converted as n8n
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


async def test_the_small_branch_of_n8n_answers_its_webhook(runner: Any) -> None:
    body = {"name": " Ada ", "items": [{"price": 3, "count": 4}]}
    assert await run(runner, n8n("order_desk"), {"body": body}) == {
        "small": {"small": "none", "total": "12", "as": "{keep} {{ these }}"}
    }


@pytest.mark.parametrize(
    ("sorted_as", "more", "said"),
    [
        ({"topic": "sales", "score": 0}, ("Buy!",), "Buy!!"),
        ({"topic": "urgent", "score": 1}, (), "high: 1!"),
        ({"topic": "x", "score": 7}, (), "high: 7!"),
        ({"topic": "x", "score": 1}, (), "low!"),
    ],
)
async def test_a_chat_of_n8n_is_sorted_and_answered(
    runner: Any, model: Any, sorted_as: Any, more: Any, said: str
) -> None:
    model.script(Reply(text=json.dumps(sorted_as)), *(Reply(text=one) for one in more))
    output = await run(runner, n8n("ask_about_mail"), {"chatInput": "Hello"})
    assert output == {"said": said}
    assert model.requests[0]["messages"][-1]["content"] == "Sort this: Hello"
    assert [one["messages"][0]["content"] for one in model.requests[1:]] == [
        "Topic sales" for _ in more
    ]


async def test_an_iteration_is_a_map_and_a_loop_a_loop(runner: Any) -> None:
    found = dify("loops")
    assert errors(validate(found.graph, specs())) == []
    assert [one for one in found.report.findings if one.severity != "info"] == []
    given = {"words": {"list": ["tea", "bee", "", "knee"]}, "mark": "!"}
    assert await run(runner, found, given) == {
        "words": ["tea", "BEE!1", "", "KNEE!3"],
        "num": 5,
        "text": "x",
    }


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("both", {"meet": {"a": 1, "same": "b", "b": 2}}),
        ("a", {}),  # n8n gives no item without a partner
    ],
)
async def test_a_merge_waits_for_its_inputs_as_in_n8n(runner: Any, kind: str, output: Any) -> None:
    rule = {
        "conditions": {
            "conditions": [
                {
                    "leftValue": "={{ $json.kind }}",
                    "rightValue": "both",
                    "operator": {"type": "string", "operation": "equals"},
                }
            ]
        }
    }
    meet = n8n_node(
        "Meet", "merge", {"mode": "combine", "combineBy": "combineByPosition"}, typeVersion=3
    )
    found = from_n8n_nodes(
        [GO, n8n_node("If", "if", rule, typeVersion=2), set_node("A", a=1, same="a"),
         set_node("B", b=2, same="b"), meet],
        "Go>A", "Go>If", "If:0>B", "A>Meet:0", "B>Meet:1",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    given = await run(runner, found, {"kind": kind})
    assert given == (output["meet"] if output else None)


async def test_a_stop_fails_with_its_message(runner: Any) -> None:
    stop = n8n_node("Stop", "stopAndError", {"errorMessage": "=No {{ $json.what }}"})
    found = from_n8n_nodes([GO, stop], "Go>Stop")
    assert errors(validate(found.graph, specs())) == []
    with pytest.raises(Exception) as failure:
        await run(runner, found, {"what": "tea"})
    assert "No tea" in str(getattr(failure.value, "cause", None) or failure.value)
