"""output: renders what the execution answers."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.graph.task import NodeResult
from pilot.nodes.output import OutputConfig


@node_activity("output", OutputConfig)
async def output(attempt: Attempt[OutputConfig]) -> NodeResult:
    config = await render(attempt.config, attempt.task.scope)
    return NodeResult(output=config.value)
