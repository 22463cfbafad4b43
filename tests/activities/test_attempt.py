from __future__ import annotations

import asyncio
import math
from datetime import datetime
from typing import Any

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.attempt import Attempt, node_activity
from activities.payload import MAX_DEPTH, MAX_RESULT_BYTES
from pilot.errors import NodeError, TemplateError, UnavailableError
from pilot.events.model import EventType
from pilot.graph.spec import NodeConfig
from pilot.graph.task import NodeResult

from .conftest import Activity, Watcher, environment, failure, task


class EchoConfig(NodeConfig):
    text: str = ""


def returning(output: Any) -> Activity:
    @node_activity("echo", EchoConfig)
    async def echo(attempt: Attempt[EchoConfig]) -> NodeResult:
        return NodeResult(output=output, meta={"kept": 1})

    return echo


def raising(error: BaseException) -> Activity:
    @node_activity("echo", EchoConfig)
    async def echo(attempt: Attempt[EchoConfig]) -> NodeResult:
        raise error

    return echo


ECHO = task("echo", {"text": "hi"})


async def test_a_result_carries_how_long_it_took_and_which_attempt_it_was() -> None:
    result = await environment(attempt=2).run(returning({"a": [1, None, "é"]}), ECHO)
    assert result.output == {"a": [1, None, "é"]}
    assert result.meta["kept"] == 1
    assert result.meta["attempt"] == 2
    assert 0 <= result.meta["duration_ms"] < 1000
    assert isinstance(result.meta["duration_ms"], float)
    assert result.meta["started_at"].endswith("Z")
    assert datetime.fromisoformat(result.meta["started_at"]).utcoffset() is not None


async def test_the_attempt_knows_its_task_and_its_parsed_configuration() -> None:
    seen: list[Attempt[EchoConfig]] = []

    @node_activity("echo", EchoConfig)
    async def echo(attempt: Attempt[EchoConfig]) -> NodeResult:
        seen.append(attempt)
        assert attempt.timeout_s == pytest.approx(19.5)
        return NodeResult()

    await environment(attempt=3).run(echo, ECHO)
    assert seen[0].config == EchoConfig(text="hi")
    assert seen[0].number == 3
    assert seen[0].key == "exec-1:node-1:"


async def test_a_bad_configuration_names_its_field_and_is_not_retried() -> None:
    error = await failure(returning(1), task("echo", {"text": 5}))
    assert (error.type, error.non_retryable) == ("invalid_config", True)
    assert "text" in error.message
    assert "The node" in error.message


async def test_a_node_error_keeps_code_meta_and_delay() -> None:
    error = await failure(
        raising(
            NodeError(
                "busy", code="its_busy", retryable=True, retry_after_s=7, meta={"status": 429}
            )
        ),
        ECHO,
    )
    assert (error.type, error.message, error.non_retryable) == ("its_busy", "busy", False)
    assert error.next_retry_delay is not None
    assert error.next_retry_delay.total_seconds() == 7
    (details,) = error.details
    assert details["code"] == "its_busy"
    assert details["message"] == "busy"
    assert details["attempt"] == 1
    assert details["meta"]["status"] == 429
    assert details["meta"]["duration_ms"] >= 0


@pytest.mark.parametrize(
    ("error", "code", "non_retryable"),
    [
        (TemplateError("no such key"), "template_failed", True),
        (NodeError("no"), "node_failed", True),
        (UnavailableError("down"), "store_unavailable", False),
        (RuntimeError("password=hunter2"), "internal_error", False),
    ],
)
async def test_every_error_has_a_code_and_says_whether_to_try_again(
    error: Exception, code: str, non_retryable: bool
) -> None:
    raised = await failure(raising(error), ECHO)
    assert (raised.type, raised.non_retryable) == (code, non_retryable)
    assert "hunter2" not in str(raised)
    assert raised.__cause__ is None


async def test_a_long_message_and_a_large_meta_are_cut() -> None:
    huge = NodeError("m" * 100_000, meta={"logs": "x" * 1_000_000, "status": 500})
    error = await failure(raising(huge), ECHO)
    assert len(error.message) <= 4_000
    (details,) = error.details
    assert details["meta"]["status"] == 500
    assert "logs" not in details["meta"]


