"""code: runs a small Python program in the sandbox."""

from __future__ import annotations

from activities import resources
from activities.attempt import Attempt, node_activity
from activities.code_logs import Stream
from activities.code_program import Allowance, Program
from pilot.events.model import EventType
from pilot.graph.task import NodeResult
from pilot.nodes.code import CodeConfig


@node_activity("code", CodeConfig)
async def code(attempt: Attempt[CodeConfig]) -> NodeResult:
    """The output is what `main` returns, or the last expression. Prints go out as `log`
    events and stand in `meta.logs`. The node's limits hold below the operator's."""

    def log(stream: Stream, text: str) -> None:
        attempt.emit_live(EventType.LOG, {"stream": stream, "text": text})

    program = Program.of(attempt.config, attempt.task.scope)
    sandbox = resources.current().sandbox
    allowance = Allowance.of(attempt.config.limits.within(sandbox.ceiling), attempt.timeout_s)
    outcome = await sandbox.run(program, allowance, log)
    return NodeResult(output=outcome.output, meta=outcome.logs.to_meta())
