"""What goes in and out of `/api/v1/workflows/{id}/shares`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pilot.roles import Role


class ShareIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal[Role.VIEWER, Role.RUNNER, Role.EDITOR] = Field(
        description="`viewer` sees the workflow and its executions, `runner` also starts and "
        "cancels them, `editor` also saves the workflow."
    )


class ShareOut(BaseModel):
    """`grantee` is the id of a user or of an organisation."""

    grantee: str
    role: Role
    created_at: datetime
