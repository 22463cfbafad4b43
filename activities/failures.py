"""What went wrong in an attempt: as a `NodeError`, as Temporal takes it, and whether another
attempt follows."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.payload import bounded_meta
from pilot.errors import NodeError, PilotError, UnavailableError
from pilot.graph.task import NodeTask

MAX_MESSAGE_CHARS = 4_000
# Temporal's default when a retry policy names no maximum interval.
DEFAULT_MAX_INTERVALS = 100
# The shortest pause before the next attempt: none at all would mean the policy's own.
AT_ONCE_S = 0.001


def is_cut_off() -> bool:
    """Whether this attempt was cancelled because its worker stops, and its time to end is over.
    A local activity never is: its workflow task is repeated as a whole."""
    details = activity.cancellation_details()
    return details is not None and details.worker_shutdown and not activity.info().is_local


def failure_of(error: BaseException, task: NodeTask) -> NodeError:
    """Any error of an attempt as a `NodeError`; a cancellation is that of a worker that stops.

    The text of an unexpected error may hold anything (a URL with its key), so it stays in
    the worker's log and only its class is told.
    """
    match error:
        case NodeError():
            return error
        case PilotError():
            return NodeError(
                error.message, code=error.code, retryable=isinstance(error, UnavailableError)
            )
        case ApplicationError():
            delay = error.next_retry_delay
            return NodeError(
                error.message,
                code=error.type or NodeError.code,
                retryable=not error.non_retryable,
                retry_after_s=None if delay is None else delay.total_seconds(),
            )
        case asyncio.CancelledError():
            return NodeError(
                "the worker that ran this node was stopped before the node was done",
                code="worker_shutdown",
                retryable=True,
                retry_after_s=AT_ONCE_S,
            )
        case _:
            activity.logger.error("the %s node %s failed", task.type, task.name, exc_info=error)
            return NodeError(
                f"the {task.type} node failed inside πlot ({type(error).__name__}); "
                "the worker's log has the details",
                code="internal_error",
                retryable=True,
            )


def application_error(failure: NodeError, number: int) -> ApplicationError:
    """The error as Temporal takes it. Only our own faults alarm: what a node's author or the
    other side did wrong is benign to the worker."""
    message = clip(failure.message)
    delay = failure.retry_after_s
    return ApplicationError(
        message,
        {
            "code": failure.code,
            "message": message,
            "attempt": number,
            "meta": bounded_meta(failure.meta),
        },
        type=failure.code,
        non_retryable=not failure.retryable,
        next_retry_delay=None if delay is None else timedelta(seconds=delay),
        category=ApplicationErrorCategory.UNSPECIFIED
        if failure.code == "internal_error"
        else ApplicationErrorCategory.BENIGN,
    )


def retry_delay_s(failure: NodeError, number: int) -> float | None:
    """The seconds until Temporal's next attempt, or None where this was the last one."""
    policy = activity.info().retry_policy
    if not failure.retryable or policy is None:
        return None
    if policy.maximum_attempts and number >= policy.maximum_attempts:
        return None
    if failure.code in (policy.non_retryable_error_types or ()):
        return None
    if failure.retry_after_s is not None:
        return failure.retry_after_s
    initial = policy.initial_interval.total_seconds()
    longest = (
        policy.maximum_interval.total_seconds()
        if policy.maximum_interval
        else initial * DEFAULT_MAX_INTERVALS
    )
    try:
        return min(initial * policy.backoff_coefficient ** (number - 1), longest)
    except OverflowError:
        return longest


def clip(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARS:
        return message
    return message[: MAX_MESSAGE_CHARS - 1] + "…"
