"""What earlier attempts of a node asked a model, and what became of it.

A call is written to the store before it is sent, and again when its answer has arrived. The
attempt after a worker's death reads both: an answer that had arrived is used, and a call whose
outcome nobody knows is repeated only where the node says so (`on_unknown: retry`), because it
may have been billed. A heartbeat's details would tell the same for less, but they are held back
by up to a second, and what a dying worker had not sent yet is lost.

A call that failed is taken out again: whether it is repeated is for the node's retry policy.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from socket import gethostname
from typing import Any

from temporalio import activity

from activities.asked import Completion, Usage
from activities.attempt import Attempt
from activities.failures import is_cut_off
from pilot.errors import NodeError, StoreError
from pilot.nodes.llm import LlmConfig
from pilot.store.llm_calls import LlmCall, LlmCallStore


class CallJournal:
    """The calls of one attempt, and those of the attempts before it."""

    def __init__(self, store: LlmCallStore | None, attempt: Attempt[LlmConfig]) -> None:
        self._store = store
        self._attempt = attempt
        self._strict = attempt.config.on_unknown == "fail"
        self._key = f"{attempt.key}:{attempt.task.round}"
        self._earlier: dict[str, LlmCall] = {}
        self._written: set[str] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, store: LlmCallStore | None, attempt: Attempt[LlmConfig]
    ) -> AsyncIterator[CallJournal]:
        """The journal of an attempt. What the attempt had asked is forgotten when it fails, so
        that the next one asks anew. Raises `UnavailableError` where the store is down and the
        node is strict."""
        journal = cls(store, attempt)
        # the first attempt has none before it: what is there is from before a reset of the run
        if store is not None and attempt.number > 1:
            with journal._tolerant():
                journal._earlier = await store.of(journal._key)
        try:
            yield journal
        except Exception:
            if store is not None and (journal._written or journal._earlier):
                with contextlib.suppress(StoreError):
                    await store.forget(journal._key)
            raise

    def recall(self, step: str) -> Completion | None:
        """The answer that an earlier attempt got; None where it had not asked.

        Raises `NodeError` `llm_outcome_unknown` where it had asked and nobody knows the rest.
        """
        call = self._earlier.get(step)
        if call is None:
            return None
        if call.state == "answered":
            return completion_from(call.answer)
        if self._strict:
            raise _unknown(call.attempt, "its worker was lost")
        return None

    async def sending(self, step: str) -> None:
        """To be awaited just before a call goes out."""
        if self._store is not None:
            with self._tolerant():
                await self._store.sent(self._call(step))
                self._written.add(step)

    async def answered(self, step: str, completion: Completion) -> None:
        """The answer is in hand, so a store that is down costs only the memory of it."""
        if self._store is None or not self._written:
            return
        answer = self._attempt.scrubber.value(to_body(completion))
        try:
            await self._store.answered(self._call(step), answer)
        except (StoreError, ValueError) as error:
            activity.logger.warning("an answer could not be kept for another attempt: %s", error)

    async def failed(self, step: str) -> None:
        if self._store is not None and self._written:
            with contextlib.suppress(StoreError):
                await self._store.forget(self._key, step)

    def cut_off(self, step: str) -> None:
        """The attempt was cancelled while a call was under way. Raises `NodeError`
        `llm_outcome_unknown` where another worker would go on, and must not ask again."""
        if self._strict and step in self._written and is_cut_off():
            raise _unknown(self._attempt.number, "its worker was stopped")

    def _call(self, step: str) -> LlmCall:
        return LlmCall(
            key=self._key,
            step=step,
            execution_id=self._attempt.task.execution_id,
            attempt=self._attempt.number,
            # the run's id too: after a reset the attempts count from 1 again
            worker=f"{gethostname()}:{os.getpid()}:{activity.info().workflow_run_id}",
        )

    def _tolerant(self) -> contextlib.AbstractContextManager[Any]:
        """A strict node waits for the store: without it, a repeat could go unseen."""
        return contextlib.nullcontext() if self._strict else contextlib.suppress(StoreError)


def _unknown(attempt: int, when: str) -> NodeError:
    return NodeError(
        f"attempt {attempt} had asked the model when {when}, so the call may have been billed. "
        "It is not repeated, because on_unknown is fail",
        code="llm_outcome_unknown",
        meta={"lost_attempt": attempt},
    )


def to_body(completion: Completion) -> dict[str, Any]:
    """A completion as JSON."""
    return {**asdict(completion), "tool_calls": list(completion.tool_calls)}


def completion_from(body: dict[str, Any]) -> Completion:
    """The completion of a body."""
    usage = body["usage"]
    return Completion(
        **{
            **body,
            "usage": None if usage is None else Usage(**usage),
            "tool_calls": tuple(body["tool_calls"]),
        }
    )
