"""Retries, timeouts and `on_error` of single nodes, kept by the real server.

The other side is an HTTP server that fails as often as it is told to.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    RetryState,
    TimeoutError,
    TimeoutType,
)
from temporalio.worker import Replayer, Worker

from activities.resources import current
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan, PlanNode
from pilot.graph.spec import Policy, Retry
from pilot.graph.task import NodeResult, NodeTask
from pilot.nodes import specs
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from tests.activities.http_server import Server, http_server
from tests.graph.graphs import node
from tests.workflows_def.conftest import Runner
from workflows_def import dispatch
from workflows_def.failure import failure_of
from workflows_def.messages import WORKFLOW_TYPE, RunInput

QUICK = {"initial_s": 0.05, "backoff": 1}


@pytest.fixture(scope="module")
async def calling(
    temporal_address: str, worker_settings: Settings
) -> AsyncIterator[tuple[Runner, Server]]:
    """A runner whose worker may call loopback, and what it calls."""
    settings = worker_settings.model_copy(update={"pilot_allowed_hosts": ["127.0.0.1"]})
    async with http_server() as server, PilotPlugin.open(settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        runner = Runner(client, task_queue=f"policy-{uuid.uuid4()}")
        async with Worker(client, task_queue=runner.task_queue):
            yield runner, server


@pytest.fixture
def runner(calling: tuple[Runner, Server]) -> Runner:
    return calling[0]


@pytest.fixture
def server(calling: tuple[Runner, Server]) -> Server:
    calling[1].requests.clear()
    return calling[1]


def chain(config: dict[str, Any], type: str = "http", **policy: Any) -> tuple[Any, ...]:
    """start > n > o, and n's error handle to `e` where it has one."""
    nodes = [
        node("s", "start"),
        node("n", type, config=config, **policy),
        node("o", "output", config={"value": "{input}", "key": "out"}),
    ]
    edges = ["s>n", "n>o"]
    if policy.get("on_error") == "branch":
        nodes.append(node("e", "output", config={"value": "{input}", "key": "error"}))
        edges.append("n:error>e")
    return (nodes, *edges)


async def failed(runner: Runner, graph: tuple[Any, ...]) -> tuple[ApplicationError, Any]:
    handle = await runner.start(*graph)
    cause = await runner.failure(handle)
    assert isinstance(cause, ApplicationError)
    return cause, (await runner.snapshot(handle)).nodes[1]


async def test_max_attempts_are_the_nodes_own(runner: Runner, server: Server) -> None:
    for attempts in (1, 3):
        server.requests.clear()
        error, state = await failed(
            runner,
            chain({"url": f"{server.url}/status/500"}, retry={**QUICK, "max_attempts": attempts}),
        )
        assert error.type == "http_status"
        assert len(server.requests) == attempts
        assert state.error["attempt"] == attempts
    keys = {headers["idempotency-key"] for _, _, headers, _ in server.requests}
    assert len(keys) == 1


async def test_a_post_is_not_repeated_unless_the_node_says_so(
    runner: Runner, server: Server
) -> None:
    config = {"url": f"{server.url}/status/500", "method": "POST", "body": {"a": 1}}
    await failed(runner, chain(config, retry={**QUICK, "max_attempts": 3}))
    assert len(server.requests) == 1
    await failed(
        runner, chain({**config, "retry_unsafe": True}, retry={**QUICK, "max_attempts": 3})
    )
    assert len(server.requests) == 1 + 3


async def test_codes_may_be_named_as_not_worth_another_attempt(
    runner: Runner, server: Server
) -> None:
    retry = {**QUICK, "max_attempts": 3, "non_retryable": ["http_status"]}
    _, state = await failed(runner, chain({"url": f"{server.url}/status/500"}, retry=retry))
    assert (len(server.requests), state.error["attempt"]) == (1, 1)
    # another code is still tried again
    _, state = await failed(runner, chain({"url": "http://127.0.0.1:1/"}, retry=retry))
    assert (state.error["code"], state.error["attempt"]) == ("http_connect", 3)


async def test_the_pause_grows_by_backoff_up_to_its_longest(runner: Runner, server: Server) -> None:
    retry = {"max_attempts": 4, "initial_s": 0.2, "backoff": 4, "max_s": 0.5}
    began = time.monotonic()
    await failed(runner, chain({"url": f"{server.url}/status/503"}, retry=retry))
    assert 0.2 + 0.5 + 0.5 <= time.monotonic() - began < 5
    assert len(server.requests) == 4


