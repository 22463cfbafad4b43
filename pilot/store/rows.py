"""Between the rows of the tables and the objects of the protocol."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row

from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.store import (
    Execution,
    NodeRun,
    Parent,
    Workflow,
    WorkflowSummary,
    WorkflowVersion,
    json_text,
)
from pilot.store.preview import event_data
from pilot.store.projection import ExecutionChange, NodeChange


def json_or_null(value: Any) -> str | None:
    """JSON text; SQL's NULL for None, which reads back as None too."""
    return None if value is None else json_text.dumps(value)


def new_workflow(owner: str, name: str, description: str, graph: dict[str, Any]) -> Workflow:
    """A workflow at version 1, made now."""
    now = datetime.now(UTC)
    return Workflow(
        id=str(uuid4()),
        owner=owner,
        name=name,
        description=description,
        graph=graph,
        version=1,
        content_hash=json_text.content_hash(graph),
        created_at=now,
        updated_at=now,
    )


def workflow(row: Row[Any]) -> Workflow:
    return Workflow(
        id=row.id,
        owner=row.owner,
        name=row.name,
        description=row.description,
        graph=row.graph,
        version=row.version,
        content_hash=row.content_hash,
        created_at=row.created_at,
        updated_at=row.updated_at,
        published_version=row.published_version,
        publication=row.publication,
    )


def workflow_summary(row: Row[Any]) -> WorkflowSummary:
    return WorkflowSummary(
        id=row.id,
        name=row.name,
        description=row.description,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        published_version=row.published_version,
        publication=row.publication,
    )


def workflow_version(row: Row[Any]) -> WorkflowVersion:
    return WorkflowVersion(
        workflow_id=row.workflow_id,
        version=row.version,
        name=row.name,
        graph=row.graph,
        content_hash=row.content_hash,
        created_at=row.created_at,
        description=row.description,
        created_by=row.created_by,
    )


def workflow_row(workflow: Workflow) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "owner": workflow.owner,
        "name": workflow.name,
        "description": workflow.description,
        "version": workflow.version,
        "content_hash": workflow.content_hash,
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "published_version": workflow.published_version,
        "publication": workflow.publication,
    }


def version_row(workflow: Workflow, graph_text: str, by: str | None) -> dict[str, Any]:
    return {
        "workflow_id": workflow.id,
        "version": workflow.version,
        "name": workflow.name,
        "graph": graph_text,
        "content_hash": workflow.content_hash,
        "created_at": workflow.updated_at,
        "description": workflow.description,
        "created_by": by,
    }


def execution(row: Row[Any]) -> Execution:
    """An execution; `input` and `output` are None where the query left them out."""
    return Execution(
        id=row.id,
        owner=row.owner,
        workflow_id=row.workflow_id,
        workflow_version=row.workflow_version,
        status=ExecutionStatus(row.status),
        input=getattr(row, "input", None),
        created_at=row.created_at,
        output=getattr(row, "output", None),
        error=row.error,
        usage=row.usage,
        started_at=row.started_at,
        finished_at=row.finished_at,
        temporal_run_id=row.temporal_run_id,
        last_seq=row.last_seq,
        started_by=row.started_by,
        timeout_s=row.timeout_s,
        cancel_requested_at=row.cancel_requested_at,
        edition=row.edition,
        held_at=row.held_at,
        released_at=row.released_at,
        start_at=row.start_at,
        triggered_by=row.triggered_by,
        triggered_at=row.triggered_at,
        mode=row.mode,
        source_id=row.source_id,
        resume=getattr(row, "resume", None),
        parent=_parent(row),
    )


def _parent(row: Row[Any]) -> Parent | None:
    if row.parent_execution_id is None:
        return None
    return Parent(
        execution_id=row.parent_execution_id,
        node_id=row.parent_node_id,
        path=row.parent_path,
        root_id=row.root_execution_id,
        depth=row.depth,
    )


def execution_row(execution: Execution) -> dict[str, Any]:
    parent = execution.parent
    return {
        "id": execution.id,
        "owner": execution.owner,
        "workflow_id": execution.workflow_id,
        "workflow_version": execution.workflow_version,
        "status": execution.status.value,
        "status_seq": 0,
        "last_seq": execution.last_seq,
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
        "temporal_run_id": execution.temporal_run_id,
        "started_by": execution.started_by,
        "timeout_s": execution.timeout_s,
        "cancel_requested_at": execution.cancel_requested_at,
        "edition": execution.edition,
        "held_at": execution.held_at,
        "released_at": execution.released_at,
        "start_at": execution.start_at,
        "triggered_by": execution.triggered_by,
        "triggered_at": execution.triggered_at,
        "mode": execution.mode,
        "source_id": execution.source_id,
        "resume": json_or_null(execution.resume),
        "parent_execution_id": parent and parent.execution_id,
        "parent_node_id": parent and parent.node_id,
        "parent_path": parent and parent.path,
        "root_execution_id": parent and parent.root_id,
        "depth": parent and parent.depth,
        "usage": json_text.dumps(execution.usage),
        "error": json_or_null(execution.error),
        "input": json_or_null(execution.input),
        "output": json_or_null(execution.output),
    }


def execution_verdict(change: ExecutionChange) -> dict[str, Any]:
    """The columns that go with an execution's status."""
    assert change.status is not None
    return {
        "status": change.status.value,
        "status_seq": change.status_seq,
        "finished_at": change.finished_at,
        "usage": json_text.dumps(change.usage),
        "error": json_or_null(change.error),
        "output": json_or_null(change.output),
    }


def node_run(row: Row[Any]) -> NodeRun:
    return NodeRun(
        node_id=row.node_id,
        type=row.type or "",
        status=NodeStatus(row.status),
        path=row.path,
        reason=row.reason,
        attempt=row.attempt,
        started_at=row.started_at,
        finished_at=row.finished_at,
        output=row.output,
        meta=row.meta,
        error=row.error,
    )


def node_row(execution_id: str, change: NodeChange) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "node_id": change.node_id,
        "path": change.path,
        "first_seq": change.first_seq,
        "last_seq": change.last_seq,
        "started_seq": change.started_seq,
        "type": change.type,
        "status": change.status.value,
        "reason": change.reason,
        "attempt": change.attempt,
        "started_at": change.started_at,
        "finished_at": change.finished_at,
        "error": json_or_null(change.error),
        "meta": json_text.dumps(change.meta),
        "output": json_or_null(change.output),
    }


def event(row: Row[Any]) -> Event:
    return Event(
        type=EventType(row.type),
        execution_id=row.execution_id,
        workflow_id=row.workflow_id,
        at=row.at,
        seq=row.seq,
        node_id=row.node_id,
        path=row.path,
        status=row.status,
        attempt=row.attempt,
        data=row.data,
    )


def event_row(execution_id: str, event: Event) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "seq": event.seq,
        "type": event.type.value,
        "at": event.at,
        "node_id": event.node_id,
        "path": event.path,
        "status": event.status,
        "attempt": event.attempt,
        "data": event_data(event.data),
    }
