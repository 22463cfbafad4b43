"""`RunLoop`: the iterations of a loop, one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.exceptions import FailureError

from pilot.graph.iteration import LOOP_CONDITION
from pilot.payloads.sizes import Sizes
from workflows_def.body import Outcome
from workflows_def.failure import Failure, is_cancelled
from workflows_def.interpreter import BUGS
from workflows_def.iterating import Iterating, failed_at
from workflows_def.iterations import LOOP_TYPE, IterationFailure, LoopInput, LoopResult
from workflows_def.ledger import key_of, recall

MAX_TELLINGS = 60
TELL_GROWTH = 1.15
"""A loop tells its parent of its first iterations, and then each time that there are so many times
more: 100,000 take some 60 tellings."""


@workflow.defn(name=LOOP_TYPE, failure_exception_types=BUGS)
class RunLoop(Iterating):
    """Cancelled, it stops what is under way and says so by its result, which has the usage."""

    @workflow.init
    def __init__(self, loop: LoopInput) -> None:
        super().__init__(loop.within, loop.usage)
        self.held = loop.held
        self._loop = loop
        self._state = loop.state
        self._index = loop.index
        self._holds = loop.holds
        self._reused = loop.reused
        self._told, self._told_index = loop.told, loop.told_index
        self._limited = False
        self._failure: IterationFailure | None = None
        self._cancelled = False

    @workflow.run
    async def run(self, loop: LoopInput) -> LoopResult:
        goes_on = False
        try:
            if loop.index == 0:
                await self._reuse()
            goes_on = await self._iterate_all()
        except asyncio.CancelledError:
            self._cancelled = True
        except FailureError as error:
            if is_cancelled(error):
                self._cancelled = True
            else:
                self._failure = failed_at(self._index, self.failure_of(error))
        await self.settle()
        self._cancelled = self._cancelled or workflow.cancellation_reason() is not None
        if goes_on and not self._cancelled:
            self._go_on()
        return LoopResult(
            state=None if self._failure else self._state,
            iterations=self._index,
            reused=self._reused,
            limited=self._limited,
            failure=self._failure,
            cancelled=self._cancelled,
            usage=self._usage,
        )

    async def _reuse(self) -> None:
        """Goes on behind the iterations that another run has done, as long as each was given
        what this one comes to."""
        for row in await recall(self._loop.within, 0, None):
            if row.index != self._index or row.key != key_of(self._state):
                return
            self.note(row.index, self._state, Outcome(output=row.output))
            self._state, self._index, self._holds = row.output, row.index + 1, None
            self._reused += 1

    async def _iterate_all(self) -> bool:
        """Whether the loop goes on in a new history."""
        begun = self._index
        while await self._continues():
            if self._index > begun and self.is_full():
                return True
            await workflow.wait_condition(lambda: not self.held)
            self._holds = None
            outcome = await self.iterate(self._index, self._state)
            if outcome.cancelled:
                self._cancelled = True
                return False
            if outcome.failure is not None:
                self._failure = failed_at(self._index, outcome.failure, outcome.node_id)
                return False
            self._state = outcome.output
            self._index += 1
            self._tell_progress()
            if failure := _too_large(self._state, self._within.run.sizes):
                self._failure = failed_at(self._index - 1, failure)
                return False
        return False

    async def _continues(self) -> bool:
        """Whether another iteration follows."""
        if self._holds is None:
            self._holds = await self.ask(LOOP_CONDITION, self._index, self._state)
        if not self._holds:
            return False
        limit = self._loop.max_iterations
        if self._index < limit:
            return True
        if self._loop.on_limit == "stop":
            self._limited = True
        else:
            failure = Failure(
                "loop_limit",
                f"the condition still holds after {limit:,} iterations, the most that this loop "
                "may run (max_iterations)",
            )
            self._failure = failed_at(self._index, failure)
        return False

    def _tell_progress(self) -> None:
        if not self._loop.within.tells or self._told >= MAX_TELLINGS:
            return
        if self._index >= max(self._told_index + 1, int(self._told_index * TELL_GROWTH)):
            self._told += 1
            self._told_index = self._index
            self.tell(self._index)

    def _go_on(self) -> None:
        workflow.continue_as_new(
            replace(
                self._loop,
                state=self._state,
                index=self._index,
                holds=self._holds,
                held=self.held,
                told=self._told,
                told_index=self._told_index,
                reused=self._reused,
                usage=self._usage,
            )
        )


def _too_large(state: Any, sizes: Sizes) -> Failure | None:
    """What is handed on has to fit into the next history's argument."""
    size = len(to_json(state))
    if size <= sizes.payload:
        return None
    return Failure(
        "output_too_large",
        f"the state has {size / 1e6:.1f} MB of JSON; at most {sizes.text} fit",
    )
