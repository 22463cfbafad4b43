"""loop: a child workflow that runs the body while a condition holds, handing the state on.

It goes on in a new history when one is full: to its parent and to watchers it stays one child.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow

from pilot.graph.iteration import LoopFollow, read_follow
from pilot.graph.task import NodeResult
from workflows_def.children import Share
from workflows_def.containers import (
    PATCH_STILL_WAITS,
    child_id,
    failed_iteration,
    place_of,
    within_of,
)
from workflows_def.host import host
from workflows_def.iterations import LOOP_TYPE, LoopInput, LoopResult
from workflows_def.messages import ChildProgress
from workflows_def.steps import Step


async def run_loop(step: Step) -> NodeResult:
    """The state when the condition held no more."""
    follow = read_follow(LoopFollow, step.follow)
    if not follow.holds:
        return step.result(follow.state, meta=_meta(LoopResult()))

    done = 0
    waits = False

    def heard(progress: ChildProgress) -> None:
        nonlocal done, waits
        if progress.waiting is not None:
            waits = bool(progress.waiting)
        if progress.waiting:
            step.waits(nodes=progress.waiting)
            return
        done = max(done, progress.done)
        if waits and workflow.patched(PATCH_STILL_WAITS):
            return
        step.progress(done=done, failed=0)

    await workflow.wait_condition(lambda: not step.nodes.held)
    loop = LoopInput(
        within=within_of(step, asks=True),
        state=follow.state,
        max_iterations=follow.max_iterations,
        on_limit=follow.on_limit,
        holds=follow.holds,
    )
    await step.pace.admit(loop)
    result = await host().children.run(
        LOOP_TYPE,
        loop,
        id=child_id(step),
        result_type=LoopResult,
        summary=f"{step.node.name}: up to {follow.max_iterations} iterations",
        share=Share(place_of(step)),
        held=False,
        on_progress=heard,
    )
    step.add_usage(result.usage)
    meta = _meta(result)
    if result.cancelled:
        raise asyncio.CancelledError
    if result.failure is not None:
        raise failed_iteration(step, result.failure, "iteration", meta)
    return step.result(result.state, meta=meta)


def _meta(result: LoopResult) -> dict[str, Any]:
    meta: dict[str, Any] = {"iterations": result.iterations}
    if result.limited:
        meta["limited"] = True
    if result.reused:
        meta["reused"] = result.reused
    return meta