async def test_retry_after_is_a_timer_of_temporals_and_the_worker_holds_nothing(
    runner: Runner, server: Server
) -> None:
    graph = chain({"url": f"{server.url}/status/503?Retry-After=2"}, retry={"max_attempts": 2})
    handle = await runner.start(*graph)
    async with asyncio.timeout(10):
        while not server.requests:
            await asyncio.sleep(0.02)
    answered = time.monotonic()
    await asyncio.sleep(0.5)
    [pending] = (await handle.describe()).raw_description.pending_activities
    assert pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    assert pending.attempt == 2
    wait = pending.scheduled_time.ToDatetime() - pending.last_attempt_complete_time.ToDatetime()
    assert 1.5 < wait.total_seconds() < 2.5, "the next attempt is scheduled by the server"
    assert "http_status" in str(pending.last_failure)
    assert len(server.requests) == 1
    # no connection is kept for it, and nothing sleeps in the worker
    connections = current().http._transport._pool.connections  # type: ignore[attr-defined]
    assert all(connection.is_idle() or connection.is_closed() for connection in connections)
    await runner.failure(handle)
    assert len(server.requests) == 2
    assert time.monotonic() - answered > 1.9


async def test_a_timeout_ends_an_attempt_and_is_tried_again(runner: Runner, server: Server) -> None:
    retry = {**QUICK, "max_attempts": 2}
    began = time.monotonic()
    error, state = await failed(
        runner, chain({"url": f"{server.url}/slow"}, timeout_s=0.6, retry=retry)
    )
    assert error.type == "http_timeout"
    assert (len(server.requests), state.error["attempt"]) == (2, 2)
    assert time.monotonic() - began < 10


async def test_a_code_node_ends_within_the_nodes_timeout(runner: Runner) -> None:
    began = time.monotonic()
    config = {"source": "while True: pass", "limits": {"time_s": 60}}
    error, _ = await failed(runner, chain(config, "code", timeout_s=0.5, retry={"max_attempts": 1}))
    assert error.type in ("code_timeout", "timeout")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [("continue", {"out": None}), ({"default": {"d": [1]}}, {"out": {"d": [1]}})],
)
async def test_on_error_goes_on_when_the_attempts_are_used_up(
    runner: Runner, server: Server, on_error: Any, expected: Any
) -> None:
    graph = chain(
        {"url": f"{server.url}/status/500"},
        retry={**QUICK, "max_attempts": 2},
        on_error=on_error,
    )
    assert await runner.run(*graph) == expected["out"]
    assert len(server.requests) == 2


async def test_the_error_handle_carries_code_message_and_attempt(
    runner: Runner, server: Server
) -> None:
    graph = chain(
        {"url": f"{server.url}/status/500"},
        retry={**QUICK, "max_attempts": 2},
        on_error="branch",
    )
    result = await runner.run(*graph)
    assert set(result) == {"error"}
    assert result["error"]["code"] == "http_status"
    assert "answered 500" in result["error"]["message"]
    assert result["error"]["attempt"] == 2


async def test_a_success_takes_the_ordinary_handle(runner: Runner, server: Server) -> None:
    graph = chain({"url": f"{server.url}/status/200"}, on_error="branch")
    assert set(await runner.run(*graph)) == {"out"}


