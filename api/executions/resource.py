"""How an execution is shown: its row, its nodes' rows and its graph put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from api.executions.schemas import (
    ErrorOut,
    ExecutionOut,
    ExecutionSummaryOut,
    NodeOut,
    QueueOut,
    TemporalOut,
    UsageOut,
)
from pilot.graph.status import NodeStatus
from pilot.settings import Settings
from pilot.store import Execution, NodeRun, Store


async def execution_out(store: Store, settings: Settings, execution: Execution) -> ExecutionOut:
    """The resource as the store has it now."""
    version = await store.get_version(
        execution.owner, execution.workflow_id, execution.workflow_version
    )
    runs = await store.node_runs(execution.owner, execution.id) if execution.last_seq else []
    queue = None
    if execution.is_held:
        queue = QueueOut(position=await store.slots.position(execution))
    summary = summary_out(settings, execution)
    return ExecutionOut.model_construct(
        **{name: getattr(summary, name) for name in ExecutionSummaryOut.model_fields},
        timeout_s=execution.timeout_s,
        cancel_requested_at=execution.cancel_requested_at,
        queue=queue,
        input=execution.input,
        output=execution.output,
        nodes=list(nodes_out(version.graph, runs)),
    )


def summary_out(settings: Settings, execution: Execution) -> ExecutionSummaryOut:
    return ExecutionSummaryOut.model_construct(
        id=execution.id,
        workflow_id=execution.workflow_id,
        workflow_version=execution.workflow_version,
        status=execution.status,
        error=_error_out(execution.error),
        usage=_usage_out(execution.usage),
        created_at=execution.created_at,
        started_at=execution.started_at,
        finished_at=execution.finished_at,
        temporal=_temporal_out(settings, execution),
    )


def nodes_out(graph: dict[str, Any], runs: Iterable[NodeRun]) -> Iterable[NodeOut]:
    """The graph's nodes in its order, those without any state yet as `pending`; a node that
    ran several times, in a loop, once for each path."""
    by_id: dict[str, list[NodeRun]] = defaultdict(list)
    for run in runs:
        by_id[run.node_id].append(run)
    for node in graph.get("nodes", []):
        states = by_id.pop(node["id"], None)
        if states is None:
            yield NodeOut.model_construct(
                id=node["id"], type=node["type"], status=NodeStatus.PENDING
            )
            continue
        for run in states:
            yield _node_out(run)
    for states in by_id.values():
        for run in states:
            yield _node_out(run)


def _node_out(run: NodeRun) -> NodeOut:
    return NodeOut.model_construct(
        id=run.node_id,
        type=run.type,
        status=run.status,
        path=run.path,
        reason=run.reason,
        attempt=run.attempt,
        started_at=run.started_at,
        finished_at=run.finished_at,
        output=run.output,
        meta=run.meta,
        error=run.error,
    )


def _error_out(error: dict[str, Any] | None) -> ErrorOut | None:
    if error is None:
        return None
    return ErrorOut.model_construct(
        code=str(error.get("code", "failed")),
        message=str(error.get("message", "")),
        node_id=error.get("node_id"),
    )


def _usage_out(usage: dict[str, Any]) -> UsageOut:
    return UsageOut.model_construct(
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        cost_usd=float(usage.get("cost_usd") or 0.0),
    )


def _temporal_out(settings: Settings, execution: Execution) -> TemporalOut:
    workflow_id, run_id = execution.temporal_workflow_id, execution.temporal_run_id
    url = None
    if settings.temporal_ui_url is not None:
        namespace = quote(settings.temporal_namespace, safe="")
        url = (
            f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{workflow_id}"
        )
        if run_id:
            url += f"/{run_id}/history"
    return TemporalOut.model_construct(workflow_id=workflow_id, run_id=run_id or None, url=url)