async def test_a_retry_is_announced_to_watchers(watcher: Watcher) -> None:
    await failure(raising(NodeError("busy", code="busy", retryable=True)), ECHO, attempt=2)
    [event] = watcher.events
    assert event.type is EventType.NODE_RETRYING
    assert (event.execution_id, event.workflow_id, event.node_id) == ("exec-1", "flow-1", "node-1")
    assert event.attempt == 2
    assert event.data["error"] == {"code": "busy", "message": "busy"}
    wait = datetime.fromisoformat(event.data["next_attempt_at"]) - datetime.fromisoformat(event.at)
    assert 1.9 < wait.total_seconds() < 2.1  # the second pause of 1 s, 2 s, 4 s


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (NodeError("no"), 1),
        (NodeError("busy", retryable=True), 3),
        (NodeError("busy", code="never_again", retryable=True), 1),
    ],
    ids=["not retryable", "the last attempt", "excluded by the policy"],
)
async def test_no_retry_is_announced_where_none_follows(
    watcher: Watcher, error: NodeError, attempt: int
) -> None:
    await failure(raising(error), ECHO, attempt=attempt)
    assert watcher.events == []


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ({"a": [1, {"b": math.nan}]}, "output_not_json", "output.a[1].b is nan"),
        ({"x": {1, 2}}, "output_not_json", "output.x is of type set"),
        ("half \ud800", "output_not_json", "surrogate"),
        ("x" * 2_000_000, "output_too_large", "2.00 MB"),
    ],
)
async def test_a_result_that_is_no_payload_is_this_nodes_error(
    output: Any, code: str, said: str
) -> None:
    error = await failure(returning(output), ECHO)
    assert (error.type, error.non_retryable) == (code, True)
    assert said in error.message


async def test_a_result_that_holds_itself_is_not_json() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert (await failure(returning(loop), ECHO)).type == "output_not_json"


async def test_a_result_just_under_the_limit_passes() -> None:
    output = "x" * (MAX_RESULT_BYTES - 200)
    assert (await environment().run(returning(output), ECHO)).output == output


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


async def test_what_is_nested_as_deep_as_allowed_is_read_back_from_history() -> None:
    result = await environment().run(returning(nested(MAX_DEPTH - 1)), ECHO)
    [payload] = await pydantic_data_converter.encode([{"nodes": {"a": {"output": result}}}])
    [back] = await pydantic_data_converter.decode([payload])
    assert back["nodes"]["a"]["output"]["output"] == result.output
    error = await failure(returning(nested(MAX_DEPTH + 1)), ECHO)
    assert error.type == "output_too_deep"


def waiting(seconds: float) -> Activity:
    @node_activity("echo", EchoConfig)
    async def echo(attempt: Attempt[EchoConfig]) -> NodeResult:
        await asyncio.sleep(seconds)
        return NodeResult()

    return echo


@pytest.mark.parametrize(("heartbeat_s", "is_local"), [(0.3, False), (None, False), (0.3, True)])
async def test_heartbeats_are_sent_while_it_runs(heartbeat_s: float | None, is_local: bool) -> None:
    env = environment(heartbeat_s=heartbeat_s, is_local=is_local)
    beats: list[float] = []
    env.on_heartbeat = lambda *_: beats.append(asyncio.get_running_loop().time())
    await env.run(waiting(0.55), ECHO)
    if heartbeat_s is None or is_local:
        assert beats == []
    else:
        assert 3 <= len(beats) <= 6
    count = len(beats)
    await asyncio.sleep(0.25)
    assert len(beats) == count


async def test_cancellation_passes_through_after_cleaning_up() -> None:
    cleaned = asyncio.Event()

    @node_activity("echo", EchoConfig)
    async def echo(attempt: Attempt[EchoConfig]) -> NodeResult:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()
        return NodeResult()

    env = environment(heartbeat_s=1)
    running = asyncio.create_task(env.run(echo, ECHO))
    await asyncio.sleep(0.05)
    env.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned.is_set()
