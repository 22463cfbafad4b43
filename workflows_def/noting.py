"""What the store is told of a waiting node, so that others find it: in turn, and never in the way
of the run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from pilot.events.model import rfc3339
from workflows_def.messages import NOTE_WAIT_ACTIVITY, WaitNote

NOTE_LIMIT = timedelta(seconds=30)
CLOSING_LIMIT = timedelta(seconds=60)
"""A store that is away holds the run up no longer; it then shows the node as waiting until the
run ends."""
NOTE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60)
)


class Noting:
    """`tell` what there is to know, `close` when the node waits no more."""

    def __init__(self, note: WaitNote) -> None:
        self._note = replace(note, created_at=rfc3339(workflow.now()))
        self._task: asyncio.Task[None] | None = None

    def tell(self, **changes: object) -> None:
        self._note = replace(self._note, seq=self._note.seq + 1, **changes)  # type: ignore[arg-type]
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError, ActivityError):
                await self._task
        closed = replace(self._note, seq=self._note.seq + 1, closed_at=rfc3339(workflow.now()))
        with suppress(ActivityError):
            await self._put(closed, CLOSING_LIMIT)

    async def _write(self) -> None:
        """The newest state, until nothing newer has come meanwhile."""
        written = -1
        while written != self._note.seq:
            note = self._note
            await self._put(note)
            written = note.seq

    @staticmethod
    async def _put(note: WaitNote, limit: timedelta | None = None) -> None:
        await workflow.execute_activity(
            NOTE_WAIT_ACTIVITY,
            note,
            start_to_close_timeout=NOTE_LIMIT,
            schedule_to_close_timeout=limit,
            retry_policy=NOTE_RETRY,
            summary=f"who waits: {note.node_id}",
        )
