"""Deleting what has been kept long enough, in batches that are taken up again after any crash.

A batch is a list first: its name is written into the rows (`pruned_by`), and only then are they
archived and deleted. Whoever dies in between leaves the list, and the next pass goes on with the
same executions under the same name, so that what is written of them elsewhere is written again in
its own place and never a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from pilot.errors import ConflictError, NotFoundError
from pilot.graph.status import ExecutionStatus

EVENTS_AT_ONCE = 5_000
"""Events that one transaction deletes: a few milliseconds for everybody who waits for it."""
EVENTS_ALONE = "events-"
"""How the names of batches begin of which only the events go."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """An execution on the list of a batch."""

    batch: str
    execution_id: str
    owner: str
    finished_at: datetime

    @property
    def keeps_row(self) -> bool:
        """Only its events go."""
        return self.batch.startswith(EVENTS_ALONE)


class RetentionStore(Protocol):
    """Every implementation passes `tests/store/test_retention.py`. All of it but `days` is of all
    owners."""

    async def claim(
        self,
        batch: str,
        before: Mapping[ExecutionStatus, datetime],
        *,
        workflow_id: str | None = None,
        limit: int,
    ) -> int:
        """Puts at most that many executions, the longest ended first, on the batch's list: of
        those that ended in a status before its time, and are on no list yet. One that an open
        execution goes on from, or whose root is open, is left alone. How many."""
        ...

    async def claim_events(self, batch: str, before: datetime, *, limit: int) -> int:
        """The same of executions whose events alone are to go: those that ended before then and
        have any. The name begins with `EVENTS_ALONE`."""
        ...

    async def claimed(self, *, limit: int, events_alone: bool = False) -> list[Doomed]:
        """The list of the batch of the lowest name, by id; empty where there is none."""
        ...

    async def release(self, execution_ids: Sequence[str]) -> None:
        """Takes executions off their list."""
        ...

    async def delete_execution(self, owner: str, execution_id: str) -> bool:
        """Deletes an execution that has ended, with its nodes, its events and its model calls.
        The events go first, some at a time; done again it goes on. False: there is none.

        Raises `ConflictError` (`execution_open`).
        """
        ...

    async def prune_events(self, execution_id: str) -> bool:
        """Deletes the events of an execution that is on a list for that, some at a time, and takes
        it off; done again it goes on. False: it is on none."""
        ...

    async def purge_workflows(self, *, limit: int) -> int:
        """Deletes at most that many workflows that were deleted by their owners and have no
        execution left, with their versions, shares and budgets."""
        ...

    async def expire(self, usage_before: date | None, *, limit: int) -> int:
        """Deletes what has expired by itself (model calls of lost runs, cached answers) and the
        usage of days before that one, at most `limit` of each kind. How many rows."""
        ...

    async def reclaim(self) -> int:
        """Gives a part of the space that is free back to the file system: how many pages. Of
        SQLite alone; PostgreSQL uses such space again by itself."""
        ...

    async def overrides(self, *, after: str = "", limit: int) -> list[tuple[str, float]]:
        """Workflows with a retention of their own, by id: the id, and the days."""
        ...

    async def days(self, owner: str, workflow_id: str) -> float | None:
        """A workflow's own retention, in days. Raises `NotFoundError`."""
        ...

    async def set_days(self, owner: str, workflow_id: str, days: float | None) -> None:
        """Raises `NotFoundError`."""
        ...


def no_workflow(workflow_id: str) -> NotFoundError:
    return NotFoundError(f"there is no workflow {workflow_id}")


def execution_open(execution_id: str) -> ConflictError:
    return ConflictError(
        f"execution {execution_id} has not ended: cancel it first", code="execution_open"
    )
