"""What an attempt knows of those before it; and answers kept for whoever asks the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.llm import llm
from activities.resources import resources
from pilot.graph.task import NodeResult
from pilot.store.llm_calls import LlmCallStore, SqlLlmCalls
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from tests.openai_server import Failure, OpenAIServer, Reply

from .conftest import environment, failure, settings, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

KEY = "exec-1:node-1::0"
WRONG, RIGHT = '{"a": "x"}', '{"a": 1}'
SCHEMA = {"properties": {"a": {"type": "integer"}}}


@asynccontextmanager
async def remembering(server: OpenAIServer, store: LlmCallStore) -> AsyncIterator[None]:
    operator = settings(pilot_llm_api_base=server.base_url)
    async with resources(operator, llm_calls=store):
        yield


@pytest.fixture
async def calls(server: OpenAIServer, tmp_path: Path) -> AsyncIterator[LlmCallStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    async with remembering(server, store.llm_calls):
        yield store.llm_calls
    await store.close()


def node(**config: Any) -> Any:
    return task("llm", {"prompt_template": "x", **config})


async def run(attempt: int = 1, **config: Any) -> NodeResult:
    return await environment(attempt=attempt).run(llm, node(**config))


async def fails(attempt: int = 1, **config: Any) -> ApplicationError:
    return await failure(llm, node(**config), attempt=attempt)


async def lost(server: OpenAIServer, requests: int = 1, **config: Any) -> None:
    """A first attempt that ends, as by its worker's death, when the model has so many requests."""
    env = environment()
    running = asyncio.create_task(env.run(llm, node(**config)))
    async with asyncio.timeout(5):
        while len(server.requests) < requests:
            await asyncio.sleep(0.01)
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_call_is_noted_before_it_is_sent(server: OpenAIServer, calls: LlmCallStore) -> None:
    server.script(Reply("a b", stall_after=0))
    await lost(server)
    assert [call.state for call in (await calls.of(KEY)).values()] == ["sent"]


async def test_an_unknown_outcome_is_not_repeated(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    server.script(Reply("a b", stall_after=0))
    await lost(server)
    error = await fails(attempt=2)
    assert (error.type, error.non_retryable) == ("llm_outcome_unknown", True)
    assert len(server.requests) == 1
    assert await calls.of(KEY) == {}


async def test_an_unknown_outcome_is_repeated_where_the_node_says_so(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    server.script(Reply("a b", stall_after=0), Reply("again"))
    await lost(server, on_unknown="retry")
    assert (await run(attempt=2, on_unknown="retry")).output == "again"
    assert len(server.requests) == 2


@pytest.mark.parametrize("on_unknown", ["fail", "retry"])
async def test_an_answer_that_had_arrived_is_used(
    server: OpenAIServer, calls: LlmCallStore, on_unknown: str
) -> None:
    server.script(Reply("the answer"))
    first = await run(on_unknown=on_unknown)
    again = await run(attempt=2, on_unknown=on_unknown)
    assert again.output == first.output == "the answer"
    assert again.meta["recovered"] is True
    assert again.meta["usage"]["total_tokens"] == first.meta["usage"]["total_tokens"]
    assert len(server.requests) == 1


async def test_an_error_leaves_the_next_attempt_free(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    server.script(Failure(503), Reply("fine"))
    assert (await fails()).type == "llm_unavailable"
    assert await calls.of(KEY) == {}
    assert (await run(attempt=2)).output == "fine"


async def test_a_fallbacks_answer_is_found_again(server: OpenAIServer, calls: LlmCallStore) -> None:
    server.script(Failure(404), Reply("from two"), Failure(404))
    await run(model="one", fallback_models=["two"])
    again = await run(attempt=2, model="one", fallback_models=["two"])
    # the first model had said no, and is asked again; the second is not
    assert again.output == "from two"
    assert [request["model"] for request in server.requests] == ["one", "two", "one"]


async def test_a_repair_that_was_lost_is_unknown(server: OpenAIServer, calls: LlmCallStore) -> None:
    server.script(Reply(WRONG), Reply(RIGHT, stall_after=0))
    await lost(server, requests=2, output_schema=SCHEMA)
    assert [call.state for call in (await calls.of(KEY)).values()] == ["answered", "sent"]
    assert (await fails(attempt=2, output_schema=SCHEMA)).type == "llm_outcome_unknown"
    assert len(server.requests) == 2


async def test_a_mismatch_leaves_no_answer_behind(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    server.script(Reply(WRONG), Reply(WRONG))
    assert (await fails(output_schema=SCHEMA)).type == "llm_schema_mismatch"
    assert await calls.of(KEY) == {}


async def test_the_first_attempt_asks_whatever_is_there(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    await run()
    await run()  # as after a reset of the run
    assert len(server.requests) == 2


async def test_without_the_store_only_a_tolerant_node_asks(
    server: OpenAIServer, tmp_path: Path
) -> None:
    store = await SqlStore.open("postgresql://nobody@127.0.0.1:1/none")
    assert isinstance(store.llm_calls, SqlLlmCalls)
    async with remembering(server, store.llm_calls):
        for attempt in (1, 2):
            error = await fails(attempt=attempt)
            assert (error.type, error.non_retryable) == ("store_unavailable", False)
        assert server.requests == []
        assert (await run(attempt=2, on_unknown="retry")).output == "echo: x"
    await store.close()


async def test_the_same_question_is_answered_from_the_cache(
    server: OpenAIServer, calls: LlmCallStore
) -> None:
    config = {"cache": {"ttl_s": 60}, "output_schema": SCHEMA, "temperature": 0}
    server.script(Reply(WRONG), Reply(RIGHT))
    first = await run(**config)
    assert "cached" not in first.meta
    again = await run(**config)
    assert again.output == first.output == {"a": 1}
    assert again.meta["cached"] is True
    assert again.meta["usage"]["total_tokens"] == again.meta["usage"]["cost_usd"] == 0
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"model": "other"},
        {"prompt_template": "y"},
        {"temperature": 0.5},
        {"output_schema": {"type": "string"}},
        {"cache": None},
    ],
)
async def test_another_question_is_not(
    server: OpenAIServer, calls: LlmCallStore, other: dict[str, Any]
) -> None:
    server.script(Reply('"one"'), Reply('"two"'))
    config = {"cache": {"ttl_s": 60}, "temperature": 0, "output_schema": {}}
    await run(**config)
    await run(**{**config, **other})
    assert len(server.requests) == 2


async def test_a_cut_answer_is_not_kept(server: OpenAIServer, calls: LlmCallStore) -> None:
    server.script(Reply("a", finish_reason="length"), Reply("b"))
    assert (await run(cache={"ttl_s": 60})).output == "a"
    assert (await run(cache={"ttl_s": 60})).output == "b"
