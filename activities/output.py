"""output: renders what the execution answers, and holds it to its schema."""

from __future__ import annotations

from activities.answer_format import check
from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.output import OutputConfig

MAX_PATH_CHARS = 200


@node_activity("output", OutputConfig)
async def output(attempt: Attempt[OutputConfig]) -> NodeResult:
    """Raises `NodeError`: `output_schema_mismatch`, `schema_too_costly`, and what `render` does."""
    schema = attempt.config.output_schema
    config = await render(attempt.config, attempt.task.scope)
    if schema is not None and (mismatches := await check(config.value, schema)):
        # where, and by which rule: errors are read by more people than outputs are
        told = "; ".join(f"{one.path[:MAX_PATH_CHARS]}: {one.rule}" for one in mismatches)
        raise NodeError(
            f"the output is not as its schema says: {told}", code="output_schema_mismatch"
        )
    return NodeResult(output=config.value)
