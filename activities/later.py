"""release_due: begins what is due of the owner of an execution whose time has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.slots import Slots
from pilot.errors import NotFoundError
from pilot.store import Store
from workflows_def.later import DUE_ACTIVITY, LaterRequest

MARGIN = timedelta(milliseconds=50)


class Later:
    """The activity, with the store and the slots that it releases."""

    def __init__(self, store: Store, slots: Slots) -> None:
        self._store = store
        self._slots = slots

    @activity.defn(name=DUE_ACTIVITY)
    async def release_due(self, request: LaterRequest) -> None:
        """Does nothing for a row that has begun, or was cancelled. It may be released and still
        wait for others of the owner's; then the end of one of theirs starts it."""
        try:
            row = await self._store.get_execution(request.owner, request.execution_id)
        except NotFoundError:
            return
        if not row.is_held or row.held_at is None:
            return
        left = row.held_at - datetime.now(UTC)
        if left > timedelta(0):  # this worker's clock is behind that of the server
            raise ApplicationError(
                "the execution's time has not come by this worker's clock",
                type="not_due",
                next_retry_delay=left + MARGIN,
            )
        await self._slots.fill(request.owner)
