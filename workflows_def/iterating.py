"""What the children of loops and maps have in common: they run bodies, ask the node's own
activities in between, record what has ended, and tell their parent how far they are."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, TemporalError

from pilot.events.model import rfc3339
from pilot.graph.status import NodeStatus
from pilot.graph.task import NodeResult, NodeTask
from workflows_def.body import Body, Outcome
from workflows_def.failure import Failure, failure_of
from workflows_def.host import NodeHost
from workflows_def.iterations import (
    QUERY_ITERATIONS,
    IterationFailure,
    IterationRow,
    IterationsPage,
    Within,
)
from workflows_def.ledger import Ledger, in_short, key_of
from workflows_def.messages import MAX_WAITING_NAMED, SIGNAL_CHILD_PROGRESS, ChildProgress
from workflows_def.pace import MAX_HISTORY_BYTES, Pace
from workflows_def.paths import iteration, join
from workflows_def.records import add_usage
from workflows_def.undisturbed import undisturbed

SHOWN = 100
"""Of the iterations after these nobody is shown what happens inside."""

MAX_WAIT_TELLINGS = 50
"""So often a history tells its parent that all in it waits; after that it is shown as running. A
loop may wait at each iteration, and its parent keeps what it is told."""

MAX_MESSAGE_CHARS = 500
CANCELLED = Failure("cancelled", "it was cancelled before it had ended")


class Iterating(NodeHost):
    """A workflow that runs iterations of the loop or map `within.node`."""

    def __init__(self, within: Within, usage: dict[str, Any], *, least: int = 1) -> None:
        super().__init__()
        assert within.node.body is not None
        self._within = within
        self._body = within.node.body
        self._pace = Pace(within.run.sizes)
        self._ledger = Ledger(within, least=least)
        self._usage = dict(usage)
        self._telling: set[asyncio.Task[None]] = set()
        self._waits = self._told_waits = False
        self._wait_tellings = 0
        self._telling_waits: asyncio.Task[None] | None = None

    async def iterate(self, index: int, item: Any) -> Outcome:
        """Runs one iteration to its end, and notes it."""
        within = self._within
        started = _now()
        body = Body(
            within.run,
            self._body,
            replace(within.outer, item=item, index=index),
            iteration(within.path, within.node.id, index),
            pace=self._pace,
            quiet=index >= SHOWN,
        )
        outcome = await body.run()
        add_usage(self._usage, outcome.usage)
        self.note(index, item, outcome, started)
        return outcome

    def note(self, index: int, item: Any, outcome: Outcome, started: str | None = None) -> None:
        """An iteration has ended."""
        status, failure = NodeStatus.SUCCEEDED, outcome.failure
        if outcome.cancelled:
            status, failure = NodeStatus.CANCELLED, CANCELLED
        elif failure is not None:
            status = NodeStatus.FAILED
        self._ledger.add(
            IterationRow(
                index=index,
                status=status.value,
                key=key_of(item),
                output=outcome.output,
                error=None if failure is None else failure.to_json(outcome.node_id),
                nodes=in_short(outcome.nodes),
                started_at=started,
                finished_at=_now(),
            )
        )

    async def settle(self) -> None:
        """Before this history ends: all is recorded, and who has sent something is answered."""
        await self._ledger.flush()
        await undisturbed(
            asyncio.ensure_future(workflow.wait_condition(workflow.all_handlers_finished))
        )

    async def ask(self, activity: str, index: int, item: Any) -> bool:
        """What an activity of the loop or map says about one iteration. Raises the activity's
        `FailureError`."""
        within = self._within
        node, policy = within.node, within.policy
        task = NodeTask(
            execution_id=within.run.execution_id,
            workflow_id=within.run.workflow_id,
            user_id=within.run.user_id,
            node_id=node.id,
            type=node.type,
            name=node.name,
            config=node.config,
            scope=replace(within.outer, item=item, index=index),
            path=within.path,
            quiet=index >= SHOWN,
        )
        await self._pace.admit(task)
        result: NodeResult = await workflow.execute_local_activity(
            activity,
            task,
            result_type=NodeResult,
            start_to_close_timeout=timedelta(seconds=policy.timeout_s),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=policy.retry.initial_s),
                backoff_coefficient=policy.retry.backoff,
                maximum_interval=timedelta(seconds=policy.retry.max_s),
                maximum_attempts=policy.retry.max_attempts,
                non_retryable_error_types=list(policy.retry.non_retryable),
            ),
            summary=node.name,
        )
        self._pace.add(result)
        return bool(result.output)

    def failure_of(self, error: FailureError) -> Failure:
        return failure_of(error, self._within.policy)

    def is_full(self, *, coming: int = 0) -> bool:
        """Whether this history is to have no further iteration: `coming` events of it are still
        to come."""
        info = workflow.info()
        events = info.get_current_history_length() + coming
        return (
            events >= self._within.max_events
            or info.get_current_history_size() >= MAX_HISTORY_BYTES // 4
            or info.is_continue_as_new_suggested()
        )

    def tell(self, done: int, failed: int = 0) -> None:
        """Tells the parent how far this is. It may have ended, or be told no more."""
        info = workflow.info()
        if info.parent is None:
            return
        parent = workflow.get_external_workflow_handle(info.parent.workflow_id)
        progress = ChildProgress(info.workflow_id, done, failed)

        async def send() -> None:
            try:
                await parent.signal(SIGNAL_CHILD_PROGRESS, progress)
            except TemporalError:
                workflow.logger.debug("the parent has ended")

        task = asyncio.create_task(send())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def noticed(self) -> None:
        running = self._running.values()
        waits = bool(running) and all(nodes.waiting for nodes in running)
        if waits is self._waits or (waits and self._wait_tellings >= MAX_WAIT_TELLINGS):
            return
        self._waits = waits
        self._wait_tellings += waits
        if self._telling_waits is None or self._telling_waits.done():
            self._telling_waits = asyncio.create_task(self._tell_waits())

    async def _tell_waits(self) -> None:
        """One signal after the other: two that are under way at once may arrive in any order."""
        info = workflow.info()
        if info.parent is None:
            return
        parent = workflow.get_external_workflow_handle(info.parent.workflow_id)
        while self._told_waits is not self._waits:
            self._told_waits = self._waits
            waiting = [
                join(path, node_id)
                for path, nodes in self._running.items()
                for node_id in nodes.waiting
            ]
            progress = ChildProgress(
                info.workflow_id, 0, waiting=waiting[:MAX_WAITING_NAMED] if self._waits else []
            )
            try:
                await parent.signal(SIGNAL_CHILD_PROGRESS, progress)
            except TemporalError:
                return  # the parent has ended

    @workflow.query(name=QUERY_ITERATIONS)
    def iterations(self, after: int) -> IterationsPage:
        """The ended iterations that are to be recorded, after the one with this number."""
        return self._ledger.page(after)


def failed_at(index: int, failure: Failure, node_id: str | None = None) -> IterationFailure:
    message = failure.message[:MAX_MESSAGE_CHARS]
    return IterationFailure(index, failure.code, message, node_id, failure.attempt)


def _now() -> str:
    return rfc3339(workflow.now())
