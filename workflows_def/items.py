"""`RunItems`: the items of one window of a map, several at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.exceptions import FailureError

from pilot.graph.iteration import MAP_STOP
from workflows_def.body import Outcome
from workflows_def.failure import is_cancelled
from workflows_def.interpreter import BUGS
from workflows_def.iterating import Iterating, failed_at
from workflows_def.iterations import (
    ITEMS_TYPE,
    ItemsInput,
    ItemsResult,
    IterationFailure,
)
from workflows_def.ledger import key_of, recall
from workflows_def.messages import SIGNAL_ENOUGH
from workflows_def.pace import too_large
from workflows_def.undisturbed import undisturbed
from workflows_def.window import TELLINGS, events_of

TELL_EVERY_S = 1.0


@workflow.defn(name=ITEMS_TYPE, failure_exception_types=BUGS)
class RunItems(Iterating):
    """Runs a window of a map's items, in order, `parallelism` at once; goes on in a new history
    when this one is full.

    Cancelled, it stops what is under way and says so by its result, which has the usage.
    """

    @workflow.init
    def __init__(self, window: ItemsInput) -> None:
        super().__init__(window.within, window.usage, least=len(window.items) // 20 + 1)
        self.held = window.held
        self._window = window
        self._events = events_of(self._body) + (1 if window.stops else 0)
        self._outputs: dict[int, Any] = {}
        self._failures: list[IterationFailure] = []
        self._bytes = 0
        self._next = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._enough = False
        self._failure: IterationFailure | None = None
        self._cancelled = False
        self._bug: BaseException | None = None
        self._told = 0
        self._told_at = workflow.time()

    @workflow.run
    async def run(self, window: ItemsInput) -> ItemsResult:
        try:
            await self._reuse()
            await self._run_all()
        except asyncio.CancelledError:
            self._cancelled = True
        except FailureError as error:
            if not is_cancelled(error):
                raise
            self._cancelled = True
        await self._stop()
        await self.settle()
        self._cancelled = self._cancelled or workflow.cancellation_reason() is not None
        if self._bug is not None:
            raise self._bug
        return self._result()

    async def _reuse(self) -> None:
        """Takes over the items that another run has done."""
        window = self._window
        within, first = window.within, window.first
        for row in await recall(within, first, first + len(window.items)):
            at = row.index - first
            if row.key == key_of(window.items[at]):
                self._keep(at, row.output)
                self.note(row.index, window.items[at], Outcome(output=row.output))

    async def _run_all(self) -> None:
        while True:
            self._start()
            if not self._tasks and (self._is_over or self._is_at_end or self._must_go_on):
                return
            await workflow.wait_condition(lambda: self._may_start or self._is_settled)
            if self._bug is not None or self._failure is not None:
                return

    @property
    def _is_over(self) -> bool:
        return self._enough or self._failure is not None or self._bug is not None

    @property
    def _is_at_end(self) -> bool:
        return self._next >= len(self._window.items)

    @property
    def _must_go_on(self) -> bool:
        """In another history, or another window. One iteration at least is run in each."""
        return self._next > 0 and (
            self._has_enough or self.is_full(coming=(len(self._tasks) + 1) * self._events)
        )

    @property
    def _has_enough(self) -> bool:
        most = self._window.most
        return most is not None and self._bytes >= most

    @property
    def _may_start(self) -> bool:
        return not (
            self.held
            or self._is_over
            or self._is_at_end
            or len(self._tasks) >= self._window.parallelism
            or self._must_go_on
        )

    @property
    def _is_settled(self) -> bool:
        """There is nothing to wait for."""
        if self._bug is not None or self._failure is not None:
            return True
        return not self._tasks and (self._is_over or self._is_at_end or self._must_go_on)

    def _start(self) -> None:
        while self._may_start:
            at, self._next = self._next, self._next + 1
            if at in self._outputs:
                continue
            task = asyncio.create_task(self._item(at))
            self._tasks[at] = task
            task.add_done_callback(partial(self._ended, at))

    async def _item(self, at: int) -> None:
        window = self._window
        index = window.first + at
        outcome = await self.iterate(index, window.items[at])
        if outcome.cancelled:
            return
        if outcome.failure is not None:
            self._fail(at, failed_at(index, outcome.failure, outcome.node_id))
            return
        self._keep(at, outcome.output)
        if window.stops and not self._enough:
            try:
                stops = await self.ask(MAP_STOP, index, outcome.output)
            except FailureError as error:
                if is_cancelled(error):
                    raise asyncio.CancelledError from None
                self._failure = self._failure or failed_at(index, self.failure_of(error))
            else:
                self._enough = self._enough or stops

    def _keep(self, at: int, output: Any) -> None:
        self._outputs[at] = output
        self._bytes += len(to_json(output))
        sizes = self._within.run.sizes
        if self._bytes > sizes.payload:
            failure = too_large([*self._window.outputs, *self._outputs.values()], sizes)
            if failure is not None:
                self._failure = self._failure or failed_at(self._window.first + at, failure)

    def _fail(self, at: int, failure: IterationFailure) -> None:
        self._outputs[at] = None
        self._failures.append(failure)
        if self._window.on_item_error == "fail":
            self._failure = self._failure or failure

    def _ended(self, at: int, task: asyncio.Task[None]) -> None:
        del self._tasks[at]
        if not task.cancelled() and task.exception() is not None:
            self._bug = self._bug or task.exception()
        self._tell_progress()

    def _tell_progress(self) -> None:
        """Now and then, where a window alone takes long; its end is told by its result."""
        window = self._window
        done = len(window.outputs) + len(self._outputs)
        if not window.within.tells or self._is_over or (self._is_at_end and not self._tasks):
            return
        often = done - self._told >= max(window.total // TELLINGS, 1)
        if often and workflow.time() - self._told_at >= TELL_EVERY_S:
            self._told, self._told_at = done, workflow.time()
            self.tell(done, len(window.failures) + len(self._failures))

    async def _stop(self) -> None:
        """What is still under way is stopped: the map has failed, or is cancelled."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await undisturbed(asyncio.gather(*tasks, return_exceptions=True))

    def _result(self) -> ItemsResult:
        window = self._window
        outputs = list(window.outputs)
        while (at := len(outputs) - len(window.outputs)) in self._outputs:
            outputs.append(self._outputs[at])
        failures = sorted([*window.failures, *self._failures], key=lambda one: one.index)
        result = ItemsResult(
            outputs=outputs,
            failures=failures,
            done=len(window.outputs) + len(self._outputs),
            usage=self._usage,
            stopped=self._enough,
            failure=self._failure,
            cancelled=self._cancelled,
            recorded=self._ledger.is_kept and (window.recorded or not window.outputs),
        )
        if result.failure is not None or result.cancelled:
            return replace(result, outputs=[])
        if not self._is_at_end and not self._enough:
            if self._has_enough:  # what is recalled may lie further on
                return replace(result, done=len(outputs))
            self._go_on(result)
        if failure := too_large(result, self._within.run.sizes):
            last = failed_at(window.first, failure)
            return ItemsResult(done=result.done, usage=self._usage, failure=last)
        return result

    def _go_on(self, result: ItemsResult) -> None:
        """Continues in a new history, unless what is to be carried there would not fit."""
        window = self._window
        rest = replace(
            window,
            items=window.items[self._next :],
            first=window.first + self._next,
            held=self.held,
            outputs=result.outputs,
            failures=result.failures,
            usage=result.usage,
            recorded=result.recorded,
        )
        if len(to_json(rest)) <= self._within.run.sizes.payload:
            workflow.continue_as_new(rest)

    @workflow.signal(name=SIGNAL_ENOUGH)
    def enough(self) -> None:
        """Begins no further item."""
        self._enough = True
