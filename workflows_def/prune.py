"""`PruneOld`: one pass that deletes what has been kept long enough (docs/retention.md).

A Temporal Schedule starts it, and never two at a time. Each activity does one bounded batch and
says where the next one begins, so a worker's death costs a batch that is done again; however much
there is, no history grows past some hundred batches, as the pass then continues as new.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

PRUNE_WORKFLOW = "PruneOld"
PRUNE_ACTIVITY = "prune_batch"
SCHEDULE_ID = "pilot-retention"

EXECUTIONS, OVERRIDES, EVENTS, WORKFLOWS, EXPIRED, SPACE, OBJECTS = KINDS = (
    "executions",
    "overrides",
    "events",
    "workflows",
    "expired",
    "space",
    "objects",
)
"""In this order: a workflow goes when its last execution has gone, and space is free when all rows
have. `overrides` are executions of workflows with a retention of their own, `objects` those of the
payload store that belong to no execution."""

PATCH_OBJECTS = "objects of no execution are deleted"

BATCHES_A_RUN = 300
HEARTBEAT = timedelta(seconds=10)
BATCH_LIMIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """One batch of a kind, from the cursor on."""

    kind: str
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PruneBatch:
    """What one batch came to. `skipped` executions whose run in Temporal is still open."""

    count: int = 0
    archived: int = 0
    skipped: int = 0
    cursor: str | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class PruneResult:
    """A pass: when it ended, and how many of each kind it deleted."""

    at: str = ""
    pruned: dict[str, int] = field(default_factory=dict)
    archived: int = 0
    skipped: int = 0

    def plus(self, kind: str, batch: PruneBatch) -> PruneResult:
        pruned = dict(self.pruned)
        if batch.count:
            pruned[kind] = pruned.get(kind, 0) + batch.count
        return replace(
            self,
            pruned=pruned,
            archived=self.archived + batch.archived,
            skipped=self.skipped + batch.skipped,
        )


@dataclass(frozen=True, slots=True)
class PruneState:
    """Where a pass goes on after it has continued as new."""

    kind: int = 0
    cursor: str | None = None
    result: PruneResult = field(default_factory=PruneResult)


@workflow.defn(name=PRUNE_WORKFLOW)
class PruneOld:
    @workflow.run
    async def run(self, state: PruneState | None = None) -> PruneResult:
        state = state or PruneState()
        for _ in range(BATCHES_A_RUN):
            if state.kind == len(KINDS) or (
                KINDS[state.kind] == OBJECTS and not workflow.patched(PATCH_OBJECTS)
            ):
                at = workflow.now().isoformat(timespec="seconds").replace("+00:00", "Z")
                return replace(state.result, at=at)
            state = await self._batch(state)
        workflow.continue_as_new(state)

    async def _batch(self, state: PruneState) -> PruneState:
        kind = KINDS[state.kind]
        batch: PruneBatch = await workflow.execute_activity(
            PRUNE_ACTIVITY,
            PruneRequest(kind, state.cursor),
            result_type=PruneBatch,
            start_to_close_timeout=BATCH_LIMIT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=30)),
            summary=kind,
        )
        result = state.result.plus(kind, batch)
        if batch.more:
            return PruneState(state.kind, batch.cursor, result)
        return PruneState(state.kind + 1, None, result)
