"""What comes out of `/api/v1/me`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class DeletionOut(BaseModel):
    """The last deletion that was asked for: `none`, `running`, `done`, or `failed` (an operator
    ended it: ask again)."""

    status: Literal["none", "running", "done", "failed"]
    requested_at: datetime | None
    finished_at: datetime | None
    deleted: dict[str, int] = Field(description="How many of each kind, once it is done.")
