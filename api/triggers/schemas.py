"""What goes in and out of `/api/v1/triggers`, and comes back from `/api/v1/webhooks/{token}`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from api.workflows.schemas import Text
from pilot.graph.model import Seconds
from pilot.graph.status import ExecutionStatus
from pilot.store.triggers import TriggerKind
from pilot.triggers.configuration import Overlap, ScheduleConfig, WebhookConfig


def _absent(value: object) -> bool:
    return value is None


class TriggerChange(BaseModel):
    """All of a trigger that may be changed. It is replaced whole."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    schedule: ScheduleConfig | None = None
    webhook: WebhookConfig | None = None
    input: JsonValue = Field(
        default=None,
        description="What a schedule's runs are given. Where the text `{scheduled_at}` is a value "
        "in it, the time that the run is for stands there.",
    )
    timeout_s: Seconds | None = Field(default=None, description="The time limit of its runs.")
    paused: bool = Field(default=False, description="It begins nothing while it is paused.")
    note: Annotated[Text, Field(max_length=500)] = Field(
        default="", description="Why it is paused, say."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.schedule is None) is (self.webhook is None):
            raise ValueError("give `schedule` or `webhook`, one of them")
        if self.webhook is not None and self.input is not None:
            raise ValueError("a webhook's runs are given the call: `input` is for schedules")
        return self

    @property
    def kind(self) -> TriggerKind:
        return TriggerKind.WEBHOOK if self.schedule is None else TriggerKind.SCHEDULE

    @property
    def definition(self) -> dict[str, Any]:
        config = self.schedule or self.webhook
        assert config is not None
        return config.model_dump(mode="json", exclude_defaults=True)


class TriggerIn(TriggerChange):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "every working day",
                    "workflow_id": "00000000-0000-0000-0000-000000000000",
                    "schedule": {"cron": ["30 8 * * mon-fri"], "timezone": "Europe/Berlin"},
                    "input": {"for": "{scheduled_at}"},
                }
            ]
        },
    )

    workflow_id: Annotated[str, Field(max_length=100)]


class TriggerUpdate(TriggerChange):
    revision: int | None = Field(
        default=None, ge=1, description="The one that is replaced; or say it by `If-Match`."
    )


class PauseIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Annotated[Text, Field(max_length=500)] | None = None


class BackfillIn(BaseModel):
    """All of the schedule's times in a spell. One that has had its run is not run again."""

    model_config = ConfigDict(extra="forbid")

    start_at: AwareDatetime
    end_at: AwareDatetime
    overlap: Overlap = Field(
        default=Overlap.BUFFER_ALL,
        description="By default one run after the other; `allow_all` has them run side by side.",
    )

    @model_validator(mode="after")
    def _spell(self) -> Self:
        if self.end_at < self.start_at:
            raise ValueError("`end_at` is before `start_at`")
        return self


class FailureOut(BaseModel):
    code: str
    message: str
    at: datetime


class TriggerOut(BaseModel):
    """A schedule or a webhook. `state` is `pending` while Temporal does not know a schedule as it
    is here: it is told as soon as it answers."""

    id: str
    kind: TriggerKind
    workflow_id: str
    name: str
    state: Literal["active", "paused", "pending"]
    paused: bool
    note: str
    revision: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    timeout_s: float | None
    schedule: ScheduleConfig | None = Field(default=None, exclude_if=_absent)
    webhook: WebhookConfig | None = Field(default=None, exclude_if=_absent)
    input: Any = None
    hint: str | None = Field(
        default=None, exclude_if=_absent, description="The last characters of a webhook's token."
    )
    failure: FailureOut | None = Field(
        description="Why its last run could not be begun; null since one was."
    )
    next_times: list[datetime] | None = Field(
        default=None,
        exclude_if=_absent,
        description="A schedule's next times, at most ten; only where one is read, and Temporal "
        "answers.",
    )
    skipped: int | None = Field(
        default=None,
        exclude_if=_absent,
        description="How many of its times had no run because of its overlap policy.",
    )
    missed: int | None = Field(
        default=None,
        exclude_if=_absent,
        description="How many had none because an outage was longer than its catch-up window.",
    )


class NewTriggerOut(TriggerOut):
    """A trigger that was just made, or given a new token."""

    token: str | None = Field(
        default=None,
        exclude_if=_absent,
        description="A webhook's token. It is shown this once.",
    )
    url: str | None = Field(
        default=None, exclude_if=_absent, description="Where it is called: a path of this server."
    )


class ReceivedOut(BaseModel):
    """What a caller of a webhook is told: never more of a run than its end."""

    execution_id: str
    status: ExecutionStatus
    output: Any = Field(default=None, description="Where it has succeeded while it was waited for.")
    error: str | None = Field(default=None, exclude_if=_absent, description="A failure's code.")
