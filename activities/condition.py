"""condition: takes the first branch whose expression holds."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from activities.evaluation import holds
from pilot.graph.task import NodeResult
from pilot.nodes.cases import ELSE
from pilot.nodes.condition import FALSE, TRUE, ConditionConfig


@node_activity("condition", ConditionConfig)
async def condition(attempt: Attempt[ConditionConfig]) -> NodeResult:
    config, scope = attempt.config, attempt.task.scope
    if config.cases is None:
        branch = TRUE if await holds(config.expression or "", scope, "expression") else FALSE
    else:
        branch = ELSE
        for case in config.cases:
            if await holds(case.expression, scope, case.handle):
                branch = case.handle
                break
    return NodeResult(handles=[branch], meta={"branch": branch})