async def test_every_attempt_is_one_activity_of_the_history(runner: Runner, server: Server) -> None:
    graph = chain({"url": f"{server.url}/status/500"}, retry={**QUICK, "max_attempts": 5})
    handle = await runner.start(*graph)
    await runner.failure(handle)
    history = await handle.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
        and event.activity_task_scheduled_event_attributes.activity_id == "n"
    ]
    assert len(scheduled) == 1
    assert scheduled[0].retry_policy.maximum_attempts == 5
    assert scheduled[0].retry_policy.initial_interval.ToMilliseconds() == 50
    started = [
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert 5 in started


async def test_a_pure_node_has_the_same_policy(runner: Runner) -> None:
    graph = chain({"assignments": {"v": "{input.nope}"}}, "variable", on_error="branch")
    result = await runner.run(*graph, input={})
    assert result["error"]["code"] in ("template_failed", "expression_failed")
    assert result["error"]["attempt"] == 1


def test_codes_that_temporal_gives_are_named_as_temporal_does() -> None:
    graph = Graph.model_validate(
        {
            "nodes": [
                {"id": "s", "type": "start"},
                node("n", "http", retry={"non_retryable": ["timeout", "worker_lost", "x"]}),
            ],
            "edges": [{"source": "s", "target": "n"}],
        }
    )
    plan = compile_plan(graph, specs())
    policy = plan.policies[plan.nodes[1].policy]
    assert policy.retry.non_retryable == (
        "timeout",
        "worker_lost",
        "x",
        "TemporalTimeout:StartToClose",
        "TemporalTimeout:Heartbeat",
    )


@pytest.mark.parametrize(
    ("type", "code"),
    [(TimeoutType.HEARTBEAT, "worker_lost"), (TimeoutType.START_TO_CLOSE, "timeout")],
)
def test_a_timeout_of_temporals_tells_the_attempt_too(type: TimeoutType, code: str) -> None:
    error = ActivityError(
        "activity",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="http",
        activity_id="n",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = TimeoutError("late", type=type, last_heartbeat_details=[])
    failure = failure_of(error, Policy(Retry(max_attempts=4), timeout_s=3))
    assert (failure.code, failure.attempt) == (code, 4)


# a worker that dies


class Deadly:
    """An activity that goes silent, as if its worker had died, for some attempts."""

    def __init__(self) -> None:
        self.silent = 0
        self.attempts: list[int] = []

    @activity.defn(name="deadly")
    async def run(self, task: NodeTask) -> NodeResult:
        self.attempts.append(activity.info().attempt + task.attempts_before)
        if len(self.attempts) <= self.silent:
            await asyncio.sleep(5)
        return NodeResult("alive")


@pytest.fixture(scope="module")
async def deadly(
    temporal_address: str, worker_settings: Settings
) -> AsyncIterator[tuple[Client, str, Deadly]]:
    node = Deadly()
    async with PilotPlugin.open(worker_settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        queue = f"deadly-{uuid.uuid4()}"
        async with Worker(client, task_queue=queue, activities=[node.run]):
            yield client, queue, node


async def run_deadly(
    deadly: tuple[Client, str, Deadly], silent: int, attempts: int
) -> WorkflowHandle[Any, Any]:
    """A run whose one node of its own loses its worker `silent` times."""
    client, queue, node = deadly
    node.silent, node.attempts = silent, []
    policy = Policy(Retry(max_attempts=attempts, initial_s=0.05, backoff=1), 30, heartbeat_s=0.4)
    run = RunInput(
        execution_id=str(uuid.uuid4()),
        workflow_id="w",
        workflow_name="test",
        workflow_version=1,
        user_id="u",
        plan=Plan(
            nodes=[PlanNode(id="n", type="deadly", name="n", config={}, policy=0, output_key="n")],
            edges=[],
            policies=[policy],
        ),
    )
    return await client.start_workflow(
        WORKFLOW_TYPE, run, id=f"execution-{run.execution_id}", task_queue=queue
    )


async def test_attempts_that_died_with_their_worker_count_for_nothing(
    deadly: tuple[Client, str, Deadly],
) -> None:
    handle = await run_deadly(deadly, silent=4, attempts=2)
    assert await asyncio.wait_for(handle.result(), 60) == "alive"
    assert deadly[2].attempts == [1, 2, 3, 4, 5]
    await Replayer(workflows=[], plugins=[PilotPlugin()]).replay_workflow(
        await handle.fetch_history()
    )


@pytest.mark.parametrize(("silent", "attempts", "begun"), [(9, 2, 4), (3, 1, 1)])
async def test_but_not_for_ever_and_not_where_one_attempt_is_all(
    deadly: tuple[Client, str, Deadly],
    monkeypatch: pytest.MonkeyPatch,
    silent: int,
    attempts: int,
    begun: int,
) -> None:
    monkeypatch.setattr(dispatch, "MAX_LOST", 2)
    handle = await run_deadly(deadly, silent=silent, attempts=attempts)
    with pytest.raises(WorkflowFailureError) as caught:
        await asyncio.wait_for(handle.result(), 60)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "worker_lost"
    assert len(deadly[2].attempts) == begun
