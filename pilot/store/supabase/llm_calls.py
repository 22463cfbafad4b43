"""`LlmCallStore` on Supabase: of the worker's alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pilot.store import json_text
from pilot.store.llm_calls import KEPT, LlmCall
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record
from pilot.store.values import owner_id, plain


class SupabaseLlmCalls:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, key: str) -> dict[str, LlmCall]:
        found = await self._connection.read_all("llm_calls", key=plain(key))
        calls = [record(row) for row in found]
        return {
            row.step: LlmCall(
                key=row.call_key,
                step=row.step,
                execution_id=row.execution_id,
                attempt=row.attempt,
                worker=row.worker,
                state=row.state,
                answer=row.answer,
            )
            for row in calls
        }

    async def sent(self, call: LlmCall) -> None:
        await self._connection.write_all(
            "llm_call_sent",
            key=plain(call.key),
            step=plain(call.step),
            execution_id=plain(call.execution_id),
            attempt=call.attempt,
            worker=plain(call.worker),
            expires_at=datetime.now(UTC) + KEPT,
        )

    async def answered(self, call: LlmCall, answer: Any) -> None:
        await self._connection.write_all(
            "llm_call_answered",
            key=plain(call.key),
            step=plain(call.step),
            attempt=call.attempt,
            worker=plain(call.worker),
            answer=json_text.dumps(answer),
        )

    async def forget(self, key: str, step: str | None = None) -> None:
        await self._connection.write_all(
            "forget_llm_calls", key=plain(key), step=None if step is None else plain(step)
        )

    async def forget_run(self, execution_id: str) -> None:
        await self._connection.write_all("forget_llm_run", execution_id=plain(execution_id))

    async def kept_answer(self, owner: str, question: str) -> Any:
        found = await self._connection.read_all(
            "kept_answer", owner=owner_id(owner), question=question
        )
        return None if found is None else json_text.loads(found)

    async def keep_answer(self, owner: str, question: str, answer: Any, ttl: timedelta) -> None:
        await self._connection.write_all(
            "keep_answer",
            owner=owner_id(owner),
            question=question,
            expires_at=datetime.now(UTC) + ttl,
            answer=json_text.dumps(answer),
        )
