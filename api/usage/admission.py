"""Whether a run may begin: a budget that is used up refuses it before anything is written."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from api.parts import Parts
from api.problems import Problem
from pilot.budget import allowance_of, ceiling, exhausted
from pilot.graph.plan import Plan
from pilot.store.usage import Refusal, Spent, next_day, refusal, utc_day

MODEL_CATEGORY = "model"


async def require_budget(parts: Parts, owner: str, workflow_id: str, plan: Plan) -> None:
    """Raises `Problem` 429 `budget_exceeded`, with `Retry-After` the seconds until the budget
    begins anew; and `StoreError` (503) where nobody can say what is left.

    Only a graph that may ask a model is held to a budget. What calls under way have reserved
    does not count here: each of the run's own calls is checked again.
    """
    if not _asks_a_model(parts, plan):
        return
    usage = parts.store.usage
    allowance = await allowance_of(usage, ceiling(parts.settings), owner, workflow_id)
    if not allowance:
        return
    now = datetime.now(UTC)
    account = await usage.spent(owner, None, utc_day(now))
    workflow = await usage.spent(owner, workflow_id, utc_day(now))
    refused = refusal(
        allowance, Spent(account.tokens, account.cost), Spent(workflow.tokens, workflow.cost)
    )
    if refused is not None:
        raise _exceeded(refused, now)


def _asks_a_model(parts: Parts, plan: Plan) -> bool:
    return any(parts.specs[node.type].category == MODEL_CATEGORY for node in plan.nodes)


def _exceeded(refused: Refusal, now: datetime) -> Problem:
    left = (next_day(now) - now).total_seconds()
    return Problem(
        429,
        "budget_exceeded",
        exhausted(refused, now),
        headers={"Retry-After": str(math.ceil(left))},
    )
