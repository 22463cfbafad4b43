"""What the tests of activities share: the process's resources, and a way to run one attempt."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.completion import preload
from activities.resources import Resources, resources
from pilot.events import sink
from pilot.events.model import Envelope, Event
from pilot.graph.task import NodeResult, NodeTask, Scope
from pilot.settings import Settings
from tests.openai_server import OpenAIServer, openai_server

OPERATORS_KEY = "key-of-the-operator-123"

Activity = Callable[[NodeTask], Awaitable[NodeResult]]


def task(type: str, config: dict[str, Any], **scope: Any) -> NodeTask:
    return NodeTask(
        execution_id="exec-1",
        workflow_id="flow-1",
        user_id="user-1",
        node_id="node-1",
        type=type,
        name="The node",
        config=config,
        scope=Scope(**scope),
    )


def environment(
    *,
    attempt: int = 1,
    max_attempts: int = 3,
    timeout_s: float = 20,
    heartbeat_s: float | None = None,
    is_local: bool = False,
) -> ActivityEnvironment:
    env = ActivityEnvironment()
    env.info = dataclasses.replace(
        env.info,
        attempt=attempt,
        is_local=is_local,
        start_to_close_timeout=timedelta(seconds=timeout_s),
        heartbeat_timeout=heartbeat_s and timedelta(seconds=heartbeat_s),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            maximum_attempts=max_attempts,
            non_retryable_error_types=["never_again"],
        ),
    )
    return env


async def failure(activity: Activity, node: NodeTask, **options: Any) -> ApplicationError:
    """The error of an attempt that must fail."""
    with pytest.raises(ApplicationError) as caught:
        await environment(**options).run(activity, node)
    return caught.value


@dataclass
class Watcher:
    """The live events of a test."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, envelope: Envelope) -> None:
        assert envelope.user_id == "user-1"
        assert envelope.event.seq is None
        self.events.append(envelope.event)

    def of(self, type: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.type == type]


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watching = Watcher()
    sink.install(watching)
    yield watching
    sink.install(None)


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **{"pilot_env": "development", **values})  # type: ignore[call-arg]


def opened(**values: Any) -> AbstractAsyncContextManager[Resources]:
    """Resources of these settings, instead of those of the session."""
    return resources(settings(**values))


@pytest.fixture(scope="session")
async def openai() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture(scope="module")
async def _operator(openai: OpenAIServer) -> AsyncIterator[None]:
    await asyncio.to_thread(preload)
    async with opened(pilot_llm_api_base=openai.base_url, pilot_llm_api_key=OPERATORS_KEY):
        yield


@pytest.fixture
def server(_operator: None, openai: OpenAIServer) -> OpenAIServer:
    """The model server of the worker's operator, fresh."""
    openai.reset()
    return openai
