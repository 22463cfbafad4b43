"""What goes in and out of approvals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.executions.schemas import absent


class AnswerIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"decision": "approved"}]}
    )

    decision: Literal["approved", "rejected"]
    values: JsonValue = Field(default=None, description="What the form asks for.")
    comment: Annotated[str, Field(max_length=5_000)] | None = None
    path: str = Field(
        default="", max_length=1_000, description="Which iteration's, inside loops and maps."
    )


class AnswerOut(BaseModel):
    """What the answer came to: decided, or `waiting` for others."""

    status: Literal["approved", "rejected", "waiting"]
    approvals: int
    required: int


class ApprovalOut(BaseModel):
    """A node that asks people. `form` is a JSON Schema of the values that an approval brings."""

    execution_id: str
    node_id: str
    path: str = Field(default="", exclude_if=lambda path: path == "")
    workflow_id: str | None = Field(default=None, exclude_if=absent)
    workflow_name: str | None = Field(default=None, exclude_if=absent)
    title: str
    description: str | None
    form: JsonValue
    required: int
    approvals: int
    created_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None = Field(default=None, exclude_if=absent)
    answered: list[str] | None = Field(
        default=None, exclude_if=absent, description="Who has; how, the node's output says."
    )

    @classmethod
    def of(cls, data: dict[str, Any], **fields: Any) -> ApprovalOut:
        return cls(
            title=str(data.get("title", "")),
            description=data.get("description"),
            form=data.get("form"),
            required=int(data.get("required", 1)),
            approvals=int(data.get("approvals", 0)),
            **fields,
        )
