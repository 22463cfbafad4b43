"""Which limits hold for a user's model calls: those they set, under the operator's ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pilot.money import dollars, nanos
from pilot.settings import Settings
from pilot.store.usage import Allowance, Limits, Refusal, UsageStore, next_day

_WHOSE = {"account": "user's", "workflow": "workflow's", "caller": "calling workflow's"}


def ceiling(settings: Settings) -> Limits:
    """What no user may go beyond, whatever budget they set."""
    usd = settings.pilot_budget_usd_per_day
    return Limits(settings.pilot_budget_tokens_per_day, None if usd is None else nanos(usd))


async def allowance_of(
    usage: UsageStore,
    ceiling: Limits,
    owner: str,
    workflow_id: str,
    callers: Sequence[str] = (),
) -> Allowance:
    """The limits of a workflow's calls, in a run that others began. Raises `StoreError` where they
    cannot be known."""
    allowance = await usage.allowance(owner, workflow_id, callers)
    return replace(allowance, account=allowance.account.within(ceiling))


def exhausted(refusal: Refusal, now: datetime) -> str:
    """Why nothing more may be used today, in words."""
    limit = f"${dollars(refusal.limit):g}" if refusal.unit == "usd" else f"{refusal.limit:,} tokens"
    return (
        f"The {_WHOSE[refusal.whose]} budget of {limit} a day is used up. "
        f"It begins anew at {next_day(now):%Y-%m-%d %H:%M} UTC."
    )
