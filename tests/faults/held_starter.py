"""A worker that asks `tests.outside` around each step by which a schedule's execution is begun.

`python -m tests.faults.held_starter`. The answer may wait, and the process be killed meanwhile.
"""

from __future__ import annotations

import os
import sys

import httpx

import worker
from activities.scheduled import ScheduledRuns
from activities.slots import Slots
from pilot import plugin
from pilot.store import Execution
from pilot.store.triggers import Trigger
from pilot.triggers.schedules import Occurrence

OUTSIDE_URL = "PILOT_TEST_OUTSIDE"


async def _ask(place: str) -> None:
    async with httpx.AsyncClient(base_url=os.environ[OUTSIDE_URL], timeout=None) as client:
        (await client.post(f"/hold/{place}")).raise_for_status()


class HeldSlots(Slots):
    async def begin(self, row: Execution) -> None:
        await _ask("before-start")
        await super().begin(row)
        await _ask("after-start")


class HeldRuns(ScheduledRuns):
    async def _row(self, trigger: Trigger, occurrence: Occurrence) -> Execution:
        await _ask("before-row")
        return await super()._row(trigger, occurrence)


if __name__ == "__main__":
    plugin.Slots = HeldSlots  # type: ignore[misc]
    plugin.ScheduledRuns = HeldRuns  # type: ignore[misc]
    sys.exit(worker.main())
