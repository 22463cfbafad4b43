"""The contract of remembered model calls and kept answers, on every database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pilot.store import Store
from pilot.store.llm_calls import LlmCall

CALL = LlmCall(key="e:n::0", step="0", execution_id="e", attempt=1, worker="w1")
ANSWER = {"text": "a\x00\ud800é", "usage": {"n": 2**70}}


async def test_a_call_is_sent_then_answered(store: Store) -> None:
    calls = store.llm_calls
    assert await calls.of(CALL.key) == {}
    await calls.sent(CALL)
    assert await calls.of(CALL.key) == {"0": CALL}
    await calls.answered(CALL, ANSWER)
    assert await calls.of(CALL.key) == {"0": replace(CALL, state="answered", answer=ANSWER)}


async def test_steps_are_apart(store: Store) -> None:
    calls, other = store.llm_calls, replace(CALL, step="0r")
    await calls.sent(CALL)
    await calls.sent(other)
    await calls.answered(CALL, 1)
    assert [call.state for call in (await calls.of(CALL.key)).values()] == ["answered", "sent"]
    await calls.forget(CALL.key, "0")
    assert await calls.of(CALL.key) == {"0r": other}
    await calls.sent(CALL)
    await calls.forget(CALL.key)
    assert await calls.of(CALL.key) == {}


async def test_a_late_answer_does_not_overwrite_a_later_attempt(store: Store) -> None:
    calls, second = store.llm_calls, replace(CALL, attempt=2, worker="w2")
    await calls.sent(CALL)
    await calls.sent(second)
    await calls.answered(CALL, "late")
    assert await calls.of(CALL.key) == {"0": second}
    # the same attempt number again, as after a reset
    await calls.sent(replace(CALL, worker="w3"))
    await calls.answered(CALL, "late")
    assert (await calls.of(CALL.key))["0"].state == "sent"


async def test_a_runs_calls_go_with_it(
    store: Store, in_database: Callable[[str], Awaitable[Any]]
) -> None:
    calls, other = store.llm_calls, replace(CALL, key="f:n::0", execution_id="f")
    old = replace(CALL, key="g:n::0", execution_id="g")
    for call in (CALL, other, old):
        await calls.sent(call)
    await calls.keep_answer("ada", "q", 1, timedelta(seconds=-1))
    await in_database("UPDATE llm_calls SET expires_at = '2020-01-01' WHERE execution_id = 'g'")
    await calls.forget_run("unknown")
    assert await calls.of(CALL.key) != {}
    await calls.forget_run("e")
    assert await calls.of(CALL.key) == {}
    assert await calls.of(other.key) == {"0": other}
    assert await calls.of(old.key) == {}
    assert await in_database("SELECT count(*) FROM llm_answers") == 0


@pytest.mark.parametrize("answer", [ANSWER, "text", [], 0])
async def test_kept_answers_are_their_owners(store: Store, answer: object) -> None:
    calls = store.llm_calls
    await calls.keep_answer("ada", "q", "old", timedelta(hours=1))
    await calls.keep_answer("ada", "q", answer, timedelta(hours=1))
    assert await calls.kept_answer("ada", "q") == answer
    assert await calls.kept_answer("bob", "q") is None
    assert await calls.kept_answer("ada", "other") is None


async def test_kept_answers_expire(store: Store) -> None:
    await store.llm_calls.keep_answer("ada", "q", 1, timedelta(seconds=-1))
    assert await store.llm_calls.kept_answer("ada", "q") is None
