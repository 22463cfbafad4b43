"""Tools: a node's activity asks for calls of other nodes, and goes on with what they gave.

Each call is a run of the tool's node, with an activity of its own: it is retried by its own
policy, seen by those who watch, and never repeated when the node that called it is retried. A
call that fails is told to the model, which may know another way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from temporalio.exceptions import ApplicationError, FailureError

from pilot.events.model import EventType
from pilot.graph.plan import PlanNode
from pilot.graph.schedule import Schedule
from pilot.graph.status import NodeStatus
from pilot.graph.task import NodeResult, Scope, ToolCall
from pilot.graph.values import as_text
from workflows_def.dispatch import Tell, dispatch, policy_of
from workflows_def.failure import Failure, failure_of, is_cancelled
from workflows_def.journal import Journal, LiveJournal
from workflows_def.messages import RunInput
from workflows_def.pace import Pace
from workflows_def.paths import join
from workflows_def.records import Records, ToolRun
from workflows_def.steps import Step, follow

MAX_CALLS_IN_FLIGHT = 200
"""Of one run, beside its nodes: Temporal refuses a workflow more than 2,000 open activities."""

MAX_TASK_CHARS = 1_800_000
"""Of a task's configuration, scope and transcript as JSON: a payload has 2 MB."""

MAX_RESULT_CHARS = 100_000
"""Of a tool's result, as the model is told it."""

MIN_RESULT_CHARS = 1_000

_SUMMED = ("prompt_tokens", "completion_tokens", "total_tokens", "cost_usd", "calls")


