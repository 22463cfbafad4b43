"""Executions that have ended, written straight into a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import Execution, Store, Workflow
from pilot.store.iterations import Iteration
from pilot.store.llm_calls import LlmCall
from pilot.store.usage import CallKey, ModelCall
from pilot.store.waits import Wait

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

ENDS = {
    ExecutionStatus.SUCCEEDED: EventType.EXECUTION_SUCCEEDED,
    ExecutionStatus.FAILED: EventType.EXECUTION_FAILED,
    ExecutionStatus.CANCELLED: EventType.EXECUTION_CANCELLED,
    ExecutionStatus.TIMED_OUT: EventType.EXECUTION_TIMED_OUT,
}


async def ran(
    store: Store,
    workflow: Workflow,
    age: timedelta,
    status: ExecutionStatus = ExecutionStatus.SUCCEEDED,
    *,
    now: datetime = NOW,
) -> Execution:
    """An execution that ended (or is open) that long before `now`, with a node, an iteration, an
    approval that eve gave, a model call and up to three events."""
    at = now - age
    row = Execution(
        id=str(uuid4()),
        owner=workflow.owner,
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input="in",
        created_at=at - timedelta(seconds=1),
    )
    await store.create_execution(row)
    text = at.isoformat().replace("+00:00", "Z")

    def say(type: EventType, seq: int, status: str, node_id: str | None = None) -> Event:
        data = {} if node_id is None else {"type": "start"}
        return Event(
            type, row.id, workflow.id, text, seq=seq, status=status, node_id=node_id, data=data
        )

    said = [
        say(EventType.EXECUTION_STARTED, 1, "running"),
        say(EventType.NODE_STARTED, 2, "running", "start"),
    ]
    if status.is_final:
        said.append(say(ENDS[status], 3, status.value))
    await store.append_events(row.id, said)
    made = Iteration(0, NodeStatus.SUCCEEDED, "k", {"n": 1}, started_at=at, finished_at=at)
    await store.iterations.record(row.id, "each", "", [made])
    await store.waits.put(
        Wait(row.id, "ask", "", "approval", "t", at, users=("eve",), answered=("eve",))
    )
    key = CallKey(row.id, "start", "", "run", 1, 1)
    await store.usage.record(ModelCall(key, row.owner, workflow.id, "m", 1, 1, 1, at))
    await store.llm_calls.sent(LlmCall(f"key-{row.id}", "s", row.id, 1, "w"))
    return await store.get_execution(row.owner, row.id)
