"""How an execution is shown: its row, its nodes' rows and its graph put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from api.executions.schemas import (
    ErrorOut,
    ExecutionOut,
    ExecutionSummaryOut,
    LargeOut,
    NodeOut,
    ParentOut,
    QueueOut,
    TemporalOut,
    TriggeredOut,
    UsageOut,
    WaitingOut,
)
from api.pending import NoWorker, Pending, Retry
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.payloads.values import Kept
from pilot.resumption import Mode
from pilot.settings import Settings
from pilot.store import Execution, NodeRun, Parent, Store


async def execution_out(
    store: Store, settings: Settings, execution: Execution, pending: Pending | None = None
) -> ExecutionOut:
    """The resource as the store has it now, with what Temporal says that it waits for."""
    version = await store.get_version(
        execution.owner, execution.workflow_id, execution.workflow_version
    )
    runs = await store.node_runs(execution.owner, execution.id) if execution.last_seq else []
    summary = summary_out(settings, execution)
    no_worker = pending.no_worker[0] if pending is not None and pending.no_worker else None
    return ExecutionOut.model_construct(
        **{name: getattr(summary, name) for name in ExecutionSummaryOut.model_fields},
        timeout_s=execution.timeout_s,
        cancel_requested_at=execution.cancel_requested_at,
        queue=await _queue_out(store, execution, no_worker),
        waiting=_waiting_out(execution, no_worker),
        input=execution.input,
        **_output(execution.output, execution.id, "output"),
        nodes=list(
            nodes_out(execution.id, _shown_graph(execution, version.graph, runs), runs, pending)
        ),
    )


def _shown_graph(
    execution: Execution, graph: dict[str, Any], runs: Iterable[NodeRun]
) -> dict[str, Any]:
    """Of a node that was tried alone, that node: the others had no part in it."""
    if execution.mode != Mode.TEST:
        return graph
    ran = {run.node_id for run in runs}
    return {"nodes": [node for node in graph.get("nodes", []) if node["id"] in ran]}


async def _queue_out(
    store: Store, execution: Execution, no_worker: NoWorker | None
) -> QueueOut | None:
    if execution.status is not ExecutionStatus.QUEUED:
        return None
    until = execution.start_at
    if until is not None and execution.is_held and until > datetime.now(UTC):
        return QueueOut.model_construct(reason="start_at", since=execution.created_at, until=until)
    if execution.is_held:
        return QueueOut.model_construct(
            reason="concurrency",
            since=execution.start_at or execution.created_at,
            position=await store.slots.position(execution),
        )
    if no_worker is None:
        return QueueOut.model_construct(reason="starting", since=execution.created_at)
    since = max(no_worker.since, execution.created_at)
    return QueueOut.model_construct(reason="no_worker", since=since)


def _waiting_out(execution: Execution, no_worker: NoWorker | None) -> WaitingOut | None:
    if no_worker is None or execution.status is ExecutionStatus.QUEUED:
        return None
    return _no_worker_out(no_worker)


def _no_worker_out(no_worker: NoWorker) -> WaitingOut:
    return WaitingOut.model_construct(
        reason="no_worker", since=no_worker.since, queue=no_worker.queue
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
        start_at=execution.start_at,
        triggered=_triggered_out(execution),
        mode=Mode(execution.mode),
        source_id=execution.source_id,
        parent=_parent_out(execution.parent),
        temporal=_temporal_out(settings, execution),
    )


def _parent_out(parent: Parent | None) -> ParentOut | None:
    if parent is None:
        return None
    return ParentOut.model_construct(
        execution_id=parent.execution_id, node_id=parent.node_id, path=parent.path
    )


def _triggered_out(execution: Execution) -> TriggeredOut | None:
    if execution.triggered_by is None:
        return None
    kind, _, trigger_id = execution.triggered_by.partition(":")
    return TriggeredOut.model_construct(
        type=kind, id=trigger_id, at=execution.triggered_at or execution.created_at
    )


def nodes_out(
    execution_id: str,
    graph: dict[str, Any],
    runs: Iterable[NodeRun],
    pending: Pending | None = None,
) -> Iterable[NodeOut]:
    """The graph's nodes in its order, those without any state yet as `pending`; a node that
    ran several times, in a loop, once for each path."""
    retries = {} if pending is None else {(r.node_id, r.path): r for r in pending.retries}
    without = {} if pending is None else {at: one for one in pending.no_worker for at in one.nodes}
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
            at = (run.node_id, run.path)
            yield _node_out(execution_id, run, retries.get(at), without.get(at))
    for states in by_id.values():
        for run in states:
            at = (run.node_id, run.path)
            yield _node_out(execution_id, run, retries.get(at), without.get(at))


def _node_out(
    execution_id: str, run: NodeRun, retry: Retry | None, no_worker: NoWorker | None
) -> NodeOut:
    if run.status.is_final:
        retry = no_worker = None  # it has ended since
    waiting = None
    if retry is not None and retry.at is not None:
        waiting = _retry_out(retry)
    elif no_worker is not None:
        waiting = _no_worker_out(no_worker)
    return NodeOut.model_construct(
        id=run.node_id,
        type=run.type,
        status=run.status,
        path=run.path,
        reason=run.reason,
        attempt=run.attempt if retry is None else max(retry.attempt, run.attempt or 0),
        started_at=run.started_at,
        finished_at=run.finished_at,
        **_output(run.output, execution_id, _place(run)),
        meta=run.meta,
        error=run.error,
        waiting=waiting,
    )


def _place(run: NodeRun) -> str:
    place = f"nodes/{quote(run.node_id, safe='')}/output"
    return f"{place}?path={quote(run.path, safe='')}" if run.path else place


def _output(output: Any, execution_id: str, place: str) -> dict[str, Any]:
    """The fields `output` and `large_output`."""
    kept = Kept.of(output, execution_id)
    if kept is None:
        return {"output": output}
    href = f"/api/v1/executions/{execution_id}/{place}"
    large = LargeOut.model_construct(bytes=kept.bytes, preview=kept.preview, href=href)
    return {"output": None, "large_output": large}


def _retry_out(retry: Retry) -> WaitingOut:
    return WaitingOut.model_construct(
        reason="retry",
        until=retry.at,
        max_attempts=retry.max_attempts or None,
        error=retry.error,
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
