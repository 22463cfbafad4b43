"""merge: makes one value of what came by several branches."""

from __future__ import annotations

from typing import Any

from activities.attempt import Attempt, node_activity
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.merge import MergeConfig


@node_activity("merge", MergeConfig)
async def merge(attempt: Attempt[MergeConfig]) -> NodeResult:
    """Its input is a map by node id, in the order of the edges (`NodeSpec.joining`)."""
    came: dict[str, Any] = attempt.task.scope.input
    output: Any
    match attempt.config.output:
        case "map":
            output = came
        case "list":
            output = list(came.values())
        case "first":
            output = next(iter(came.values()))
        case "object":
            output = _object(came)
    return NodeResult(output=output, meta={"from": list(came)})


def _object(came: dict[str, Any]) -> dict[str, Any]:
    """All fields of all objects: of two of one name that of the later edge."""
    merged: dict[str, Any] = {}
    for node_id, value in came.items():
        if not isinstance(value, dict):
            raise NodeError(
                f"to merge objects, every branch must give one: {node_id!r} gave {value!r:.100}",
                code="not_an_object",
            )
        merged |= value
    return merged
