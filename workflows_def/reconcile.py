"""`ReconcileExecutions`: one pass that brings the store's open rows in line with Temporal.

A Temporal Schedule starts it, and never two at a time. A pass looks at a bounded number of
rows and leaves its place in its result, where the next pass takes it up: so however many runs
are open, the load of it is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

RECONCILE_WORKFLOW = "ReconcileExecutions"
RECONCILE_ACTIVITY = "reconcile_page"
SCHEDULE_ID = "pilot-reconcile"

PAGE_ROWS = 100
PAGES_A_PASS = 10


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """One page: the open rows behind `cursor` (None: from the newest on). `releases`: what waits
    for a slot is looked at first, which once a pass is enough."""

    cursor: str | None = None
    rows: int = PAGE_ROWS
    releases: bool = True


@dataclass(frozen=True, slots=True)
class ReconcilePage:
    """What one page came to. `repaired` counts by kind, `failed` rows that could not be
    repaired now, `oldest_failed_at` is when the oldest of them was created and `oldest_open_at`
    when the oldest row that was looked at was (RFC 3339). `stuck` counts open runs whose
    workflow task keeps failing."""

    cursor: str | None = None
    checked: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    oldest_failed_at: str | None = None
    oldest_open_at: str | None = None
    stuck: int = 0


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """A pass: its pages added up, when it ended, and where the next one begins."""

    at: str
    cursor: str | None = None
    checked: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    oldest_failed_at: str | None = None
    oldest_open_at: str | None = None
    stuck: int = 0


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileExecutions:
    @workflow.run
    async def run(self) -> ReconcileResult:
        last = (
            workflow.get_last_completion_result(ReconcileResult)
            if workflow.has_last_completion_result()
            else None
        )
        cursor = last.cursor if last else None
        checked, failed, stuck = 0, 0, 0
        oldest_failed: str | None = None
        oldest_open: str | None = None
        repaired: dict[str, int] = {}
        for number in range(PAGES_A_PASS):
            page: ReconcilePage = await workflow.execute_activity(
                RECONCILE_ACTIVITY,
                ReconcileRequest(cursor, releases=number == 0),
                result_type=ReconcilePage,
                start_to_close_timeout=timedelta(minutes=2),
                retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            )
            cursor = page.cursor
            checked += page.checked
            failed += page.failed
            stuck += page.stuck
            for kind, count in page.repaired.items():
                repaired[kind] = repaired.get(kind, 0) + count
            oldest_failed = _earlier(oldest_failed, page.oldest_failed_at)
            oldest_open = _earlier(oldest_open, page.oldest_open_at)
            if cursor is None:
                break
        at = workflow.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return ReconcileResult(
            at, cursor, checked, repaired, failed, oldest_failed, oldest_open, stuck
        )


def _earlier(one: str | None, other: str | None) -> str | None:
    return min((at for at in (one, other) if at is not None), default=None)
