"""switch: takes the first branch whose expression holds, or all of them."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from activities.evaluation import holds
from pilot.graph.task import NodeResult
from pilot.nodes.cases import ELSE
from pilot.nodes.switch import SwitchConfig


@node_activity("switch", SwitchConfig)
async def switch(attempt: Attempt[SwitchConfig]) -> NodeResult:
    config = attempt.config
    branches: list[str] = []
    for case in config.cases:
        if await holds(case.expression, attempt.task.scope, case.handle):
            branches.append(case.handle)
            if config.mode == "first":
                break
    branches = branches or [ELSE]
    return NodeResult(handles=branches, meta={"branches": branches})