class Toolbox:
    """The tools of a run."""

    def __init__(
        self,
        run: RunInput,
        schedule: Schedule,
        records: Records,
        journal: Journal | LiveJournal,
        pace: Pace,
        path: str = "",
        quiet: bool = False,
        *,
        is_held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_held` says whether the run is paused."""
        self.is_held = is_held
        self._run = run
        self._quiet = quiet
        self._path = path
        self._pace = pace
        self._nodes = {node.id: node for node in run.plan.nodes if node.tool}
        self._schedule = schedule
        self._records = records
        self._journal = journal
        self._turns = asyncio.Semaphore(MAX_CALLS_IN_FLIGHT)

    async def converse(
        self, node: PlanNode, scope: Scope, result: NodeResult, tell: Tell
    ) -> NodeResult:
        """Runs the calls that a node asks for, then its activity again, until it asks for none.

        `tell` is as `dispatch` has it. The activity sees to it that this ends. Raises its
        `FailureError`, and one of the type `llm_transcript_too_large` where what was said no
        longer fits into a task.
        """
        sizes = self._run.sizes
        most = MAX_TASK_CHARS if sizes.apart is None else sizes.payload
        room = most - len(json.dumps([node.config, scope.input, scope.nodes, scope.vars]))
        transcript: list[dict[str, Any]] = []
        metas: list[dict[str, Any]] = []
        told: list[dict[str, Any]] = []
        round = 0
        try:
            while result.tool_calls:
                round += 1
                metas.append(result.meta)
                texts = await self._call_all(node, round, result.tool_calls, told)
                asked = result.messages or []
                room -= len(json.dumps(asked))
                share = min(max(room // len(texts), MIN_RESULT_CHARS), MAX_RESULT_CHARS)
                answers = [
                    {"role": "tool", "tool_call_id": call.id, "content": _clip(text, share)}
                    for call, text in zip(result.tool_calls, texts, strict=True)
                ]
                room -= len(json.dumps(answers))
                if room < 0:
                    raise ApplicationError(
                        "what the model and its tools said grows over "
                        f"{most / 1e6:g} MB: let the tools give less",
                        type="llm_transcript_too_large",
                        non_retryable=True,
                    )
                transcript += [*asked, *answers]
                result = await dispatch(
                    self._run,
                    self._pace,
                    node,
                    scope,
                    path=self._path,
                    round=round,
                    transcript=transcript,
                    quiet=self._quiet,
                    tell=tell,
                )
        except FailureError as error:
            # its own meta has the usage of its last round, or of all
            if "usage_total" not in failure_of(error, policy_of(self._run, node)).meta:
                self._records.add_usage({"usage": _sum(metas)})
            raise
        metas.append(result.meta)
        return NodeResult(
            output=result.output,
            meta=_whole(metas) | {"rounds": round, "tool_calls": told},
            handles=result.handles,
            vars=result.vars,
        )

    def end(self) -> None:
        """No node runs any more: the tools that were called are done."""
        for node_id in self._schedule.end_tools():
            record, runs = self._records[node_id], self._records.tool_runs(node_id)
            failed = sum(run.status is not NodeStatus.SUCCEEDED for run in runs)
            record.meta = {"calls": len(runs), "failed": failed}
            event = self._journal.append(
                EventType.NODE_SUCCEEDED,
                node_id=node_id,
                status=NodeStatus.SUCCEEDED,
                data={"meta": record.meta},
            )
            record.finished_at = event.at

    async def _call_all(
        self, node: PlanNode, round: int, calls: list[ToolCall], told: list[dict[str, Any]]
    ) -> list[str]:
        """What the model is told of each call. `told` gets what people are."""
        paths = [f"{node.id}#{round}.{index}" for index in range(1, len(calls) + 1)]
        # all are waited for, also when the run is cancelled
        done = await asyncio.gather(
            *(self._call(call, path) for call, path in zip(calls, paths, strict=True)),
            return_exceptions=True,
        )
        texts = []
        for call, path, outcome in zip(calls, paths, done, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            text, code = outcome
            entry: dict[str, Any] = {"name": call.name, "node": call.node, "path": path}
            told.append(entry if code is None else entry | {"error": code})
            texts.append(text)
        return texts

    async def _call(self, call: ToolCall, path: str) -> tuple[str, str | None]:
        """What the model is told, and the code of the error, if any."""
        tool = self._nodes.get(call.node)
        if call.error is not None or tool is None:
            failure = Failure("invalid_tool_call", call.error or f"there is no tool {call.name!r}")
            return _error_text(failure), failure.code
        async with self._turns:
            return await self._run_tool(tool, path, call.arguments)

    async def _run_tool(self, tool: PlanNode, path: str, arguments: Any) -> tuple[str, str | None]:
        if self._schedule.called(tool.id):
            first = self._started(tool)
            self._records[tool.id].started_at = first
        run, scope = self._records.enter_tool(tool, path, arguments)
        run.record.started_at = self._started(tool, path, arguments)
        try:
            result = await self._result(tool, run, scope)
        except FailureError as error:
            if is_cancelled(error):
                self._ended(tool, run, NodeStatus.CANCELLED, EventType.NODE_CANCELLED, {})
                raise asyncio.CancelledError from None
            return self._failed(tool, run, failure_of(error, policy_of(self._run, tool)))
        run.record.ran = True
        run.record.output, run.record.meta = result.output, result.meta
        self._records.add_usage(result.meta)
        data = {"output": result.output, "meta": result.meta}
        self._ended(tool, run, NodeStatus.SUCCEEDED, EventType.NODE_SUCCEEDED, data)
        return as_text(result.output), None

    async def _result(self, tool: PlanNode, run: ToolRun, scope: Scope) -> NodeResult:
        path = join(self._path, run.path)
        result = await dispatch(self._run, self._pace, tool, scope, path=path, quiet=self._quiet)
        if result.follow is None:
            return result
        teller = _Call(self, run)
        step = Step(self._run, tool, scope.input, scope, path, result, self._pace, teller)
        return await follow(step)

    def _failed(self, tool: PlanNode, run: ToolRun, failure: Failure) -> tuple[str, str | None]:
        run.record.error, run.record.meta = failure.to_json(), failure.meta
        self._records.add_usage(failure.meta)
        data: dict[str, Any] = {"error": run.record.error, "meta": failure.meta}
        text = _error_text(failure)
        if tool.on_error == "default":
            run.record.ran, run.record.output = True, tool.default_output
            data["output"] = tool.default_output
            text = as_text(tool.default_output)
        self._ended(tool, run, NodeStatus.FAILED, EventType.NODE_FAILED, data, failure.attempt)
        return text, failure.code

    def _started(self, tool: PlanNode, path: str = "", arguments: Any = None) -> str:
        data: dict[str, Any] = {"type": tool.type, "name": tool.name}
        if path:
            data["input"] = arguments
        return self._journal.append(
            EventType.NODE_STARTED,
            node_id=tool.id,
            path=path,
            status=NodeStatus.RUNNING,
            data=data,
        ).at

    def tell(
        self,
        tool: PlanNode,
        run: ToolRun,
        event: EventType,
        status: NodeStatus,
        meta: dict[str, Any],
    ) -> None:
        """Of a call that is under way."""
        run.status, run.record.meta = status, meta
        self._journal.append(
            event, node_id=tool.id, path=run.path, status=status, data={"meta": meta}
        )

    def add_usage(self, usage: dict[str, Any]) -> None:
        self._records.add_usage({"usage": usage})

    def _ended(
        self,
        tool: PlanNode,
        run: ToolRun,
        status: NodeStatus,
        event: EventType,
        data: dict[str, Any],
        attempt: int | None = None,
    ) -> None:
        run.status = status
        run.record.finished_at = self._journal.append(
            event,
            node_id=tool.id,
            path=run.path,
            status=status,
            attempt=attempt or run.record.meta.get("attempt"),
            data=data,
        ).at


class _Call:
    """Shows a tool's call that is more than one activity (`workflows_def.steps.Teller`)."""

    def __init__(self, toolbox: Toolbox, run: ToolRun) -> None:
        self._toolbox = toolbox
        self._run = run

    @property
    def held(self) -> bool:
        return self._toolbox.is_held()

    def wait(self, node: PlanNode, waiting: dict[str, Any]) -> None:
        meta = {"waiting": waiting}
        self._toolbox.tell(node, self._run, EventType.NODE_WAITING, NodeStatus.WAITING, meta)

    def progress(self, node: PlanNode, progress: dict[str, Any]) -> None:
        self.tell(node, {"progress": progress})

    def tell(self, node: PlanNode, meta: dict[str, Any]) -> None:
        self._toolbox.tell(node, self._run, EventType.NODE_PROGRESS, NodeStatus.RUNNING, meta)

    def add_usage(self, usage: dict[str, Any]) -> None:
        self._toolbox.add_usage(usage)


def _error_text(failure: Failure) -> str:
    return json.dumps(
        {"error": {"code": failure.code, "message": failure.message}}, ensure_ascii=False
    )


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… (cut: {len(text):,} characters)"


def _whole(metas: list[dict[str, Any]]) -> dict[str, Any]:
    """The last round's meta, with the beginning of the first and the sums of all."""
    whole = {**metas[-1], "usage": _sum(metas)}
    if "started_at" in metas[0]:
        whole["started_at"] = metas[0]["started_at"]
    whole["duration_ms"] = round(sum(meta.get("duration_ms", 0) for meta in metas), 3)
    return whole


def _sum(metas: list[dict[str, Any]]) -> dict[str, Any]:
    usages = [meta["usage"] for meta in metas if isinstance(meta.get("usage"), dict)]
    return {
        name: sum(usage[name] for usage in usages if usage.get(name) is not None)
        for name in _SUMMED
        if any(usage.get(name) is not None for usage in usages)
    }
