"""The row of a run that nothing has begun."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from pilot.graph.status import ExecutionStatus
from pilot.store import Execution, Workflow


def queued(workflow: Workflow, id: str | None = None) -> Execution:
    """Of its first version, without input, as the API makes it; not yet in the store."""
    return Execution(
        id=id or str(uuid4()),
        owner=workflow.owner,
        workflow_id=workflow.id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=None,
        created_at=datetime.now(UTC),
    )
