"""condition: takes the first branch whose expression holds."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from activities.evaluation import evaluate
from pilot.errors import ExpressionError, NodeError
from pilot.graph.task import NodeResult, Scope
from pilot.nodes.condition import ELSE, FALSE, TRUE, ConditionConfig


@node_activity("condition", ConditionConfig)
async def condition(attempt: Attempt[ConditionConfig]) -> NodeResult:
    config, scope = attempt.config, attempt.task.scope
    if config.cases is None:
        holds = await _holds(config.expression or "", scope, "expression")
        branch = TRUE if holds else FALSE
    else:
        branch = ELSE
        for case in config.cases:
            if await _holds(case.expression, scope, case.handle):
                branch = case.handle
                break
    return NodeResult(handles=[branch], meta={"branch": branch})


async def _holds(expression: str, scope: Scope, where: str) -> bool:
    try:
        value = await evaluate(expression, scope)
    except ExpressionError as error:
        raise NodeError(f"{where}: {error.message}", code=error.code) from None
    if not isinstance(value, bool):
        raise NodeError(
            f"{where}: the expression gives {value!r:.100}, not true or false",
            code="expression_not_bool",
        )
    return value
