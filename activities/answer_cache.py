"""Answers that are kept for whoever asks the same: a node's `cache`.

The question is all that makes the answer: where it goes, model, messages, parameters, schema.
It is hashed, and looked up among the owner's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity

from activities.asked import Call, Completion
from activities.attempt import Attempt
from activities.call_journal import completion_from, to_body
from pilot.errors import StoreError
from pilot.nodes.llm import LlmConfig
from pilot.store.json_text import content_hash
from pilot.store.llm_calls import LlmCallStore

_VERSION = 1
# A cut or filtered answer may be a whole one next time.
_KEPT_REASONS = (None, "stop", "tool_calls")


class AnswerCache:
    """The cache of one attempt; it keeps nothing where the node has none. A store that is down
    makes it a slower node, not a failing one."""

    def __init__(self, store: LlmCallStore | None, attempt: Attempt[LlmConfig]) -> None:
        ttl = attempt.config.cache
        self._store = store if ttl is not None else None
        self._ttl = timedelta(seconds=ttl.ttl_s if ttl is not None else 0)
        self._attempt = attempt

    async def find(self, call: Call, schema: dict[str, Any] | None) -> Completion | None:
        if self._store is None:
            return None
        try:
            found = await self._store.kept_answer(self._owner, _question(call, schema))
        except StoreError as error:
            activity.logger.warning("the answer cache does not answer: %s", error)
            return None
        return None if found is None else completion_from(found)

    async def keep(self, call: Call, schema: dict[str, Any] | None, completion: Completion) -> None:
        if self._store is None or completion.finish_reason not in _KEPT_REASONS:
            return
        answer = self._attempt.scrubber.value(to_body(completion))
        try:
            await self._store.keep_answer(self._owner, _question(call, schema), answer, self._ttl)
        except (StoreError, ValueError) as error:
            activity.logger.warning("an answer could not be kept: %s", error)

    @property
    def _owner(self) -> str:
        return self._attempt.task.user_id


def _question(call: Call, schema: dict[str, Any] | None) -> str:
    return content_hash(
        {
            "version": _VERSION,
            "model": call.route.model,
            "api_base": call.route.api_base,
            "messages": call.messages,
            "parameters": call.parameters,
            "schema": schema,
        }
    )
