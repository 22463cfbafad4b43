"""wait: reads until when, or for what, the workflow is to wait."""

from __future__ import annotations

from datetime import UTC

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.errors import NodeError
from pilot.events.model import rfc3339
from pilot.graph import moments
from pilot.graph.task import NodeResult
from pilot.nodes.wait import WaitConfig


@node_activity("wait", WaitConfig)
async def wait(attempt: Attempt[WaitConfig]) -> NodeResult:
    config = await render(attempt.config, attempt.task.scope)
    follow: dict[str, object] = {"for": config.mode}
    try:
        match config.mode:
            case "duration":
                follow["seconds"] = moments.seconds(config.duration)
            case "until":
                at = moments.moment(config.until, config.timezone)
                follow["at"] = rfc3339(at.astimezone(UTC))
            case _:
                if config.timeout is not None:
                    follow["timeout_s"] = moments.seconds(config.timeout)
    except ValueError as error:
        raise NodeError(str(error), code="invalid_time") from None
    return NodeResult(follow=follow)
