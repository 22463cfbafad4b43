"""start: gives the execution's input, checked and with its defaults."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.start import StartConfig, resolve_input


@node_activity("start", StartConfig)
async def start(attempt: Attempt[StartConfig]) -> NodeResult:
    value, issues = resolve_input(attempt.config, attempt.task.scope.input)
    if issues:
        raise NodeError("; ".join(issue.message for issue in issues), code=issues[0].code)
    return NodeResult(output=value)
