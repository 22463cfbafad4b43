"""An attempt's secrets: its owner's alone, named where they are missing, and taken out of all
that any node, also somebody else's, gives back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from temporalio import activity

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from activities.http import http
from activities.resources import resources
from activities.secrets import Secrets
from pilot import vault
from pilot.crypto import Keyring, new_key
from pilot.errors import NodeError
from pilot.events.model import EventType
from pilot.graph.spec import NodeConfig, TemplateText
from pilot.graph.task import NodeResult
from pilot.store.migrate import migrate
from pilot.store.secrets import SealedSecret
from pilot.store.sql import SqlStore

from .conftest import Watcher, environment, failure, settings, task
from .http_server import http_server

VALUE = "tell-nobody-7391"
KEYS = Keyring.parse(new_key())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    await store.secrets.put(vault.seal(KEYS, "user-1", "KEY", VALUE))
    await store.secrets.put(vault.seal(KEYS, "user-2", "THEIRS", "of another user"))
    yield store
    await store.close()


@asynccontextmanager
async def given(secrets: Secrets) -> AsyncIterator[None]:
    async with resources(settings(pilot_allowed_hosts=["127.0.0.1"]), secrets):
        yield


class LeakyConfig(NodeConfig):
    key: Annotated[str, TemplateText(secrets=True)] = "{secrets.KEY}"
    how: str = "output"


@node_activity("leaky", LeakyConfig)
async def leaky(attempt: Attempt[LeakyConfig]) -> NodeResult:
    """What somebody else's node might do with a secret."""
    config = await render(attempt.config, attempt.task.scope, secrets=await attempt.secrets())
    key = config.key
    match attempt.config.how:
        case "output":
            return NodeResult(output={key: [f"it is {key}"]}, meta={"k": key}, vars={"v": key})
        case "events":
            for letter in f"it is {key}, yes":
                attempt.emit_live(EventType.LOG, {"stream": "stdout", "text": letter})
            attempt.emit_live(EventType.LOG, {"stream": "stdout", "text": " tell-nobo"})
            attempt.emit_live(EventType.NODE_WAITING, {"nested": {"key": key}})
            return NodeResult()
        case "error":
            raise NodeError(f"no {key}", retryable=True, meta={"url": f"http://x/?k={key}"})
        case "application error":
            raise activity_error(key)
        case "crash":
            raise ValueError(f"bad {key}")
        case "log":
            logging.getLogger("theirs").warning("key %s", key)
            activity.logger.warning("key %s", key)
            return NodeResult()
        case _:
            circle: dict[str, Any] = {"key": key}
            circle["self"] = circle
            raise NodeError("circular", meta=circle)


def activity_error(key: str) -> Exception:
    from temporalio.exceptions import ApplicationError

    return ApplicationError(f"theirs {key}", {"key": key}, type="theirs")


async def test_results_events_and_logs_are_clean(
    store: SqlStore, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with given(Secrets(store.secrets, KEYS)):
        result = await environment().run(leaky, task("leaky", {}))
        assert result.output == {"[secret KEY]": ["it is [secret KEY]"]}
        assert result.meta["k"] == "[secret KEY]"
        assert result.vars == {"v": "[secret KEY]"}
        await environment().run(leaky, task("leaky", {"how": "events"}))
        await environment().run(leaky, task("leaky", {"how": "log"}))
    told = "".join(event["text"] for event in watcher.of(EventType.LOG))
    assert told == "it is [secret KEY], yes [secret KEY]"
    assert VALUE not in told
    assert watcher.of(EventType.NODE_WAITING) == [{"nested": {"key": "[secret KEY]"}}]
    assert "key [secret KEY]" in caplog.text
    assert VALUE not in caplog.text


@pytest.mark.parametrize("how", ["error", "application error", "crash", "circular"])
async def test_errors_are_clean(
    store: SqlStore, watcher: Watcher, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async with given(Secrets(store.secrets, KEYS)):
        error = await failure(leaky, task("leaky", {"how": how}))
    assert VALUE not in str(error) + repr(error.details)
    assert VALUE not in str(watcher.events)
    assert VALUE not in caplog.text
    if how == "error":
        assert error.message == "no [secret KEY]"
        assert error.details[0]["meta"]["url"] == "http://x/?k=[secret KEY]"
        [retrying] = watcher.of(EventType.NODE_RETRYING)
        assert retrying["error"]["message"] == "no [secret KEY]"
    if how == "crash":
        assert "ValueError: bad [secret KEY]" in caplog.text


async def test_a_missing_secret_is_named_and_final(store: SqlStore) -> None:
    async with given(Secrets(store.secrets, KEYS)):
        error = await failure(leaky, task("leaky", {"key": "{secrets.THEIRS}{secrets.KEY}"}))
        assert (error.type, error.non_retryable) == ("missing_secret", True)
        assert "'THEIRS'" in error.message
        assert "KEY" not in error.message
        both = await failure(leaky, task("leaky", {"key": "{secrets.B}{secrets.A}"}))
        assert "'A', 'B'" in both.message
        asked = {"key": "{has(secrets.A) ? secrets.A : 'without'}"}
        result = await environment().run(leaky, task("leaky", asked))
        assert result.output == {"without": ["it is without"]}


async def test_each_user_has_their_own(store: SqlStore) -> None:
    async with given(Secrets(store.secrets, KEYS)):
        config = {"key": "{secrets.THEIRS}"}
        result = await environment().run(leaky, replace(task("leaky", config), user_id="user-2"))
    assert result.output == {"[secret THEIRS]": ["it is [secret THEIRS]"]}


async def test_a_row_that_was_moved_is_refused(store: SqlStore) -> None:
    stolen = (await store.secrets.get("user-2", ["THEIRS"]))["THEIRS"]
    await store.secrets.put(SealedSecret("user-1", "KEY", stolen.ciphertext, stolen.key_id))
    async with given(Secrets(store.secrets, KEYS)):
        error = await failure(leaky, task("leaky", {}))
    assert (error.type, error.non_retryable) == ("secret_unreadable", True)
    assert "another user" not in error.message


async def test_an_unknown_key_may_be_known_to_another_worker(store: SqlStore) -> None:
    async with given(Secrets(store.secrets, Keyring.parse(new_key()))):
        error = await failure(leaky, task("leaky", {}))
    assert (error.type, error.non_retryable) == ("secret_unreadable", False)
    assert KEYS.newest in error.message
    async with given(Secrets(store.secrets, None)):
        error = await failure(leaky, task("leaky", {}))
    assert (error.type, error.non_retryable) == ("encryption_not_configured", True)


async def test_a_store_that_is_down_is_tried_again() -> None:
    nowhere = await SqlStore.open("postgresql://nobody@127.0.0.1:1/none")
    async with given(Secrets(nowhere.secrets, KEYS)):
        error = await failure(leaky, task("leaky", {}))
    await nowhere.close()
    assert (error.type, error.non_retryable) == ("store_unavailable", False)


async def test_a_node_without_references_asks_for_nothing() -> None:
    async with given(Secrets(None, None)), http_server() as server:
        await environment().run(http, task("http", {"url": f"{server.url}/echo"}))
        result = await environment().run(leaky, task("leaky", {"key": "none"}))
    assert result.output == {"none": ["it is none"]}
