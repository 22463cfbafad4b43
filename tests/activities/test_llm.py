from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.attempt import Attempt
from activities.guard import Guard
from activities.llm import answer, llm
from pilot.errors import NodeError
from pilot.events.model import EventType
from pilot.graph.task import NodeResult
from pilot.nodes.llm import LlmConfig
from tests.openai_server import Failure, OpenAIServer, Reply

from .conftest import OPERATORS_KEY, Watcher, environment, failure, opened, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")


async def run(**config: Any) -> NodeResult:
    node = task("llm", {"prompt_template": "Say {input}", **config}, input="hi")
    return await environment().run(llm, node)


async def fails(*, timeout_s: float = 20, **config: Any) -> ApplicationError:
    node = task("llm", {"prompt_template": "Say {input}", **config}, input="hi")
    return await failure(llm, node, timeout_s=timeout_s)


@pytest.mark.parametrize("stream", [True, False])
async def test_the_output_is_the_whole_answer(
    server: OpenAIServer, watcher: Watcher, stream: bool
) -> None:
    server.script(Reply("Hello there, friend"))
    result = await run(stream=stream)
    assert result.output == "Hello there, friend"
    assert result.meta["model"] == "gpt-3.5-turbo"
    assert result.meta["finish_reason"] == "stop"
    usage = result.meta["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 3, 5)
    assert 0 < usage["cost_usd"] < 0.001
    assert "demo" not in result.meta
    assert "".join(data["text"] for data in watcher.of(EventType.LLM_TOKEN)) == result.output
    [request] = server.requests
    assert request["messages"] == [{"role": "user", "content": "Say hi"}]
    assert request.get("stream", False) is stream
    assert server.headers[0]["authorization"] == f"Bearer {OPERATORS_KEY}"


async def test_messages_stand_in_order_and_parameters_go_through(server: OpenAIServer) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/{input}.png"}}
    await run(
        system_template="Be {input}",
        messages=[
            {"role": "user", "content": "one {input}"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": [picture]},
        ],
        temperature=0.5,
        max_tokens=7,
        stop=["END"],
        seed=3,
    )
    [request] = server.requests
    assert [(m["role"], m["content"]) for m in request["messages"]] == [
        ("system", "Be hi"),
        ("user", "one hi"),
        ("assistant", "two"),
        (
            "user",
            [{"type": "image_url", "image_url": {"url": "https://example.com/hi.png"}}],
        ),
        ("user", "Say hi"),
    ]
    assert (request["temperature"], request["max_tokens"]) == (0.5, 7)
    assert (request["stop"], request["seed"]) == (["END"], 3)
    assert "response_format" not in request


async def test_a_value_that_is_no_text_is_sent_as_json(server: OpenAIServer) -> None:
    node = task("llm", {"prompt_template": "{input}"}, input={"é": [1]})
    await environment().run(llm, node)
    assert server.requests[0]["messages"][0]["content"] == '{"é": [1]}'


async def test_tokens_are_live_numbered_by_attempt_and_batched(
    server: OpenAIServer, watcher: Watcher
) -> None:
    words = " ".join(f"word{n}" for n in range(100))
    server.script(Reply(words), Reply("a b c", pause_s=0.1))
    node = task("llm", {"prompt_template": "x"})
    await environment(attempt=2).run(llm, node)
    assert 5 <= len(watcher.events) <= 12
    assert {event.attempt for event in watcher.events} == {2}
    assert "".join(event.data["text"] for event in watcher.events) == words
    watcher.events.clear()
    await environment().run(llm, node)
    # slower than a batch is held: each word goes out by itself
    assert [event.data["text"] for event in watcher.events] == ["a", " b", " c"]


@pytest.mark.parametrize(
    ("step", "code", "retried"),
    [
        (Failure(429), "llm_rate_limited", True),
        (Failure(500), "llm_unavailable", True),
        (Failure(502), "llm_unavailable", True),
        (Failure(503), "llm_unavailable", True),
        (Failure(529), "llm_unavailable", True),
        (Failure(408), "llm_timeout", True),
        (Failure(400), "llm_bad_request", False),
        (Failure(422), "llm_bad_request", False),
        (Failure(401), "llm_auth", False),
        (Failure(402), "llm_auth", False),
        (Failure(403), "llm_auth", False),
        (Failure(404), "llm_model_not_found", False),
        (
            Failure(
                400, "This model's maximum context length is 4 tokens", "context_length_exceeded"
            ),
            "llm_context_length",
            False,
        ),
        (Failure(500, body=b"<html>oops"), "llm_unavailable", True),
        (Failure(200, body=b"{not json"), "llm_unavailable", True),
        (Reply("a b c d", cut_after=2), "llm_unavailable", True),
    ],
)
async def test_errors_have_a_code_and_say_whether_to_try_again(
    server: OpenAIServer, step: Reply | Failure, code: str, retried: bool
) -> None:
    server.script(step)
    error = await fails()
    assert (error.type, error.non_retryable) == (code, not retried)
    assert "gpt-3.5-turbo" in error.message
    assert "litellm" not in error.message.lower()
    # attempts are Temporal's: nothing below repeats a call
    assert len(server.requests) == 1


async def test_retry_after_becomes_the_delay(server: OpenAIServer) -> None:
    server.script(Failure(429, retry_after="7"), Failure(503, retry_after="99999"))
    assert (await fails()).next_retry_delay == timedelta(seconds=7)
    assert (await fails()).next_retry_delay == timedelta(hours=1)


async def test_no_error_shows_a_key(server: OpenAIServer) -> None:
    server.script(
        Failure(401, f"Incorrect API key provided: {OPERATORS_KEY}, or was it sk-abcdef123456")
    )
    error = await fails()
    assert "Incorrect API key" in error.message
    assert OPERATORS_KEY not in str(error) + str(error.details)
    assert "abcdef" not in str(error)


async def test_a_refused_connection_is_tried_again() -> None:
    async with opened(pilot_llm_api_base="http://127.0.0.1:1/v1"):
        error = await fails()
    assert (error.type, error.non_retryable) == ("llm_unavailable", False)


@pytest.mark.parametrize("stall_after", [0, 1])
async def test_a_model_that_goes_silent_times_out(server: OpenAIServer, stall_after: int) -> None:
    server.script(Reply("a b c", stall_after=stall_after))
    began = time.monotonic()
    error = await fails(timeout_s=1)
    assert (error.type, error.non_retryable) == ("llm_timeout", False)
    assert time.monotonic() - began < 1


async def test_an_answer_that_does_not_begin_times_out(server: OpenAIServer) -> None:
    server.script(Reply("a b c", stall_after=0), Reply("a b c", pause_s=0.3))
    began = time.monotonic()
    error = await fails(first_token_timeout_s=0.5)
    assert (error.type, error.non_retryable) == ("llm_timeout", False)
    assert "had not begun its answer after 0.5 s" in error.message
    assert time.monotonic() - began < 2
    # it bounds the beginning alone
    assert (await run(first_token_timeout_s=0.5)).output == "a b c"


async def test_an_answer_that_falls_silent_times_out(server: OpenAIServer) -> None:
    server.script(Reply("a b c", stall_after=2), Reply("a b c d e", pause_s=0.2))
    began = time.monotonic()
    error = await fails(idle_timeout_s=0.5)
    assert (error.type, error.non_retryable) == ("llm_timeout", False)
    assert "fell silent for 0.5 s" in error.message
    assert time.monotonic() - began < 2
    assert (await run(idle_timeout_s=0.5)).output == "a b c d e"


async def test_a_silent_model_makes_room_for_the_next(server: OpenAIServer) -> None:
    server.script(Reply("a", stall_after=0), Reply("b"))
    result = await run(first_token_timeout_s=0.3, fallback_models=["two"])
    assert result.output == "b"
    assert result.meta["fallback_from"] == [{"model": "gpt-3.5-turbo", "code": "llm_timeout"}]


async def test_fallbacks_are_asked_in_turn(server: OpenAIServer, watcher: Watcher) -> None:
    server.script(Failure(500), Failure(404), Reply("from the third"))
    result = await run(model="one", fallback_models=["two", "three"])
    assert result.output == "from the third"
    assert result.meta["model"] == "three"
    assert result.meta["fallback_from"] == [
        {"model": "one", "code": "llm_unavailable"},
        {"model": "two", "code": "llm_model_not_found"},
    ]
    assert [request["model"] for request in server.requests] == ["one", "two", "three"]
    assert {event.data["model"] for event in watcher.events} == {"three"}


async def test_a_fault_of_the_node_is_not_tried_on_other_models(server: OpenAIServer) -> None:
    server.script(Failure(400))
    assert (await fails(fallback_models=["two"])).type == "llm_bad_request"
    assert len(server.requests) == 1


async def test_when_all_fail_the_one_that_may_pass_decides(server: OpenAIServer) -> None:
    server.script(Failure(503), Failure(404))
    error = await fails(fallback_models=["two"])
    assert (error.type, error.non_retryable) == ("llm_unavailable", False)


async def test_json_is_asked_for_and_parsed(server: OpenAIServer) -> None:
    wanted = {"type": "json_object"}
    server.script(Reply('{"a": [1]}'), Reply("no json"), Reply('{"a": [', finish_reason="length"))
    assert (await run(response_format=wanted)).output == {"a": [1]}
    assert server.requests[0]["response_format"] == wanted
    error = await fails(response_format=wanted)
    assert (error.type, error.non_retryable) == ("llm_bad_json", False)
    assert error.details[0]["meta"]["usage"]["total_tokens"] > 0
    assert "max_tokens" in (await fails(response_format=wanted)).message


async def test_cancelling_closes_the_connection(server: OpenAIServer) -> None:
    server.script(Reply("a b c", stall_after=1))
    env = environment()
    running = asyncio.create_task(env.run(llm, task("llm", {"prompt_template": "x"})))
    async with asyncio.timeout(5):
        while not server.requests:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert server.left == []
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(1):
        while not server.left:
            await asyncio.sleep(0.01)


async def test_a_nodes_own_server_needs_the_operators_leave(server: OpenAIServer) -> None:
    async with opened(openrouter_api_key="operator"):
        error = await fails(api_base=server.base_url)
    assert (error.type, error.non_retryable) == ("address_not_allowed", True)
    assert server.requests == []
    async with opened(openrouter_api_key="operator", pilot_allowed_hosts=["127.0.0.1"]):
        result = await run(api_base=server.base_url, api_key="{input}-key")
        await run(api_base=server.base_url)
    assert result.output == "echo: Say hi"
    assert [headers["authorization"] for headers in server.headers] == [
        "Bearer hi-key",
        "Bearer none",
    ]


async def test_the_connection_to_a_nodes_own_server_is_checked_too(server: OpenAIServer) -> None:
    async def public_at_first(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    config = LlmConfig(prompt_template="x", api_base=server.base_url)
    attempt = Attempt(task=task("llm", {}), config=config, number=1)
    async with opened() as shared:
        fooled = replace(shared, guard=Guard(resolve=public_at_first))
        with pytest.raises(NodeError):
            await answer(config, attempt, fooled, 5)
    assert server.requests == []


@pytest.mark.parametrize("base", ["ftp://x/v1", "nonsense", "http://[::1"])
async def test_a_bad_api_base(server: OpenAIServer, base: str) -> None:
    assert (await fails(api_base=base)).type == "llm_bad_request"


@pytest.mark.parametrize("stream", [True, False])
async def test_without_any_key_a_demo_model_answers_and_says_so(
    server: OpenAIServer, watcher: Watcher, stream: bool
) -> None:
    async with opened():
        result = await run(stream=stream, response_format={"type": "json_object"})
    assert result.output == (
        "[demo model] No OPENROUTER_API_KEY is set, so this is a canned answer. You said: Say hi"
    )
    assert result.meta["demo"] is True
    assert result.meta["model"] == "demo"
    assert result.meta["usage"]["cost_usd"] == 0
    assert "".join(data["text"] for data in watcher.of(EventType.LLM_TOKEN)) == result.output
    assert server.requests == []


async def test_in_production_a_missing_key_is_an_error(server: OpenAIServer) -> None:
    async with opened(pilot_env="production"):
        error = await fails()
    assert (error.type, error.non_retryable) == ("no_model_key", True)


async def test_many_answers_at_once(server: OpenAIServer) -> None:
    results = await asyncio.gather(
        *(run(prompt_template="{input} " + str(number)) for number in range(30))
    )
    assert [result.output for result in results] == [f"echo: hi {n}" for n in range(30)]


async def test_openrouter_is_called_by_its_own_names(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, watcher: Watcher
) -> None:
    monkeypatch.setenv("OPENROUTER_API_BASE", server.base_url)
    async with opened(openrouter_api_key="sk-or-123456789"):
        result = await run(model="gpt-3.5-turbo")
        server.script(
            Failure(429, retry_after="7"),
            Failure(401, "bad key sk-or-123456789"),
            Failure(400, "This model's maximum context length is 4 tokens"),
            Reply("a b c", cut_after=1),
        )
        errors = [await fails(model="gpt-3.5-turbo") for _ in range(4)]
    assert result.output == "echo: Say hi"
    assert result.meta["usage"]["cost_usd"] > 0
    assert server.requests[0]["model"] == "openai/gpt-3.5-turbo"
    assert server.headers[0]["authorization"] == "Bearer sk-or-123456789"
    assert [error.type for error in errors] == [
        "llm_rate_limited",
        "llm_auth",
        "llm_context_length",
        "llm_unavailable",
    ]
    assert errors[0].next_retry_delay == timedelta(seconds=7)
    assert errors[1].message == "the model openrouter/openai/gpt-3.5-turbo: bad key ***"
    assert len(server.requests) == 5
