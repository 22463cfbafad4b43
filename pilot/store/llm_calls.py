"""Calls of language models, kept while it matters what became of them.

A call is written down before it is sent and again when its answer has arrived, so that the
attempt after a worker's death knows whether the model was asked and what it said. The rows go
with the run, and after a week at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pilot.store import json_text
from pilot.store.database import Database
from pilot.store.prepared import prepared
from pilot.store.tables import llm_answers, llm_calls

KEPT = timedelta(days=7)
"""How long a call of a run that never ended is remembered."""

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class LlmCall:
    """One call: `key` is the same for every attempt of a node's call, `step` tells the calls of
    one attempt apart. `worker` is the identity of the worker that sent it."""

    key: str
    step: str
    execution_id: str
    attempt: int
    worker: str
    state: Literal["sent", "answered"] = "sent"
    answer: Any = None


class LlmCallStore(Protocol):
    """Every implementation passes `tests/store/test_llm_calls.py`."""

    async def of(self, key: str) -> dict[str, LlmCall]:
        """What is known of a call, by step."""
        ...

    async def sent(self, call: LlmCall) -> None:
        """Notes that the call is about to be sent, in place of what was known of this step."""
        ...

    async def answered(self, call: LlmCall, answer: Any) -> None:
        """Notes the answer, unless a later attempt has sent the call again."""
        ...

    async def forget(self, key: str, step: str | None = None) -> None:
        """Forgets one step, or all of them."""
        ...

    async def forget_run(self, execution_id: str) -> None:
        """Forgets the calls of a run that has ended, and whatever has expired."""
        ...

    async def kept_answer(self, owner: str, question: str) -> Any:
        """The answer that was kept for a question; None where there is none, or no more."""
        ...

    async def keep_answer(self, owner: str, question: str, answer: Any, ttl: timedelta) -> None:
        """Keeps an answer, in place of an older one."""
        ...


@prepared
def _any_call_of(execution_id: str) -> Select[Any]:
    return select(llm_calls.c.step).where(llm_calls.c.execution_id == execution_id).limit(1)


class SqlLlmCalls:
    """`LlmCallStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, key: str) -> dict[str, LlmCall]:
        query = select(llm_calls).where(llm_calls.c.call_key == key)
        found = await self._database.rows(query)
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
            for row in found
        }

    async def sent(self, call: LlmCall) -> None:
        values = {
            "execution_id": call.execution_id,
            "state": "sent",
            "attempt": call.attempt,
            "worker": call.worker,
            "expires_at": datetime.now(UTC) + KEPT,
            "answer": None,
        }
        async with self._database.writing() as connection:
            statement = _INSERT[connection.dialect.name](llm_calls).values(
                call_key=call.key, step=call.step, **values
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[llm_calls.c.call_key, llm_calls.c.step], set_=values
                )
            )

    async def answered(self, call: LlmCall, answer: Any) -> None:
        statement = (
            update(llm_calls)
            .where(
                llm_calls.c.call_key == call.key,
                llm_calls.c.step == call.step,
                llm_calls.c.attempt == call.attempt,
                llm_calls.c.worker == call.worker,
            )
            .values(state="answered", answer=json_text.dumps(answer))
        )
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def forget(self, key: str, step: str | None = None) -> None:
        statement = delete(llm_calls).where(llm_calls.c.call_key == key)
        if step is not None:
            statement = statement.where(llm_calls.c.step == step)
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def forget_run(self, execution_id: str) -> None:
        of_run = llm_calls.c.execution_id == execution_id
        # most runs have asked no model, and a read holds nobody up
        if await self._database.row(*_any_call_of(execution_id)) is None:
            return
        now = datetime.now(UTC)
        async with self._database.writing() as connection:
            await connection.execute(delete(llm_calls).where(of_run))
            await connection.execute(delete(llm_calls).where(llm_calls.c.expires_at < now))
            await connection.execute(delete(llm_answers).where(llm_answers.c.expires_at < now))

    async def kept_answer(self, owner: str, question: str) -> Any:
        query = select(llm_answers.c.answer).where(
            llm_answers.c.owner == owner,
            llm_answers.c.question == question,
            llm_answers.c.expires_at > datetime.now(UTC),
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def keep_answer(self, owner: str, question: str, answer: Any, ttl: timedelta) -> None:
        values = {"expires_at": datetime.now(UTC) + ttl, "answer": json_text.dumps(answer)}
        async with self._database.writing() as connection:
            statement = _INSERT[connection.dialect.name](llm_answers).values(
                owner=owner, question=question, **values
            )
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[llm_answers.c.owner, llm_answers.c.question], set_=values
                )
            )
