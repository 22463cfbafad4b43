"""map: windows of its items, each run by a child workflow, and their outputs in order."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow

from pilot.graph.iteration import MapFollow, read_follow
from pilot.graph.task import NodeResult
from workflows_def.children import Share
from workflows_def.containers import (
    PATCH_STILL_WAITS,
    child_id,
    failed_iteration,
    place_of,
    within_of,
)
from workflows_def.gathering import Outputs
from workflows_def.host import host
from workflows_def.iterations import (
    ITEMS_TYPE,
    ItemsInput,
    ItemsResult,
    IterationFailure,
)
from workflows_def.messages import MAX_WAITING_NAMED, ChildProgress
from workflows_def.steps import Step
from workflows_def.undisturbed import undisturbed
from workflows_def.window import windows

MAX_ERRORS = 1_000
"""In a map's `meta`; all of them are recorded with their items."""
PROGRESS_EVENTS = 50
PATCH_OTHERS_WAIT = "a map waits on when a window has ended"


async def run_map(step: Step) -> NodeResult:
    """The outputs of the body for each item, in the order of the items."""
    return await _Map(step).run()


class _Map:
    """One run of a map. `_next` is the first item that no window has yet."""

    def __init__(self, step: Step) -> None:
        assert step.node.body is not None
        self._step = step
        self._follow = follow = read_follow(MapFollow, step.follow)
        self._windows = windows(follow.items, step.node.body, follow.parallelism, follow.window)
        self._within = within_of(step, asks=follow.stops)
        self._next = 0
        self._under_way: dict[str, ChildProgress] = {}
        self._waiting: dict[str, list[str]] = {}
        self._waits = False
        self._outputs = Outputs(step, follow)
        self._failures: list[IterationFailure] = []
        self._done = 0
        self._told = 0
        self._stopped = False
        self._failure: IterationFailure | None = None
        self._is_ending = False

    async def run(self) -> NodeResult:
        lanes = [asyncio.create_task(self._lane(share)) for share in self._windows.shares]
        try:
            if lanes:
                await self._first_failure(lanes)
        except asyncio.CancelledError:
            await self._stop(lanes)
            raise
        await self._stop(lanes)
        for lane in lanes:
            lane.result()
        if self._failure is not None:
            raise failed_iteration(self._step, self._failure, "item", self._meta())
        return self._step.result(await self._outputs.all(self._failures), meta=self._meta())

    async def _first_failure(self, lanes: list[asyncio.Task[None]]) -> None:
        """Returns when one has failed, or all have ended."""
        await workflow.wait_condition(
            lambda: (
                self._failure is not None
                or all(lane.done() for lane in lanes)
                or any(lane.done() and lane.exception() for lane in lanes)
            )
        )

    async def _stop(self, lanes: list[asyncio.Task[None]]) -> None:
        """Children that are still under way are stopped, and waited for."""
        self._is_ending = True
        under_way = [lane for lane in lanes if not lane.done()]
        for lane in under_way:
            lane.cancel()
        if under_way:
            await undisturbed(asyncio.gather(*under_way, return_exceptions=True))

    async def _lane(self, share: int) -> None:
        """Runs one window after the other, until none is left."""
        total = len(self._follow.items)
        while self._next < total and not self._is_over:
            first, self._next = self._next, min(self._next + self._windows.size, total)
            end = self._next
            while first < end and not self._is_over:
                result = await self._window(first, end, share)
                self._take(first, result)
                if result.stopped or not result.outputs:
                    break
                first += len(result.outputs)

    @property
    def _is_over(self) -> bool:
        return self._stopped or self._failure is not None or self._is_ending

    async def _window(self, first: int, end: int, share: int) -> ItemsResult:
        step, follow, within = self._step, self._follow, self._within
        await workflow.wait_condition(lambda: not step.nodes.held or self._is_over)
        if self._is_over:
            return ItemsResult()
        window = ItemsInput(
            within=within,
            items=follow.items[first:end],
            first=first,
            total=len(follow.items),
            parallelism=share,
            on_item_error=follow.on_item_error,
            stops=follow.stops,
            most=self._outputs.most,
        )
        await step.pace.admit(window)
        id = child_id(step, f"/{first}")
        self._under_way[id] = ChildProgress(id, 0)
        try:
            return await host().children.run(
                ITEMS_TYPE,
                window,
                id=id,
                result_type=ItemsResult,
                summary=f"{step.node.name}: items {first} to {end - 1} of {len(follow.items)}",
                share=Share(place_of(step), first, end),
                held=False,
                on_progress=self._heard,
            )
        finally:
            del self._under_way[id]
            self._waiting.pop(id, None)

    def _take(self, first: int, result: ItemsResult) -> None:
        """A window has ended."""
        self._step.add_usage(result.usage)
        self._failures += result.failures
        self._done += result.done
        self._outputs.take(first, result)
        if result.failure is not None:
            self._failure = self._failure or result.failure
        elif self._outputs.bytes > self._step.run.sizes.payload:
            self._failure = self._failure or IterationFailure(
                first,
                "output_too_large",
                f"the outputs of the items together have over {self._step.run.sizes.text} of "
                "JSON: let the body give less, or keep large data elsewhere and give its address",
            )
        if result.stopped and not self._stopped:
            self._stopped = True
            host().children.enough(set(self._under_way))
        self._tell()
        # no window takes the place of this one, and those that are left may all wait
        is_last = self._next >= len(self._follow.items) and not self._is_ending
        if is_last and self._waiting_now and workflow.patched(PATCH_OTHERS_WAIT):
            self._tell_waiting()

    def _heard(self, progress: ChildProgress) -> None:
        if progress.child not in self._under_way:
            return
        if progress.waiting is None:
            self._under_way[progress.child] = progress
            if not (self._waits and workflow.patched(PATCH_STILL_WAITS)):
                self._tell()
            return
        self._waiting[progress.child] = progress.waiting
        self._tell_waiting()

    @property
    def _waiting_now(self) -> list[str]:
        """The nodes that wait, where all windows under way do."""
        waiting = [self._waiting.get(child, []) for child in self._under_way]
        return [one for names in waiting for one in names] if all(waiting) else []

    def _tell_waiting(self) -> None:
        """The map waits while all its windows under way do."""
        if waiting := self._waiting_now:
            self._waits = True
            self._step.waits(nodes=waiting[:MAX_WAITING_NAMED])
        elif self._waits:
            self._waits = False
            self._step.progress(
                done=self._told, failed=len(self._failures), total=len(self._follow.items)
            )

    def _tell(self) -> None:
        """Some fifty times at most, however many items there are."""
        total = len(self._follow.items)
        done = self._done + sum(one.done for one in self._under_way.values())
        if self._is_ending or done - self._told < max(total // PROGRESS_EVENTS, 1):
            return
        self._told = done
        failed = len(self._failures) + sum(one.failed for one in self._under_way.values())
        self._step.progress(done=done, failed=failed, total=total)

    def _meta(self) -> dict[str, Any]:
        meta: dict[str, Any] = {
            "total": len(self._follow.items),
            "succeeded": self._done - len(self._failures),
            "failed": len(self._failures),
        }
        if self._stopped:
            meta["stopped_early"] = True
        if self._follow.on_item_error == "collect" and self._failures:
            failures = sorted(self._failures, key=lambda one: one.index)[:MAX_ERRORS]
            meta["errors"] = [
                {"index": one.index, "code": one.code, "message": one.message}
                | ({"node_id": one.node_id} if one.node_id else {})
                for one in failures
            ]
        return meta
