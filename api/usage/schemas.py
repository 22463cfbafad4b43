"""What goes in and out of `/api/v1/usage` and of the budgets."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.pagination import PageOut
from pilot.graph.numbers import JSON_NUMBER
from pilot.graph.status import ExecutionStatus
from pilot.settings import MAX_BUDGET_TOKENS, MAX_BUDGET_USD

Tokens = Annotated[int, Field(ge=0, le=MAX_BUDGET_TOKENS), JSON_NUMBER]
Dollars = Annotated[float, Field(ge=0, le=MAX_BUDGET_USD, allow_inf_nan=False), JSON_NUMBER]


class TotalOut(BaseModel):
    """A sum over model calls, failed ones too."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost_usd: float = Field(description="Without the calls whose price is not known.")
    unpriced_calls: int = Field(description="Calls whose price is not known.")
    estimated_calls: int = Field(
        description="Calls whose tokens were counted here, because the model's side did not "
        "say: cut streams, calls that were given up."
    )


class UsageRowOut(TotalOut):
    """A line of the report: `day`, `workflow_id` and `model` where it is grouped by them."""

    day: datetime.date | None = Field(default=None, exclude_if=lambda value: value is None)
    workflow_id: str | None = Field(default=None, exclude_if=lambda value: value is None)
    model: str | None = Field(default=None, exclude_if=lambda value: value is None)


class ReportOut(PageOut[UsageRowOut]):
    """A page of lines in descending order of their groups, and the sum over all pages."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: datetime.date = Field(serialization_alias="from")
    last: datetime.date = Field(serialization_alias="to")
    total: TotalOut


class LimitsOut(BaseModel):
    """A day's limits (UTC); null: none."""

    tokens_per_day: int | None
    usd_per_day: float | None


class BudgetIn(BaseModel):
    """A day's limits (UTC). Null, or left out: no limit of that kind. 0 allows no call."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"tokens_per_day": 200_000, "usd_per_day": 5}]},
    )

    tokens_per_day: Tokens | None = None
    usd_per_day: Dollars | None = None


class UsedOut(BaseModel):
    """Of today: what was used, and what calls under way have reserved."""

    tokens: int
    usd: float
    reserved_tokens: int
    reserved_usd: float


class BudgetOut(LimitsOut):
    """The budget as it was set; `effective` is what holds, under the operator's `ceiling`."""

    effective: LimitsOut
    ceiling: LimitsOut
    used: UsedOut
    resets_at: datetime.datetime


class DayOut(BaseModel):
    """The executions that were begun on a day (UTC), all of them and by the status they have."""

    day: datetime.date
    total: int
    statuses: dict[ExecutionStatus, int]


class DaysOut(BaseModel):
    """Days without any are left out."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: datetime.date = Field(serialization_alias="from")
    last: datetime.date = Field(serialization_alias="to")
    items: list[DayOut]
