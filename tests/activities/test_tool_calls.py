"""What a model is told of its tools, and what becomes of the calls it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from activities.llm import llm
from activities.tool_calls import MAX_CALLS_A_ROUND
from pilot.graph.task import NodeResult, ToolCall
from tests.openai_server import OpenAIServer, Reply, calls

from .conftest import environment, failure, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [
    {"node": "get weather", "description": "Today's.", "parameters": PARAMETERS},
    {"node": "other", "name": "search"},
]


def node(round: int = 0, **config: Any) -> Any:
    one = task("llm", {"prompt_template": "x", "tools": TOOLS, **config})
    return replace(one, round=round)


async def run(round: int = 0, **config: Any) -> NodeResult:
    return await environment().run(llm, node(round, **config))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("without_ids", [True, False])
async def test_calls_come_with_their_nodes_and_arguments(
    server: OpenAIServer, stream: bool, without_ids: bool
) -> None:
    asked = calls(
        ("get_weather", {"city": "Oslo"}), ("search", ""), text="Hm.", without_ids=without_ids
    )
    server.script(asked)
    result = await run(stream=stream)
    ids = [call.id for call in result.tool_calls or ()]
    if without_ids:
        assert len(set(ids)) == 2
        assert all(ids)
    else:
        assert ids == ["id0", "id1"]
    assert result.tool_calls == [
        ToolCall(ids[0], "get_weather", "get weather", {"city": "Oslo"}),
        ToolCall(ids[1], "search", "other", {}),
    ]
    assert result.output is None
    assert result.meta["usage"]["prompt_tokens"] == 1
    [message] = result.messages or []
    assert message["content"] == "Hm."
    assert [call["id"] for call in message["tool_calls"]] == ids
    [request] = server.requests
    assert request["tools"][0]["function"] == {
        "name": "get_weather",
        "description": "Today's.",
        "parameters": PARAMETERS,
    }
    assert request["tools"][1]["function"]["name"] == "search"
    assert "tool_choice" not in request


async def test_the_transcript_follows_the_messages(server: OpenAIServer) -> None:
    server.script(calls(("search", {})), Reply("done"))
    first = await run()
    answered = [*first.messages, {"role": "tool", "tool_call_id": "id0", "content": "found"}]
    result = await environment().run(llm, replace(node(1), transcript=answered))
    assert result.output == "done"
    assert result.tool_calls is None
    user, asked, told = server.requests[1]["messages"]
    assert user == {"role": "user", "content": "x"}
    assert asked["tool_calls"] == answered[0]["tool_calls"]
    assert told == answered[1]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nothing", {}, "there is no tool 'nothing'"),
        ("get_weather", "{nope", "not JSON"),
        ("get_weather", {"city": 5}, "$.city: 5 is not of type 'string'"),
        ("get_weather", {"city": "x", "more": 1}, "'more' was unexpected"),
        ("get_weather", {}, "'city' is a required property"),
    ],
)
async def test_a_call_that_cannot_be_run_says_why(
    server: OpenAIServer, name: str, arguments: Any, said: str
) -> None:
    server.script(calls((name, arguments), ("search", {})))
    bad, good = (await run()).tool_calls or ()
    assert said in str(bad.error)
    assert good.error is None


async def test_too_many_calls_at_once(server: OpenAIServer) -> None:
    server.script(calls(*[("search", {})] * (MAX_CALLS_A_ROUND + 2)))
    asked = (await run()).tool_calls or []
    assert [call.error is None for call in asked] == [True] * MAX_CALLS_A_ROUND + [False] * 2


async def test_in_the_last_round_the_model_must_answer(server: OpenAIServer) -> None:
    server.script(Reply("fine"), calls(("search", {})))
    assert (await run(2, max_tool_rounds=2)).output == "fine"
    assert server.requests[0]["tool_choice"] == "none"
    error = await failure(llm, node(2, max_tool_rounds=2))
    assert (error.type, error.non_retryable) == ("llm_tool_rounds", True)


async def test_the_answer_after_tools_is_held_to_its_schema(server: OpenAIServer) -> None:
    server.script(calls(("search", {})), Reply("[1]"))
    config = {"output_schema": {"type": "array"}}
    assert (await run(**config)).tool_calls is not None
    assert (await run(1, **config)).output == [1]


async def test_the_demo_model_calls_nothing(server: OpenAIServer) -> None:
    from .conftest import opened

    async with opened():
        result = await run()
    assert result.meta["demo"] is True
    assert result.tool_calls is None
