"""loop: the state that it begins with, and whether there is another iteration."""

from __future__ import annotations

from dataclasses import replace

from activities.attempt import Attempt, node_activity
from activities.evaluation import holds, render
from pilot.graph.iteration import LOOP_CONDITION, LoopFollow, to_follow
from pilot.graph.task import NodeResult
from pilot.nodes.loop import LoopConfig


@node_activity("loop", LoopConfig)
async def loop(attempt: Attempt[LoopConfig]) -> NodeResult:
    scope = attempt.task.scope
    config = await render(attempt.config, scope)
    first = replace(scope, item=config.initial, index=0)
    follow = LoopFollow(
        state=config.initial,
        holds=await holds(config.condition, first, "condition"),
        max_iterations=config.max_iterations,
        on_limit=config.on_limit,
    )
    return NodeResult(follow=to_follow(follow))


@node_activity(LOOP_CONDITION, LoopConfig)
async def loop_condition(attempt: Attempt[LoopConfig]) -> NodeResult:
    """For the state, which is the scope's `item`."""
    scope = attempt.task.scope
    return NodeResult(output=await holds(attempt.config.condition, scope, "condition"))
