"""Answers that must be JSON by a schema: asked for, checked, mended once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.answer_format import check, parse_json
from activities.llm import llm
from pilot.errors import NodeError
from pilot.events.model import EventType
from pilot.graph.task import NodeResult
from tests.openai_server import Failure, OpenAIServer, Reply

from .conftest import Watcher, environment, failure, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

SCHEMA = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"price": {"type": "number"}}},
        }
    },
    "required": ["items"],
    "additionalProperties": False,
}
GOOD = '{"items": [{"price": 1.5}]}'
BAD = '{"items": [{"price": 1}, {"price": "two"}]}'
KNOWS_SCHEMAS, KNOWS_NONE = "gpt-4o", "my-own-model"


async def run(**config: Any) -> NodeResult:
    config = {"model": KNOWS_NONE, "prompt_template": "x", "output_schema": SCHEMA, **config}
    return await environment().run(llm, task("llm", config))


async def fails(**config: Any) -> ApplicationError:
    config = {"model": KNOWS_NONE, "prompt_template": "x", "output_schema": SCHEMA, **config}
    return await failure(llm, task("llm", config))


async def test_a_model_that_knows_schemas_is_sent_the_schema(server: OpenAIServer) -> None:
    server.script(Reply(GOOD))
    result = await run(model=KNOWS_SCHEMAS)
    assert result.output == json.loads(GOOD)
    assert "repaired" not in result.meta
    [request] = server.requests
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    assert request["messages"] == [{"role": "user", "content": "x"}]


async def test_openais_own_shape_is_sent_as_it_is(server: OpenAIServer) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "cart", "schema": SCHEMA, "strict": True},
    }
    server.script(Reply(GOOD))
    result = await run(model=KNOWS_SCHEMAS, output_schema=None, response_format=wanted)
    assert result.output == json.loads(GOOD)
    assert server.requests[0]["response_format"] == wanted


async def test_any_other_model_is_told_the_schema(server: OpenAIServer) -> None:
    server.script(Reply(GOOD), Reply(GOOD))
    await run()
    await run(system_template="Be brief.")
    first, second = server.requests
    assert "response_format" not in first
    assert json.dumps(SCHEMA) in first["messages"][0]["content"]
    assert [message["role"] for message in first["messages"]] == ["system", "user"]
    assert second["messages"][0]["content"].startswith("Be brief.\n\nAnswer with JSON only")
    assert len(second["messages"]) == 2


@pytest.mark.parametrize("bad", [BAD, "sorry, no"])
async def test_a_wrong_answer_is_mended_once(
    server: OpenAIServer, watcher: Watcher, bad: str
) -> None:
    server.script(Reply(bad), Reply(GOOD))
    result = await run()
    assert result.output == json.loads(GOOD)
    assert result.meta["repaired"] is True
    first, second = server.requests
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assert second["messages"][-2] == {"role": "assistant", "content": bad}
    if bad is BAD:
        assert (
            "$.items[1].price: 'two' is not of type 'number'" in second["messages"][-1]["content"]
        )
    usage = result.meta["usage"]
    assert usage["completion_tokens"] == len(bad.split()) + len(GOOD.split())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert watcher.of(EventType.LLM_TOKEN)[-1]["repair"] is True


async def test_what_stays_wrong_names_its_path(server: OpenAIServer) -> None:
    server.script(Reply(BAD), Reply(BAD))
    error = await fails()
    assert (error.type, error.non_retryable) == ("llm_schema_mismatch", True)
    assert "$.items[1].price" in error.message
    assert len(server.requests) == 2
    assert error.details[0]["meta"]["usage"]["completion_tokens"] == 2 * len(BAD.split())


async def test_a_cut_answer_is_not_sent_back(server: OpenAIServer) -> None:
    server.script(Reply('{"items": [', finish_reason="length"))
    error = await fails()
    assert "max_tokens" in error.message
    assert len(server.requests) == 1


async def test_a_failing_repair_keeps_what_was_used(server: OpenAIServer) -> None:
    server.script(Reply(BAD), Failure(429, retry_after="3"))
    error = await fails()
    assert (error.type, error.non_retryable) == ("llm_rate_limited", False)
    assert error.details[0]["meta"]["usage"]["completion_tokens"] == len(BAD.split())


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', '```json\n{"a": 1}\n```', 'Here it is:\n```\n{"a": 1}\n```\nDone.', ' {"a": 1}\n'],
)
def test_fences_are_tolerated(text: str) -> None:
    assert parse_json(text) == {"a": 1}


@pytest.mark.parametrize("text", ["", "no", "NaN", "```json\n{]\n```", "[" * 100_000])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_json(text)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 40 + "!"),
        ({"$ref": "#"}, 1),
        ({"uniqueItems": True}, [{"a": n} for n in range(30_000)]),
    ],
)
async def test_a_costly_check_ends(schema: dict[str, Any], value: Any) -> None:
    async with asyncio.timeout(60):  # it would take years, or all of the memory
        with pytest.raises(NodeError) as caught:
            await check(value, schema)
    assert caught.value.code == "schema_too_costly"
    assert await check(1, {"type": "string"}) != []


async def test_nothing_is_fetched_for_a_reference(server: OpenAIServer) -> None:
    with pytest.raises(Exception, match=r"Unresolvable|Retriev|resolv"):
        await check(1, {"$ref": f"{server.base_url}/schema.json"})
    assert server.requests == []
