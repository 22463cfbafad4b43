"""Which limits hold for a user's model calls: those they set, under the operator's ceiling."""

from __future__ import annotations

from dataclasses import replace

from pilot.money import nanos
from pilot.settings import Settings
from pilot.store.usage import Allowance, Limits, UsageStore


def ceiling(settings: Settings) -> Limits:
    """What no user may go beyond, whatever budget they set."""
    usd = settings.pilot_budget_usd_per_day
    return Limits(settings.pilot_budget_tokens_per_day, None if usd is None else nanos(usd))


async def allowance_of(
    usage: UsageStore, ceiling: Limits, owner: str, workflow_id: str
) -> Allowance:
    """The limits of a workflow's calls. Raises `StoreError` where they cannot be known."""
    allowance = await usage.allowance(owner, workflow_id)
    return replace(allowance, account=allowance.account.within(ceiling))
