"""Keeps a run within Temporal's limits on sizes, all of which would end it without a word.

A payload may have 2 MB (with a payload store what the operator allows, and a reference stands in
the history), the message with which a workflow task hands over its commands 4 MB,
and a history 51,200 events or 50 MB. What does not fit is found here, where it is an error
with a code, or is put off to the next workflow task.

Source: https://docs.temporal.io/cloud/limits and the server's `limit.*` dynamic configuration.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from pilot.payloads.sizes import Sizes
from workflows_def.failure import Failure

MAX_COMMANDS_BYTES = 3_000_000
MAX_HISTORY_EVENTS = 45_000
MAX_HISTORY_BYTES = 42_000_000

_PAUSE = timedelta(milliseconds=1)
_PACED = "paced-commands"
_BOUNDED = "bounded-history"


class Pace:
    """What a run has handed over in the workflow task that is under way, in bytes."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._task = 0
        self._bytes = 0
        self._gate = asyncio.Lock()

    async def admit(self, task: Any) -> None:
        """Returns when the activity, or the child workflow, may be started whose argument is
        `task`: at once, but for large values.

        Raises `ApplicationError` (`node_input_too_large`) where it could never be.
        """
        size = len(to_json(task))
        if size > self._sizes.payload:
            failure = self._too_much(size)
            raise ApplicationError(failure.message, type=failure.code, non_retryable=True)
        await self.hand_over(size)

    def refusal(self, value: Any) -> Failure | None:
        """What `admit` would raise of a node that is given this value and nothing else."""
        size = len(to_json(value))
        return self._too_much(size) if size > self._sizes.payload else None

    def _too_much(self, size: int) -> Failure:
        return Failure(
            "node_input_too_large",
            f"the values that this node refers to have {size / 1e6:.1f} MB as JSON with its "
            f"configuration; at most {self._sizes.text} fit. Refer to less, or "
            "keep large data elsewhere and pass its address on.",
        )

    async def hand_over(self, size: int) -> None:
        """Returns when a command of so many bytes may be given: at once, but for large ones."""
        size = self._sizes.in_history(size)
        async with self._gate:
            while self._is_full(size) and workflow.patched(_PACED):
                await workflow.sleep(_PAUSE, summary="large values go on in the next task")
            self._bytes += size

    def add(self, result: Any) -> None:
        """A local activity's result is handed over with the workflow task, too."""
        self._turn()
        self._bytes += self._sizes.in_history(len(to_json(result)))

    def _is_full(self, size: int) -> bool:
        self._turn()
        return self._bytes > 0 and self._bytes + size > MAX_COMMANDS_BYTES

    def _turn(self) -> None:
        """A history that has grown means another workflow task."""
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._bytes = task, 0


def history_limit() -> Failure | None:
    """Why the run must end before Temporal ends it; None while there is room."""
    info = workflow.info()
    events, size = info.get_current_history_length(), info.get_current_history_size()
    if events < MAX_HISTORY_EVENTS and size < MAX_HISTORY_BYTES:
        return None
    if not workflow.patched(_BOUNDED):
        return None
    return Failure(
        "history_limit",
        f"the run has a history of {events:,} events and {size / 1e6:.0f} MB, near the most "
        "that Temporal keeps: split the graph, or pass less data from node to node",
    )


def too_large(output: Any, sizes: Sizes) -> Failure | None:
    """Whether the execution's output fits into one payload: several nodes' values together."""
    size = len(to_json(output))
    if size <= sizes.payload:
        return None
    return Failure(
        "output_too_large",
        f"the outputs together have {size / 1e6:.1f} MB of JSON; an execution's output has at "
        f"most {sizes.text}",
    )
