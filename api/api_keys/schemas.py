"""What goes in and out of `/api/v1/api-keys`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.workflows.schemas import Text
from pilot.roles import Role


class ApiKeyIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "nightly build"}]}
    )

    name: Annotated[Text, Field(min_length=1, max_length=100)]
    role: Role = Field(
        default=Role.RUNNER,
        description="What the key may do: at most what you may. `viewer` reads, `runner` also "
        "runs workflows, `editor` also writes them, `admin` everything.",
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="From when on the key is refused; null: never."
    )


class ApiKeyOut(BaseModel):
    """A key without itself: `hint` are its last characters."""

    id: str
    name: str
    role: Role
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    """A key that was just made."""

    key: str = Field(description="The key itself. It is shown this once.")
