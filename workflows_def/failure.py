"""What an activity's failure means for its node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    RetryState,
    TimeoutError,
    TimeoutType,
)

from pilot.graph.spec import Policy
from pilot.graph.task import MODEL_BUSY

PAYLOADS_AWAY = "payload_store_unavailable"
CUT_OFF = ("worker_shutdown", "WorkerShutdown")
"""The code of our own attempts, and the SDK's of any other activity."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A node's final failure: a stable `code`, a message for people, the attempt that was the
    last, and the `meta` that it left."""

    code: str
    message: str
    attempt: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def to_json(self, node_id: str | None = None) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if node_id is not None:
            body["node_id"] = node_id
        if self.attempt is not None:
            body["attempt"] = self.attempt
        return body


def _last_attempt(error: FailureError, policy: Policy) -> int | None:
    """The number of the last attempt where Temporal's own error tells it."""
    used_up = (
        isinstance(error, ActivityError)
        and error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
    )
    return policy.retry.max_attempts if used_up else None


def is_cancelled(error: FailureError) -> bool:
    """Also where an attempt failed, and no other followed as it was to be cancelled."""
    if isinstance(error, ActivityError) and error.retry_state is RetryState.CANCEL_REQUESTED:
        return True
    return isinstance(_cause(error), CancelledError)


def cut_off_at(error: ActivityError, policy: Policy) -> int | None:
    """The number of a last attempt that its worker's stop has cut off; None for any other end. A
    stop is no failure of the node's, so another attempt is due."""
    cause = error.cause
    if error.retry_state is not RetryState.MAXIMUM_ATTEMPTS_REACHED:
        return None
    if not (isinstance(cause, ApplicationError) and cause.type in CUT_OFF):
        return None
    return failure_of(error, policy).attempt or policy.retry.max_attempts


def is_away(error: FailureError) -> bool:
    """Whether it was the payload store that did not answer, to the last attempt: no failure of the
    node's."""
    cause = _cause(error)
    return isinstance(cause, ApplicationError) and cause.type == PAYLOADS_AWAY


def waiting_of(error: FailureError) -> dict[str, Any] | None:
    """What an attempt waits for that ended because its model has no room, with the `seconds` after
    which it asks again; None for any other end."""
    cause = _cause(error)
    if not (isinstance(cause, ApplicationError) and cause.type == MODEL_BUSY):
        return None
    details = cause.details[0] if cause.details else {}
    waiting: dict[str, Any] | None = details.get("meta", {}).get("waiting")
    return waiting


def was_lost(error: ActivityError, policy: Policy) -> bool:
    """Whether a last attempt died with its worker, where the policy allows more than one."""
    return (
        error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
        and isinstance(error.cause, TimeoutError)
        and error.cause.type is TimeoutType.HEARTBEAT
        and policy.retry.max_attempts > 1
    )


def _cause(error: FailureError) -> BaseException | None:
    """An activity's failure comes wrapped, a local activity's does not."""
    return error.cause if isinstance(error, ActivityError) else error


def failure_of(error: FailureError, policy: Policy) -> Failure:
    """Reads the cause: our own errors carry a code and details, Temporal's are named here."""
    cause = _cause(error)
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details else {}
        known = details if isinstance(details, dict) else {}
        return Failure(
            code=cause.type or "node_failed",
            message=cause.message,
            attempt=known.get("attempt"),
            meta=known.get("meta") or {},
        )
    if isinstance(cause, TimeoutError):
        attempt = _last_attempt(error, policy)
        if cause.type is TimeoutType.HEARTBEAT:
            return Failure(
                "worker_lost",
                "the worker that ran this node was lost, and no attempt is left",
                attempt,
            )
        return Failure("timeout", f"the node took longer than its {policy.timeout_s:g} s", attempt)
    return Failure("node_failed", str(cause or error))
