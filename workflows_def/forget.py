"""`ForgetOwner`: deletes all that belongs to one owner, step by step (docs/retention.md).

Every step deletes a bounded part and is done again until nothing is left, so that a worker's death
costs a part that is done again. First goes what could start something new, then the runs end, then
their rows and histories go, and at last what refers to nothing. Who starts something meanwhile,
with a token that still holds, has it deleted too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

FORGET_WORKFLOW = "ForgetOwner"
FORGET_ACTIVITY = "forget_part"

ACCESS, RUNS, EXECUTIONS, WORKFLOWS, USAGE, NAMES, HISTORIES, CACHES, ARCHIVE, DONE = (
    "access",
    "runs",
    "executions",
    "workflows",
    "usage",
    "names",
    "histories",
    "caches",
    "archive",
    "done",
)
STEPS = (EXECUTIONS, WORKFLOWS, USAGE, NAMES, HISTORIES, CACHES, ARCHIVE)
"""What is deleted once all runs have ended, in this order."""

ENDING_ROUNDS = 10
PAUSE = timedelta(seconds=2)
"""So often, with this pause, runs are asked to end before they are terminated."""
PARTS_A_RUN = 500
PART_LIMIT = timedelta(minutes=5)
HEARTBEAT = timedelta(seconds=10)


def forget_workflow_id(owner: str) -> str:
    """One at a time for an owner; it does not name them."""
    return f"forget-{hashlib.sha256(owner.encode(errors='surrogatepass')).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class ForgetPart:
    """One part of a step. `force`: what has not ended is terminated. `deleted` is given to the
    last step, which says what was done."""

    owner: str
    step: str
    force: bool = False
    deleted: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`count` of the part were deleted (of `runs`: are still open); `left`: there may be more."""

    count: int = 0
    left: bool = False


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """Whom to forget; and where the run goes on after it has continued as new."""

    owner: str
    deleted: dict[str, int] = field(default_factory=dict)
    step: int = -1


@workflow.defn(name=FORGET_WORKFLOW)
class ForgetOwner:
    """Its result is how many of each kind were deleted."""

    @workflow.init
    def __init__(self, request: ForgetRequest) -> None:
        self._request = request
        self._parts = 0

    @workflow.run
    async def run(self, request: ForgetRequest) -> dict[str, int]:
        if self._request.step < 0:
            await self._part(ACCESS)
            self._request = replace(self._request, step=0)
        while self._request.step < len(STEPS):
            step = STEPS[self._request.step]
            if step == EXECUTIONS:
                await self._end_runs()
            if not (await self._part(step)).left:
                self._request = replace(self._request, step=self._request.step + 1)
            elif step == HISTORIES:
                await workflow.sleep(PAUSE)  # they go from Temporal's lists a little later
            if self._parts > PARTS_A_RUN:
                workflow.continue_as_new(self._request)
        await self._part(DONE)
        return self._request.deleted

    async def _end_runs(self) -> None:
        for round in range(ENDING_ROUNDS):
            if not (await self._part(RUNS)).count:
                return
            if round < ENDING_ROUNDS - 1:
                await workflow.sleep(PAUSE)
        while (await self._part(RUNS, force=True)).count:
            await workflow.sleep(PAUSE)

    async def _part(self, step: str, *, force: bool = False) -> Forgotten:
        self._parts += 1
        deleted = self._request.deleted
        part: Forgotten = await workflow.execute_activity(
            FORGET_ACTIVITY,
            ForgetPart(self._request.owner, step, force, deleted if step == DONE else {}),
            result_type=Forgotten,
            start_to_close_timeout=PART_LIMIT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            summary=step,
        )
        if step != RUNS and part.count:
            counts = {**deleted, step: deleted.get(step, 0) + part.count}
            self._request = replace(self._request, deleted=counts)
        return part
