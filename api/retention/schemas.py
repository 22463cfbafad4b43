"""What goes in and out of `/api/v1/workflows/{id}/retention`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pilot.graph.numbers import JSON_NUMBER

Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False), JSON_NUMBER]


class RetentionIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"retention_days": 30}]}
    )

    retention_days: Days | None = Field(
        description="Days after their end at which the workflow's executions are deleted; null: "
        "when the operator's policy says so."
    )


class RetentionOut(BaseModel):
    """In days; null: for ever. `longest_days` is the operator's own, above which none may go."""

    retention_days: float | None
    longest_days: float | None
