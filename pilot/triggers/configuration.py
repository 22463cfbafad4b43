"""What a schedule and a webhook are told to do: as people write it, and as it is stored."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from pilot.triggers.cron import MAX_CHARS, calendars
from pilot.triggers.signatures import TOLERANCE_S, Scheme

DAY_S = 86_400.0
YEAR_S = 366 * DAY_S
MAX_CRON = 20
MAX_HOOK_BYTES = 1_000_000
"""A body that is no text grows by a third, as base64; a run takes 1.9 MB in all."""
MAX_WAIT_S = 60.0
MAX_HEADERS = 20

NEVER_PASSED = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "api-key"}
)
"""Headers that are not given to a run, whatever a webhook asks for: they hold secrets, and a run's
input is read by whoever may see the run."""

_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}")


class Overlap(StrEnum):
    """What becomes of a time that comes while the execution of the one before is open; by
    Temporal's names (https://docs.temporal.io/schedule#overlap-policy)."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    TERMINATE_OTHER = "terminate_other"
    ALLOW_ALL = "allow_all"


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The names of the IANA database that mean the same on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory", "posixrules"})


Cron = Annotated[str, Field(min_length=1, max_length=MAX_CHARS)]


class ScheduleConfig(BaseModel):
    """When runs begin: by cron expressions, by an interval, or both."""

    model_config = ConfigDict(extra="forbid")

    cron: Annotated[list[Cron], Field(max_length=MAX_CRON)] = Field(
        default_factory=list,
        description="Five fields (minute, hour, day of the month, month, day of the week), with "
        "ranges, steps, lists and names, or `@daily` and the like. Read in `timezone`.",
    )
    every_s: Annotated[float, Field(ge=1, le=YEAR_S)] | None = Field(
        default=None, description="Every so many seconds, counted from 1970-01-01T00:00Z."
    )
    offset_s: Annotated[float, Field(ge=0, le=YEAR_S)] = Field(
        default=0, description="So many seconds after each of the interval's times."
    )
    timezone: str = Field(
        default="UTC",
        max_length=64,
        description="The IANA name of the zone whose clock the cron expressions are read by, "
        "such as `Europe/Berlin`.",
    )
    start_at: AwareDatetime | None = Field(default=None, description="Nothing before it.")
    end_at: AwareDatetime | None = Field(default=None, description="Nothing after it.")
    jitter_s: Annotated[float, Field(ge=0, le=DAY_S)] = Field(
        default=0, description="Each time is put off by up to so much, at random."
    )
    catchup_window_s: Annotated[float, Field(ge=10, le=YEAR_S)] = Field(
        default=3_600,
        description="How late a time that an outage of Temporal missed may still be made up for.",
    )
    overlap: Overlap = Field(
        default=Overlap.SKIP,
        description="What becomes of a time that comes while the run of the one before is open.",
    )

    @field_validator("cron")
    @classmethod
    def _readable(cls, value: list[str]) -> list[str]:
        for expression in value:
            calendars(expression)
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in time_zones():
            raise ValueError(f"{value!r} is no time zone of the IANA database")
        return value

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if not self.cron and self.every_s is None:
            raise ValueError("a schedule needs `cron` or `every_s`")
        if self.offset_s and (self.every_s is None or self.offset_s >= self.every_s):
            raise ValueError("`offset_s` must be less than `every_s`")
        if self.start_at and self.end_at and self.end_at <= self.start_at:
            raise ValueError("`end_at` must be after `start_at`")
        return self


HeaderName = Annotated[str, Field(min_length=1, max_length=100)]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


def _header(value: str) -> str:
    name = value.strip().lower()
    if _HEADER.fullmatch(name) is None:
        raise ValueError(f"{value!r} is no name of a header")
    return name


class SignatureConfig(BaseModel):
    """How callers sign. The secret is one of the owner's stored ones, by its name."""

    model_config = ConfigDict(extra="forbid")

    scheme: Scheme
    secret: SecretName = Field(description="The name of a stored secret (`POST /api/v1/secrets`).")
    header: HeaderName | None = Field(
        default=None, description="Where the signature is, where not as the scheme has it."
    )
    tolerance_s: Annotated[float, Field(ge=1, le=DAY_S)] = Field(
        default=TOLERANCE_S,
        description="How old a signature may be, of schemes that say when it was made.",
    )

    @field_validator("header")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        return None if value is None else _header(value)


class ChallengeConfig(BaseModel):
    """How a service asks, before it calls a webhook, whether whoever has the address wants it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["slack", "hub"] = Field(
        description="`slack`: a POST of the type `url_verification`, signed as all are; `hub`: a "
        "GET with `hub.challenge`, as WebSub and Meta have it. Both are answered with what they "
        "ask for, and begin no run."
    )
    verify_token: SecretName | None = Field(
        default=None,
        description="The name of a stored secret that `hub.verify_token` has to be.",
    )

    @model_validator(mode="after")
    def _token_of_hub(self) -> Self:
        if self.verify_token is not None and self.kind != "hub":
            raise ValueError("`verify_token` belongs to `hub`")
        return self


class WebhookConfig(BaseModel):
    """Who may call, and what a run is given of the call."""

    model_config = ConfigDict(extra="forbid")

    signature: SignatureConfig | None = Field(
        default=None, description="Without it whoever knows the address may call."
    )
    challenge: ChallengeConfig | None = Field(
        default=None, description="Whether the service asks first whether it may call."
    )
    delivery_header: HeaderName | None = Field(
        default=None,
        description="The header by which a caller names a delivery, such as `X-GitHub-Delivery`: "
        "the same one again gives the same execution. `Idempotency-Key` always does.",
    )
    headers: Annotated[list[HeaderName], Field(max_length=MAX_HEADERS)] = Field(
        default_factory=list,
        description="Further headers that the run is given, beside Content-Type and User-Agent.",
    )
    input_from: Literal["request", "body"] = Field(
        default="request",
        description="What the run's input is: the call (`body`, `body_type`, `headers`, `query`, "
        "`method`), or its body alone.",
    )
    max_body_bytes: Annotated[int, Field(ge=0, le=MAX_HOOK_BYTES)] = 262_144
    max_wait_s: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = Field(
        default=0,
        description="How long callers may wait for the run's output by `?wait=`; 0: they are told "
        "its id and nothing else.",
    )

    @field_validator("delivery_header")
    @classmethod
    def _named(cls, value: str | None) -> str | None:
        return None if value is None else _header(value)

    @field_validator("headers")
    @classmethod
    def _no_secrets(cls, value: list[str]) -> list[str]:
        names = [_header(name) for name in value]
        for name in names:
            if name in NEVER_PASSED:
                raise ValueError(f"{name} may hold a secret, so no run is given it")
        return names
