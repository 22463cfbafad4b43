"""Usage and budgets in the llm activity: a real store, a real OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.llm import llm
from activities.resources import Resources, resources
from pilot.graph.task import NodeResult
from pilot.money import nanos
from pilot.store.migrate import migrate
from pilot.store.sql import SqlStore
from pilot.store.usage import (
    WHOLE_ACCOUNT,
    CallKey,
    Limits,
    ModelCall,
    Reservation,
    Total,
    utc_day,
)
from tests.openai_server import Failure, OpenAIServer, Reply

from .conftest import environment, failure, settings, task

# LiteLLM reads pydantic's fields in a way that pydantic has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning")

USED = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(f"{url}?timeout=0.1")
    yield store
    await store.close()


@asynccontextmanager
async def accounted(
    server: OpenAIServer, store: SqlStore, **values: Any
) -> AsyncIterator[Resources]:
    base = {"pilot_llm_api_base": server.base_url, "pilot_llm_api_key": "key"}
    async with resources(settings(**base, **values), usage=store.usage) as shared:
        yield shared


@pytest.fixture
async def budgeted(server: OpenAIServer, store: SqlStore) -> AsyncIterator[SqlStore]:
    async with accounted(server, store):
        yield store


def node(execution: str = "exec-1", user: str = "user-1", **config: Any) -> Any:
    made = task("llm", {"prompt_template": "Say {input}", **config}, input="hi")
    return dataclasses.replace(made, execution_id=execution, user_id=user)


async def run(execution: str = "exec-1", *, attempt: int = 1, **config: Any) -> NodeResult:
    return await environment(attempt=attempt).run(llm, node(execution, **config))


async def fails(
    execution: str = "exec-1", *, attempt: int = 1, timeout_s: float = 20, **config: Any
) -> ApplicationError:
    return await failure(llm, node(execution, **config), attempt=attempt, timeout_s=timeout_s)


async def written(store: SqlStore, execution: str = "exec-1") -> Total:
    return await store.usage.of_node(execution, "node-1", "")


def today() -> Any:
    return utc_day(datetime.now(UTC))


def rows(store: SqlStore) -> list[dict[str, Any]]:
    """The table of calls as it stands in the file."""
    connection = sqlite3.connect(str(store.engine.url.database))
    connection.row_factory = sqlite3.Row
    found = connection.execute("SELECT * FROM usage ORDER BY execution_id, attempt, call")
    calls = [dict(row) for row in found]
    connection.close()
    return calls


@asynccontextmanager
async def locked(store: SqlStore) -> AsyncIterator[None]:
    """The database as another process leaves it that writes for a long time: it can be read,
    and every write fails."""
    connection = sqlite3.connect(str(store.engine.url.database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


# recording


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_is_in_the_store_when_its_attempt_returns(
    server: OpenAIServer, budgeted: SqlStore, stream: bool
) -> None:
    server.script(Reply("a b", usage=USED))
    result = await run(stream=stream)
    usage = result.meta["usage"]
    assert usage["total_tokens"] == 150
    assert "usage_total" not in result.meta
    total = await written(budgeted)
    assert total == Total(100, 50, nanos(usage["cost_usd"]), 1, 0, 0)
    [row] = rows(budgeted)
    assert (row["model"], row["error"], row["estimated"]) == ("gpt-3.5-turbo", None, 0)
    assert row["run_id"] != ""


async def test_fallbacks_and_their_failures_are_calls_of_their_own(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    server.script(Failure(500), Reply("a", usage=USED))
    result = await run(model="gpt-4o", fallback_models=["gpt-3.5-turbo"])
    assert result.meta["usage"]["total_tokens"] == 150
    assert result.meta["usage"]["calls"] == 2
    first, second = rows(budgeted)
    assert (first["model"], first["error"]) == ("gpt-4o", "llm_unavailable")
    # a call that was refused costs nothing
    assert (first["prompt_tokens"], first["cost"]) == (0, 0)
    assert (second["model"], second["call"], second["prompt_tokens"]) == ("gpt-3.5-turbo", 2, 100)


async def test_failed_attempts_count(server: OpenAIServer, budgeted: SqlStore) -> None:
    bad = {"type": "json_object"}
    server.script(Reply("no json", usage=USED), Reply("{}", usage=USED))
    error = await fails(response_format=bad)
    assert error.details[0]["meta"]["usage"]["total_tokens"] == 150
    result = await run(attempt=2, response_format=bad)
    assert result.meta["usage"]["total_tokens"] == 150
    assert result.meta["usage_total"]["total_tokens"] == 300
    assert result.meta["usage_total"]["cost_usd"] == pytest.approx(
        2 * result.meta["usage"]["cost_usd"]
    )


async def test_the_last_failure_tells_what_all_attempts_used(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    server.script(*[Reply("no json", usage=USED)] * 3, Failure(400))
    for attempt in (1, 2, 3):
        error = await fails(attempt=attempt, response_format={"type": "json_object"})
        meta = error.details[0]["meta"]
        assert meta.get("usage_total", meta["usage"])["total_tokens"] == attempt * 150
    meta = (await fails(attempt=4)).details[0]["meta"]
    assert meta["usage"]["total_tokens"] == 0
    assert meta["usage_total"]["total_tokens"] == 450


async def test_a_stream_that_is_cut_is_estimated(server: OpenAIServer, budgeted: SqlStore) -> None:
    server.script(Reply("one two three four", cut_after=3))
    error = await fails()
    usage = error.details[0]["meta"]["usage"]
    assert usage["estimated"] is True
    assert usage["prompt_tokens"] >= 2
    assert usage["completion_tokens"] == 3
    assert usage["cost_usd"] > 0
    [row] = rows(budgeted)
    assert (row["estimated"], row["error"]) == (1, "llm_unavailable")


async def test_a_call_that_ran_out_of_time_is_estimated(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    server.script(Reply("one two", stall_after=1), Reply("one", stall_after=0))
    error = await fails(timeout_s=2)
    usage = error.details[0]["meta"]["usage"]
    assert (usage["estimated"], usage["completion_tokens"]) == (True, 1)
    # sent, and not answered by a token yet: the prompt is on the bill
    usage = (await fails(attempt=2, timeout_s=2)).details[0]["meta"]["usage"]
    assert (usage["prompt_tokens"] >= 2, usage["completion_tokens"]) == (True, 0)
    assert (await written(budgeted)).estimated == 2


async def test_a_cancelled_call_is_written(server: OpenAIServer, budgeted: SqlStore) -> None:
    server.script(Reply("one two three", stall_after=2))
    env = environment()
    running = asyncio.create_task(env.run(llm, node()))
    async with asyncio.timeout(5):
        while not server.requests:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    [row] = rows(budgeted)
    assert (row["error"], row["estimated"], row["completion_tokens"]) == ("cancelled", 1, 2)


async def test_a_refused_connection_costs_nothing(store: SqlStore) -> None:
    values = {"pilot_llm_api_base": "http://127.0.0.1:1/v1"}
    async with resources(settings(**values), usage=store.usage):
        error = await fails()
    assert error.details[0]["meta"]["usage"]["total_tokens"] == 0
    assert (await written(store)).tokens == 0


async def test_the_demo_model_costs_nothing(store: SqlStore) -> None:
    async with resources(settings(), usage=store.usage):
        await store.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(cost=1))
        result = await run()
    assert result.meta["usage"]["cost_usd"] == 0
    total = await written(store)
    assert total.tokens > 0
    assert (total.cost, total.unpriced) == (0, 0)


# a store that is away


async def test_usage_is_not_lost_while_the_database_is_locked(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    server.script(Reply("a", usage=USED))
    async with locked(budgeted):
        result = await run()
        assert result.meta["usage"]["total_tokens"] == 150
        assert rows(budgeted) == []
        # the node's sum knows of what is not written yet
        again = await run(attempt=2)
        assert again.meta["usage_total"]["calls"] == 2
    async with asyncio.timeout(10):
        while len(rows(budgeted)) < 2:
            await asyncio.sleep(0.05)
    assert (await budgeted.usage.spent("user-1", None, today())).tokens >= 150


async def test_a_stopping_worker_gives_what_waits_its_time(
    server: OpenAIServer, store: SqlStore
) -> None:
    server.script(Reply("a", usage=USED))
    async with accounted(server, store), locked(store):
        await run()
    assert len(rows(store)) == 1


async def test_what_a_stopping_worker_cannot_write_is_in_the_log(
    server: OpenAIServer, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    server.script(Reply("a", usage=USED))
    async with locked(store), accounted(server, store):
        await run()
    [lost] = [record for record in caplog.records if "usage is lost" in record.message]
    assert "100 + 50 tokens" in lost.message


async def test_a_budgeted_user_waits_until_what_was_used_is_written(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    async with locked(budgeted):
        await run()
    # set while a call still waits for the database
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**6))
    async with asyncio.timeout(10):
        while not rows(budgeted):
            error = await fails(attempt=2)
            if rows(budgeted):
                break
            assert (error.type, error.non_retryable) == ("usage_unavailable", False)
    assert len(server.requests) == 1


async def test_without_a_database_no_model_is_asked(server: OpenAIServer) -> None:
    gone = await SqlStore.open("postgresql://nobody:x@127.0.0.1:1/none")
    async with accounted(server, gone):
        error = await fails(fallback_models=["gpt-4o"])
    await gone.close()
    assert (error.type, error.non_retryable) == ("usage_unavailable", False)
    assert "127.0.0.1" not in error.message
    assert server.requests == []


async def test_a_budget_that_cannot_be_reserved_makes_no_call(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**6))
    async with locked(budgeted):
        error = await fails()
    assert (error.type, error.non_retryable) == ("usage_unavailable", False)
    assert server.requests == []


# budgets


@pytest.mark.parametrize(
    ("workflow", "limits"),
    [
        (WHOLE_ACCOUNT, Limits(tokens=150)),
        (WHOLE_ACCOUNT, Limits(cost=1)),
        ("flow-1", Limits(tokens=150)),
        ("flow-1", Limits(cost=1)),
    ],
)
async def test_a_used_up_budget_stops_the_next_call(
    server: OpenAIServer, budgeted: SqlStore, workflow: str, limits: Limits
) -> None:
    await budgeted.usage.put_budget("user-1", workflow, limits)
    server.script(Reply("a", usage=USED))
    await run(max_tokens=5)
    error = await fails("exec-2", fallback_models=["gpt-4o"])
    assert (error.type, error.non_retryable) == ("budget_exceeded", True)
    assert "UTC" in error.message
    assert len(server.requests) == 1
    # nobody else is touched
    await environment().run(llm, node("exec-3", user="user-2"))
    await budgeted.usage.delete_budget("user-1", workflow)
    await run("exec-4")


async def test_the_operators_ceiling_holds_for_everyone(
    server: OpenAIServer, store: SqlStore
) -> None:
    async with accounted(server, store, pilot_budget_tokens_per_day=100):
        await store.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**9))
        server.script(Reply("a", usage=USED))
        await run()
        assert (await fails("exec-2")).type == "budget_exceeded"
        await environment().run(llm, node("exec-3", user="user-2"))


async def test_fifty_calls_at_once_go_over_a_budget_by_one_at_most(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    """Ten calls of 22 tokens fit; each reserves a little more."""
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=220))
    server.script(*[Reply(" ".join(["word"] * 20), pause_s=0.002)] * 50)
    answers = await asyncio.gather(
        *(run(f"exec-{number}", max_tokens=20) for number in range(50)), return_exceptions=True
    )
    done = [answer for answer in answers if isinstance(answer, NodeResult)]
    refused = [answer for answer in answers if isinstance(answer, ApplicationError)]
    assert len(done) + len(refused) == 50
    assert {error.type for error in refused} == {"budget_exceeded"}
    spent = await budgeted.usage.spent("user-1", None, today())
    assert 220 <= spent.tokens <= 220 + 22
    assert spent.reserved_tokens == 0
    assert len(server.requests) == len(done)


async def test_a_call_waits_for_what_others_have_reserved(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=100))
    other = Reservation(
        CallKey("other", "n", "", "run", 1, 1), "user-1", "flow-2", datetime.now(UTC), FAR, 100
    )
    await budgeted.usage.reserve(other, await budgeted.usage.allowance("user-1", "flow-2"))
    running = asyncio.create_task(run(max_tokens=5))
    await asyncio.sleep(0.3)
    assert server.requests == []
    await budgeted.usage.release(other)
    async with asyncio.timeout(5):
        assert (await running).output == "echo: Say hi"


async def test_a_failed_call_holds_no_reservation(server: OpenAIServer, budgeted: SqlStore) -> None:
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**6))
    server.script(Failure(500), Reply("a b", cut_after=1), Failure(400))
    for attempt in (1, 2, 3):
        await fails(attempt=attempt)
    assert (await budgeted.usage.spent("user-1", None, today())).reserved_tokens == 0


async def test_yesterdays_usage_is_no_matter_today(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    await budgeted.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=100))
    used = ModelCall(
        CallKey("old", "n", "", "run", 1, 1), "user-1", "flow-1", "gpt-4o", 10**6, 0, 0,
        datetime.now(UTC) - timedelta(days=1),
    )  # fmt: skip
    await budgeted.usage.record(used)
    await run(max_tokens=5)
    assert len(server.requests) == 1


async def test_an_unknown_price_fails_closed_under_a_budget_in_dollars(
    server: OpenAIServer, store: SqlStore
) -> None:
    async with accounted(server, store):
        server.script(Reply("a", usage=USED))
        result = await run(model="nobodys-model")
        assert result.meta["usage"]["cost_usd"] is None
        assert (await written(store)).unpriced == 1
        await store.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(tokens=10**6))
        await run("exec-2", model="nobodys-model")
        await store.usage.put_budget("user-1", WHOLE_ACCOUNT, Limits(cost=nanos(5)))
        error = await fails("exec-3", model="nobodys-model")
        assert (error.type, error.non_retryable) == ("price_unknown", True)
        await run("exec-4", model="gpt-3.5-turbo")
    async with accounted(server, store, pilot_unknown_price_usd_per_1k="2"):
        server.script(Reply("a", usage=USED))
        result = await run("exec-5", model="nobodys-model")
        assert result.meta["usage"]["cost_usd"] == 0.3


async def test_a_call_is_held_to_the_budgets_of_the_workflows_above(
    server: OpenAIServer, budgeted: SqlStore
) -> None:
    await budgeted.usage.put_budget("user-1", "top", Limits(tokens=20))
    server.script(Reply("word " * 10, usage=USED))
    called = dataclasses.replace(node(), callers=["top"])
    await environment().run(llm, called)
    spent = await budgeted.usage.spent("user-1", "top", today())
    assert (spent.tokens, spent.reserved_tokens) == (150, 0)
    error = await failure(llm, dataclasses.replace(called, execution_id="exec-2"))
    assert error.type == "budget_exceeded"
    assert "calling workflow's budget of 20 tokens" in error.message
    # the workflow itself has no budget, and goes on where nobody above has one
    await environment().run(llm, node("exec-3"))
