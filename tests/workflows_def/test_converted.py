"""Graphs from elsewhere do here what they did there: run on the interpreter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilot.convert.document import Conversion
from pilot.graph.issues import errors
from pilot.graph.validate import validate
from pilot.nodes import specs
from tests.convert.dify_app import dify_node, end, from_dify_nodes, start
from tests.convert.n8n_workflow import GO, from_n8n_nodes, n8n_node, set_node
from tests.convert.test_dify import converted as dify
from tests.convert.test_n8n import converted as n8n
from tests.convert.test_n8n_agent import agent, look_up
from tests.convert.test_n8n_items import if_node
from tests.openai_server import Reply, calls
from workflows_def.messages import UPDATE_ANSWER, Answer, AnswerResult


def drawn(found: Conversion) -> tuple[list[dict[str, Any]], list[str]]:
    body = found.graph.to_json()
    edges = [
        f"{edge['source']}:{edge.get('source_handle', 'default')}>{edge['target']}"
        for edge in body["edges"]
    ]
    return body["nodes"], edges


async def run(runner: Any, found: Conversion, input: Any) -> Any:
    nodes, edges = drawn(found)
    return await runner.run(nodes, *edges, input=input)


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


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"note": "well", "action": "send"}, {"e": {"note": "well", "by": "send"}}),
        ({"note": "bad", "action": "drop"}, {"n": {"note": "bad"}}),
    ],
)
async def test_a_person_fills_in_a_form_as_in_dify(runner: Any, values: Any, said: Any) -> None:
    ask = dify_node(
        "ask", "human-input", form_content="Note {{#$output.note#}}",
        inputs=[{"type": "paragraph", "output_variable_name": "note"}],
        user_actions=[{"id": "send", "title": "Send"}, {"id": "drop", "title": "Drop"}],
    )  # fmt: skip
    found = from_dify_nodes(
        [start("text"), ask, end("e", note=["ask", "note"], by=["ask", "__action_id"]),
         end("n", note=["ask", "note"])],
        "s>ask", "ask:send>e", "ask:drop>n",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    nodes, edges = drawn(found)
    handle = await runner.start(nodes, *edges, input={"text": "x"})
    await runner.until(handle, "ask", "waiting")
    answer = Answer("ask", "", "bob", "approved", role="runner", values=values)
    await handle.execute_update(UPDATE_ANSWER, answer, result_type=AnswerResult)
    assert await runner.result(handle) == said


@pytest.mark.parametrize(
    ("data", "given", "result"),
    [
        ({"limit": {"enabled": True, "size": 2}}, ["b", "a", "c"], ["b", "a"]),
        (
            {
                "filter_by": {
                    "enabled": True,
                    "conditions": [{"comparison_operator": "not contains", "value": "x"}],
                },
                "order_by": {"enabled": True, "value": "desc"},
                "limit": {"enabled": True, "size": 2},
            },
            ["a", "bx", "d", "c"],
            ["d", "c"],
        ),
        ({"extract_by": {"enabled": True, "serial": "2"}}, ["a", "b"], ["b"]),
        ({"extract_by": {"enabled": True, "serial": "2"}}, [], []),
    ],
)
async def test_a_list_is_picked_from_as_in_dify(
    runner: Any, data: Any, given: Any, result: Any
) -> None:
    begin = dify_node(
        "s", "start", variables=[{"variable": "list", "type": "json_object", "required": True}]
    )
    lists = dify_node(
        "pick", "list-operator", variable=["s", "list", "of"], var_type="array[string]", **data
    )
    found = from_dify_nodes(
        [begin, lists, end(all=["pick", "result"], last=["pick", "last_record"])],
        "s>pick", "pick>e",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    assert await run(runner, found, {"list": {"of": given}}) == {
        "all": result,
        "last": result[-1] if result else None,
    }


ROWS = [{"n": 3, "s": "b"}, {"n": 1, "s": "A"}, {"n": 2, "s": "c"}]


def single(name: str, kind: str, parameters: Any, **beside: Any) -> dict[str, Any]:
    return n8n_node(name, kind, {"options": {}, **parameters}, **beside)


async def test_loop_over_items_gives_what_came_back_in_order(runner: Any) -> None:
    found = from_n8n_nodes(
        [GO, single("Split", "splitOut", {"fieldToSplitOut": "rows"}),
         single("Loop", "splitInBatches", {}, typeVersion=3),
         set_node("Twice", n=("number", "={{ $json.n * 2 }}")),
         single("Gather", "aggregate", {"aggregate": "aggregateAllItemData"})],
        "Go>Split", "Split>Loop", "Loop:1>Twice", "Twice>Loop", "Loop:0>Gather",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    assert await run(runner, found, {"rows": ROWS}) == {"data": [{"n": 6}, {"n": 2}, {"n": 4}]}
    assert await run(runner, found, {"rows": []}) == {"data": []}


async def test_items_that_a_branch_ends_are_left_out_as_in_n8n(runner: Any) -> None:
    found = from_n8n_nodes(
        [GO, single("Split", "splitOut", {"fieldToSplitOut": "rows"}),
         if_node("Large", "={{ $json.n }}"), set_node("Keep", s="={{ $json.s }}"),
         single("Gather", "aggregate", {
             "fieldsToAggregate": {"fieldToAggregate": [{"fieldToAggregate": "s"}]},
         })],
        "Go>Split", "Split>Large", "Large:0>Keep", "Keep>Gather",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    assert await run(runner, found, {"rows": ROWS}) == {"s": ["b", "c"]}


@pytest.mark.parametrize(
    ("split", "given", "items"),
    [
        ({}, {"rows": ROWS[:1]}, ROWS[:1]),
        ({}, {"rows": ["x", None, [5]]}, [{"rows": "x"}, {"rows": None}, {"0": 5}]),
        ({}, {"rows": "one"}, [{"rows": "one"}]),
        ({}, {"rows": {"k": 1}}, [{"rows": 1}]),
        ({}, {}, []),
        (
            {"include": "allOtherFields"},
            {"rows": [1], "id": 7},
            [{"id": 7, "rows": 1}],
        ),
        (
            {"fieldToSplitOut": "in.rows", "include": "selectedOtherFields",
             "fieldsToInclude": "id", "options": {"destinationFieldName": "row"}},
            {"in": {"rows": [1, 2]}, "id": 7},
            [{"row": 1, "id": 7}, {"row": 2, "id": 7}],
        ),
    ],
)  # fmt: skip
async def test_split_out_gives_the_items_of_n8n(
    runner: Any, split: Any, given: Any, items: Any
) -> None:
    parameters = {"fieldToSplitOut": "rows", "options": {}, **split}
    found = from_n8n_nodes([GO, n8n_node("Split", "splitOut", parameters)], "Go>Split")
    assert errors(validate(found.graph, specs())) == []
    assert await run(runner, found, given) == items


@pytest.mark.parametrize(
    ("kind", "parameters", "output"),
    [
        ("limit", {"maxItems": 2}, ROWS[:2]),
        ("limit", {"maxItems": 2, "keep": "lastItems"}, ROWS[1:]),
        (
            "sort",
            {"sortFieldsUi": {"sortField": [{"fieldName": "s"}]}},
            [ROWS[1], ROWS[0], ROWS[2]],
        ),
        (
            "sort",
            {"sortFieldsUi": {"sortField": [{"fieldName": "n", "order": "descending"}]}},
            [ROWS[0], ROWS[2], ROWS[1]],
        ),
        (
            "aggregate",
            {"aggregate": "aggregateAllItemData", "destinationFieldName": "all",
             "include": "specifiedFields", "fieldsToInclude": "n"},
            {"all": [{"n": 3}, {"n": 1}, {"n": 2}]},
        ),
    ],
)  # fmt: skip
async def test_all_items_are_taken_as_in_n8n(
    runner: Any, kind: str, parameters: Any, output: Any
) -> None:
    found = from_n8n_nodes(
        [GO, single("Split", "splitOut", {"fieldToSplitOut": "rows"}),
         single("All", kind, parameters)],
        "Go>Split", "Split>All",
    )  # fmt: skip
    assert errors(validate(found.graph, specs())) == []
    assert await run(runner, found, {"rows": ROWS}) == output


async def test_an_agent_of_n8n_calls_its_tool(runner: Any, model: Any) -> None:
    model.script(calls(("Look_up", {"word": "tea", "count": 1})), Reply(text="Nothing there."))
    found = agent(look_up(f"{model.base_url}/nothing"))
    assert errors(validate(found.graph, specs())) == []
    given = {"chatInput": "What is tea?", "history": [{"role": "user", "content": "Hi"}]}
    assert await run(runner, found, given) == {"output": "Nothing there."}
    first, second = (one["messages"] for one in model.requests)
    assert [one["content"] for one in first] == ["Help.", "Hi", "What is tea?"]
    [tool] = model.requests[0]["tools"]
    assert tool["function"]["name"] == "Look_up"
    assert second[-1]["role"] == "tool"
    # it was called: the address is not one that the operator allows
    assert "address_not_allowed" in second[-1]["content"]


async def test_parameters_are_extracted_as_in_dify(runner: Any, model: Any) -> None:
    extract = dify_node(
        "extract", "parameter-extractor", query=["s", "text"], instruction="Only cities.",
        model={"provider": "langgenius/openai/openai", "name": "m"},
        parameters=[
            {"name": "city", "type": "string", "required": True, "description": "Where"},
            {"name": "days", "type": "number", "required": False},
        ],
    )  # fmt: skip
    found = from_dify_nodes(
        [start("text"), extract, end(where=["extract", "city"])], "s>extract", "extract>e"
    )
    assert errors(validate(found.graph, specs())) == []
    # an answer that does not fit is asked for once more
    model.script(Reply(text='{"days": 2}'), Reply(text='{"city": "Oslo", "days": 2}'))
    assert await run(runner, found, {"text": "Two days in Oslo"}) == {"where": "Oslo"}
    assert len(model.requests) == 2
    assert "Only cities." in model.requests[0]["messages"][0]["content"]
    assert model.requests[0]["messages"][-1]["content"] == "Two days in Oslo"
