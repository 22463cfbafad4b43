"""The end of a run that cannot say it itself: never started, terminated, timed out, lost.

API and worker close such rows alike, by the events that the run would have written. A row is
only closed when Temporal knows no open run of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)

from pilot.errors import NotFoundError
from pilot.events import sink
from pilot.events.model import Envelope, Event, EventType, rfc3339
from pilot.graph.schedule import Reason
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import Execution, Store
from workflows_def.messages import QUERY_EVENTS, EventsPage

NO_WORKER = "pilot: the run was cancelled and no worker answered"
NOT_ENDED = "pilot: the run was cancelled and did not end in time"
"""Reasons with which an escalated cancel terminates a run. They stay in Temporal, so whoever
closes the row later knows what it was."""

STUCK = "pilot: its workflow task kept failing"
"""The reason with which the reconciler terminates a run that no release could go on with."""

REPLACED = "pilot: the schedule's next run took its place"
"""The reason with which a schedule whose overlap policy is `terminate_other` terminates a run."""

_ESCALATIONS = {
    NO_WORKER: "the execution was cancelled, and no worker answered: it was terminated",
    NOT_ENDED: "the execution was cancelled, and did not end in time: it was terminated",
}
_TOO_LARGE = ("history size exceeds", "history count exceeds", "mutable state size exceeds")
"""From the server's own reasons (temporalio/temporal, common/constants.go)."""


MUTE = frozenset({WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.TIMED_OUT})
"""Runs that ended so have never written their end; all others have, or can be asked for it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: the last event, the status that it sets, and the error that says why."""

    event: EventType
    status: ExecutionStatus
    code: str
    message: str


def cancelled(code: str, message: str) -> Ending:
    return Ending(EventType.EXECUTION_CANCELLED, ExecutionStatus.CANCELLED, code, message)


def failed(code: str, message: str) -> Ending:
    return Ending(EventType.EXECUTION_FAILED, ExecutionStatus.FAILED, code, message)


def escalated(reason: str) -> Ending:
    """The ending of a run that a cancel terminated, with one of its reasons."""
    return cancelled("cancel_escalated", _ESCALATIONS[reason])


NEVER_BEGUN = cancelled("cancelled", "cancelled before it was started")
NEVER_BEGUN_BY_PARENT = cancelled(
    "cancelled", "the run that was to start this one ended before it had"
)


async def is_parents(store: Store, row: Execution) -> bool:
    """Whether a run that has not begun is yet to be started by the one whose child it is: nobody
    else starts or closes it then."""
    if row.parent is None:
        return False
    try:
        parent = await store.get_execution(row.owner, row.parent.execution_id)
    except NotFoundError:
        return False
    return not parent.status.is_final


async def verdict(
    handle: WorkflowHandle[Any, Any],
    description: WorkflowExecutionDescription,
    *,
    limit: timedelta,
) -> Ending:
    """How a closed run ended that could not say so itself. Raises `RPCError`."""
    match description.status:
        case WorkflowExecutionStatus.TERMINATED:
            return termination(await _reason(handle, limit))
        case WorkflowExecutionStatus.TIMED_OUT:
            return Ending(
                EventType.EXECUTION_TIMED_OUT,
                ExecutionStatus.TIMED_OUT,
                "timed_out",
                "the run took longer than it may",
            )
        case WorkflowExecutionStatus.CANCELED:
            return cancelled("cancelled", "the execution was cancelled")
        case _:
            return failed("run_failed", "the run failed before it could say why")


def termination(reason: str) -> Ending:
    """The ending of a run that was terminated with this reason."""
    if reason in _ESCALATIONS:
        return escalated(reason)
    if reason == STUCK:
        return failed(
            "workflow_task_failing",
            "the run's code could not go on with its history, and no other release came that could",
        )
    if reason == REPLACED:
        return cancelled("replaced", "the schedule's next run took its place: it was terminated")
    if any(text in reason.lower() for text in _TOO_LARGE):
        return failed("history_limit", f"Temporal ended the run: {reason}")
    # a reason typed by an operator is not for the run's user: it may name people and hosts
    return cancelled("terminated", "the run was terminated in Temporal")


async def _reason(handle: WorkflowHandle[Any, Any], limit: timedelta) -> str:
    """The reason that the run's last event, its termination, gives."""
    reason = ""
    async for event in handle.fetch_history_events(
        event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT, rpc_timeout=limit
    ):
        reason = event.workflow_execution_terminated_event_attributes.reason
    return reason


async def copy_events(
    store: Store, handle: WorkflowHandle[Any, Any], execution_id: str, *, limit: timedelta
) -> None:
    """Copies what the store lacks from the run's own list, which a worker has to answer.

    Raises `RPCError` where none does within `limit`, `WorkflowQueryFailedError` where the run
    cannot be asked.
    """
    missing = await store.missing_from(execution_id)
    more = True
    while more:
        page: EventsPage = await handle.query(
            QUERY_EVENTS, missing - 1, result_type=EventsPage, rpc_timeout=limit
        )
        if page.events:
            await store.append_events(execution_id, [Event.from_json(body) for body in page.events])
        missing += len(page.events)
        more = page.more and bool(page.events)


async def close_and_tell(store: Store, row: Execution, ending: Ending) -> None:
    """Closes a row, in a worker, and hands what is said of it to watchers."""
    for event in await close(store, row, ending):
        sink.emit(Envelope(row.owner, event))


async def close(store: Store, row: Execution, ending: Ending, *, seen: int = 0) -> list[Event]:
    """Writes how the run ended: what was under way is cancelled, what had not begun skipped.

    `seen` is the highest `seq` that the caller knows to have been shown to watchers. Returns
    what is to be handed to them; nothing where the row was final already. Two that close one
    row at once write the same events, of which the store keeps the first of each `seq`.
    """
    fresh = await store.get_execution(row.owner, row.id)
    if fresh.status.is_final:
        return []
    # A worker that died may have shown events that it never wrote. A watcher takes a `seq` it
    # has had for a repetition, so an end in place of such an event would be missed for good;
    # one behind it leaves at worst a gap, which every reader passes over once the run is final.
    first = max(fresh.last_seq, seen) + 1
    at = rfc3339(datetime.now(UTC))
    events: list[Event] = []

    def say(type: EventType, status: str, data: dict[str, Any], **node: Any) -> None:
        seq = first + len(events)
        events.append(
            Event(type, row.id, row.workflow_id, at, seq, status=status, data=data, **node)
        )

    reason = (
        Reason.EXECUTION_CANCELLED
        if ending.status is ExecutionStatus.CANCELLED
        else Reason.EXECUTION_FAILED
    )
    runs = await store.node_runs(row.owner, row.id)
    for run in runs:
        if not run.status.is_final:
            say(
                EventType.NODE_CANCELLED,
                NodeStatus.CANCELLED,
                {"reason": reason.value},
                node_id=run.node_id,
                path=run.path,
            )
    begun = {run.node_id for run in runs if run.path == ""}
    version = await store.get_version(row.owner, row.workflow_id, row.workflow_version)
    for node in version.graph.get("nodes", []):
        if node["id"] not in begun:
            say(
                EventType.NODE_SKIPPED,
                NodeStatus.SKIPPED,
                {"type": node["type"], "reason": reason.value},
                node_id=node["id"],
            )
    error = {"code": ending.code, "message": ending.message}
    say(ending.event, ending.status, {"error": error})
    await store.append_events(row.id, events)
    return events
