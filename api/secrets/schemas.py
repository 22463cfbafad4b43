"""What goes in and out of `/api/v1/secrets`. A value only ever goes in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic.config import JsonDict

MAX_VALUE_BYTES = 32 * 1024
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"

EXAMPLE: JsonDict = {"name": "OPENAI_API_KEY", "value": "sk-…"}


class SecretIn(BaseModel):
    """A new secret, or a new value of one."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [EXAMPLE]},
    )

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        description="What `{secrets.NAME}` calls it: letters, digits and underscores."
    )
    value: SecretStr = Field(
        description="1 to 32,768 bytes of text. Never given back.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_VALUE_BYTES},
    )

    @field_validator("value")
    @classmethod
    def _bounded(cls, value: SecretStr) -> SecretStr:
        size = len(value.get_secret_value().encode())
        if not 1 <= size <= MAX_VALUE_BYTES:
            raise ValueError(f"a value has 1 to {MAX_VALUE_BYTES:,} bytes")
        return value


class SecretOut(BaseModel):
    """A secret without its value."""

    name: str = Field(examples=[EXAMPLE["name"]])
    created_at: datetime
    updated_at: datetime
