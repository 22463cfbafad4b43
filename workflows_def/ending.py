"""How a run ends that does not come to its natural end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from pilot.events.model import EventType
from pilot.graph.schedule import Reason
from pilot.graph.status import ExecutionStatus
from workflows_def.failure import Failure

MAX_MESSAGE_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Ending:
    """`reason` is told of the nodes that were under way or never began; `node_id` is the node
    whose failure it was, if any."""

    status: ExecutionStatus
    event: EventType
    reason: Reason
    failure: Failure
    node_id: str | None = None

    @property
    def cleans_up(self) -> bool:
        """Whether the graph's clean-up nodes run."""
        return self.status is not ExecutionStatus.FAILED

    def exception(
        self, name: str | None = None, usage: dict[str, Any] | None = None
    ) -> BaseException:
        """What ends the Temporal workflow in the same way. `name` is the node's, `usage` is told
        to the run that began it, if any."""
        if self.status is ExecutionStatus.CANCELLED:
            return asyncio.CancelledError(self.failure.message)
        message = self.failure.message if name is None else f"{name}: {self.failure.message}"
        told: dict[str, Any] = {} if self.node_id is None else {"node_id": self.node_id}
        if usage is not None:
            told["usage"] = usage
        details = [told] if told else []
        return ApplicationError(message, *details, type=self.failure.code, non_retryable=True)


def failed(failure: Failure, node_id: str | None = None) -> Ending:
    return Ending(
        ExecutionStatus.FAILED,
        EventType.EXECUTION_FAILED,
        Reason.EXECUTION_FAILED,
        failure,
        node_id,
    )


CANCELLED = Ending(
    ExecutionStatus.CANCELLED,
    EventType.EXECUTION_CANCELLED,
    Reason.EXECUTION_CANCELLED,
    Failure("cancelled", "the execution was cancelled"),
)


def timed_out(limit_s: float) -> Ending:
    return Ending(
        ExecutionStatus.TIMED_OUT,
        EventType.EXECUTION_TIMED_OUT,
        Reason.EXECUTION_TIMED_OUT,
        Failure("timed_out", f"the execution took longer than its {limit_s:g} s"),
    )


def crashed(error: Exception) -> Ending:
    """A bug of the interpreter, which another try would only meet again. It is logged (not on
    replay), because nobody else would hear of it."""
    workflow.logger.error("the interpreter failed on a graph", exc_info=error)
    text = f"{type(error).__name__}: {error}"[:MAX_MESSAGE_CHARS]
    return failed(Failure("interpreter_error", f"the interpreter failed on this graph: {text}"))
