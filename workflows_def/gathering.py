"""The outputs of a map's items, gathered from its windows.

Few of them are held here until the map ends. Of many, where outputs may be passed on by reference,
nothing is held but which there are: the store has what came of each item, and an activity makes the
map's output of that, by the piece.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.common import RetryPolicy

from pilot.graph.iteration import MapFollow
from workflows_def.iterations import (
    GATHER_ITEMS_ACTIVITY,
    GatherItems,
    ItemsResult,
    IterationFailure,
)
from workflows_def.steps import Step

WINDOW_BYTES = 2_000_000
"""A window whose outputs have so much ends: it holds them, too."""
PATCH_GATHERED = "a map's outputs are gathered by an activity"

TIMEOUT = timedelta(minutes=10)
HEARTBEAT = timedelta(seconds=10)
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)


class Outputs:
    """`bytes` of JSON by now, `most` for one window (None: as many as fit)."""

    def __init__(self, step: Step, follow: MapFollow) -> None:
        self._step = step
        self._skips = follow.on_item_error == "skip"
        self._limit = follow.held
        self._held: dict[int, list[Any]] = {}
        self._counts: dict[int, int] = {}
        self._are_recorded = self._are_left = False
        self.most = None if follow.held is None else WINDOW_BYTES
        self.bytes = 0

    def take(self, first: int, result: ItemsResult) -> None:
        """Those of a window, the first of which is of the item `first`."""
        if not result.outputs:
            return
        self._counts[first] = len(result.outputs)
        self.bytes += len(to_json(result.outputs))
        # what one window could record, all can: the execution has a row
        self._are_recorded = self._are_recorded or result.recorded
        if not self._are_left:
            self._held[first] = result.outputs
            self._are_left = (
                self._limit is not None
                and self.bytes > self._limit
                and self._are_recorded
                and workflow.patched(PATCH_GATHERED)
            )
        if self._are_left:
            self._held.clear()

    async def all(self, failures: list[IterationFailure]) -> Any:
        """The map's output: a list in the order of the items, or a reference to it."""
        failed = {failure.index for failure in failures}
        if self._are_left:
            return await self._gathered(failed)
        left_out = failed if self._skips else set()
        return [
            output
            for first in sorted(self._held)
            for index, output in enumerate(self._held[first], first)
            if index not in left_out
        ]

    async def _gathered(self, failed: set[int]) -> Any:
        spans: list[tuple[int, int]] = []
        for first, count in sorted(self._counts.items()):
            begin = spans.pop()[0] if spans and spans[-1][1] == first else first
            spans.append((begin, first + count))
        run, node = self._step.run, self._step.node
        return await workflow.execute_activity(
            GATHER_ITEMS_ACTIVITY,
            GatherItems(
                run.execution_id,
                run.user_id,
                node.id,
                self._step.path,
                spans,
                sorted(index for index in failed if any(a <= index < b for a, b in spans)),
                self._skips,
                self.bytes,
            ),
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{node.name}: the outputs of its items",
        )
