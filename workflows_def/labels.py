"""How Temporal lists a run, and when it ends one by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from pilot.graph.status import ExecutionStatus
from workflows_def.messages import (
    CLEANUP_LIMIT_S,
    SEARCH_ATTRIBUTE_STATUS,
    SEARCH_ATTRIBUTE_USER,
    SEARCH_ATTRIBUTE_WORKFLOW,
    RunInput,
)

MAX_SUMMARY_BYTES = 400
"""Temporal's limit on a workflow's static summary, a single line for its Web UI."""

BACKSTOP_GRACE_S = 60.0

USER = SearchAttributeKey.for_keyword(SEARCH_ATTRIBUTE_USER)
WORKFLOW = SearchAttributeKey.for_keyword(SEARCH_ATTRIBUTE_WORKFLOW)
STATUS = SearchAttributeKey.for_keyword(SEARCH_ATTRIBUTE_STATUS)


def backstop(timeout_s: float | None) -> timedelta | None:
    """When Temporal itself ends a run that no worker is there to end, its clean-up included."""
    if timeout_s is None:
        return None
    return timedelta(seconds=timeout_s + CLEANUP_LIMIT_S + BACKSTOP_GRACE_S)


def summary(run: RunInput) -> str:
    """The workflow's name in one line."""
    line = " ".join(run.workflow_name.split())
    return line.encode()[:MAX_SUMMARY_BYTES].decode(errors="ignore") or "untitled"


def description(run: RunInput) -> str:
    """Markdown for Temporal's Web UI. The name is a person's, so it stands as code."""
    return (
        f"Workflow `{summary(run).replace('`', chr(39))}`, version {run.workflow_version}, "
        f"{len(run.plan.nodes)} nodes.\n\n"
        f"- workflow: `{run.workflow_id}`\n- execution: `{run.execution_id}`"
    )


def memo(run: RunInput) -> dict[str, Any]:
    return {
        "workflow": run.workflow_id,
        "workflow_name": summary(run),
        "workflow_version": run.workflow_version,
        "execution": run.execution_id,
    }


def search_attributes(run: RunInput) -> TypedSearchAttributes:
    return TypedSearchAttributes(
        [
            SearchAttributePair(USER, run.user_id),
            SearchAttributePair(WORKFLOW, run.workflow_id),
            SearchAttributePair(STATUS, ExecutionStatus.QUEUED.value),
        ]
    )
