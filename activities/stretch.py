"""run_stretch: runs pure nodes one after the other, each by its own type's activity.

A node that fails is left to an activity of its own, which says why and has the attempts that its
policy allows; so is one that takes long. What follows from either is not run here.
"""

from __future__ import annotations

import asyncio
import time
from functools import cache

from pydantic_core import to_json
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempt import NodeActivity
from activities.interceptor import bound_to
from activities.registry import node_activities
from pilot import metrics
from pilot.graph.stretch import Ended, Stretch, StretchNode, StretchResult, Walk
from pilot.graph.task import NodeResult, NodeTask, Scope
from workflows_def.messages import STRETCH_ACTIVITY

BUDGET_S = 1.0
"""So long may a stretch take: a pause or a cancel waits for it."""
MAX_RESULT_BYTES = 100_000
"""About how much JSON the nodes of a stretch give together, less than what goes to a payload store.
The first may give more."""


@activity.defn(name=STRETCH_ACTIVITY)
async def run_stretch(stretch: Stretch) -> StretchResult:
    """The nodes that came to a result within the budget, and those that have to run alone."""
    began, size = time.perf_counter(), 0
    walk = Walk(stretch)
    ended: list[Ended] = []
    left: list[str] = []
    for node in walk.nodes:
        scope = walk.enter(node)
        if scope is None:
            continue
        budget_s = BUDGET_S - (time.perf_counter() - began)
        if budget_s <= 0 and (ended or left):
            break
        try:
            async with asyncio.timeout(budget_s):
                result = await _run(stretch, node, scope)
        except (ApplicationError, TimeoutError):
            left.append(node.id)
            continue
        size += len(to_json(result))
        if ended and size > MAX_RESULT_BYTES:
            break
        walk.succeeded(node, result)
        ended.append(Ended(node.id, result))
        await asyncio.sleep(0)  # others of the worker take turns
    return StretchResult(ended, left)


async def _run(stretch: Stretch, node: StretchNode, scope: Scope) -> NodeResult:
    task = NodeTask(
        stretch.execution_id,
        stretch.workflow_id,
        stretch.user_id,
        node.id,
        node.type,
        node.name,
        node.config,
        scope,
        path=stretch.path,
        quiet=stretch.quiet,
        callers=stretch.callers,
        keeps=node.keeps,
    )
    function = _functions().get(node.type)
    if function is None:
        raise ApplicationError(f"this worker has no activity {node.type!r}")
    began = time.perf_counter()
    with bound_to(task):
        result = await function(task)
    metrics.current().attempt(task.type, "succeeded", time.perf_counter() - began)
    return result


@cache
def _functions() -> dict[str, NodeActivity]:
    """Every node type's activity by its name."""
    named = {}
    for function in node_activities():
        definition = activity._Definition.must_from_callable(function)
        named[str(definition.name)] = function
    return named
