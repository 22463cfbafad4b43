"""What goes in and out of import and export."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from api.issues import IssueOut
from api.workflows.schemas import CHATBOT, WorkflowOut
from pilot.convert.format import Format
from pilot.convert.report import MAX_ORIGINAL_CHARS, Outcome, Severity

MAX_FINDINGS = 1_000
"""How many an answer holds of each list."""


class ImportFormat(StrEnum):
    """What a document may be said to be; `auto` finds out."""

    AUTO = "auto"
    PILOT = "pilot"
    REACTFLOW = "reactflow"
    DIFY = "dify"
    N8N = "n8n"


class ExportFormat(StrEnum):
    PILOT = "pilot"
    REACTFLOW = "reactflow"
    MERMAID = "mermaid"


def _absent(value: object) -> bool:
    return value is None


class ImportIn(BaseModel):
    """A document of another format, as its text or, where it is JSON, as it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"format": "pilot", "content": CHATBOT}]}
    )

    content: str | dict[str, Any] = Field(description="JSON, or YAML in a string.")
    format: ImportFormat = ImportFormat.AUTO
    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="Instead of the document's own."
    )
    dry_run: StrictBool = Field(default=False, description="Answer with the draft; save nothing.")


class CarriedOut(BaseModel):
    """A node of the source and the node that it became."""

    source_id: str
    name: str
    source_type: str
    node_id: str
    type: str


class FindingOut(BaseModel):
    """One thing that is not in the graph as it was in the source. An `error` keeps the graph from
    running until it is seen to; a `warning` may do something else; `info` does the same."""

    outcome: Outcome
    severity: Severity
    message: str
    source_id: str | None = Field(default=None, exclude_if=_absent)
    name: str | None = Field(default=None, exclude_if=_absent)
    node_id: str | None = Field(default=None, exclude_if=_absent)
    field: str | None = Field(default=None, exclude_if=_absent)
    original: str | None = Field(
        default=None,
        exclude_if=_absent,
        description=f"The source's own text, its first {MAX_ORIGINAL_CHARS:,} characters.",
    )
    action: str | None = Field(default=None, exclude_if=_absent, description="What to do about it.")


class ReportOut(BaseModel):
    """What was carried, and what was not."""

    format: str = Field(description="What it was: pilot, reactflow, dify or n8n.")
    carried: list[CarriedOut]
    approximated: list[FindingOut]
    dropped: list[FindingOut]


class DraftOut(BaseModel):
    """What `dry_run` answers with instead of a workflow: what would be saved."""

    name: str
    description: str
    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    timeout_s: float | None
    max_parallel: int | None
    issues: list[IssueOut]


class ImportOut(BaseModel):
    workflow: WorkflowOut | None = Field(description="As saved; null of a dry run.")
    draft: DraftOut | None = Field(description="What a dry run would save, else null.")
    report: ReportOut


def import_format(given: ImportFormat) -> Format | None:
    return None if given is ImportFormat.AUTO else Format(given.value)
