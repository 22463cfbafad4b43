"""check_delivery: whether what somebody sent is what a waiting node asks for.

A local activity: the sender waits for the answer, and history keeps no second copy of what was
sent. What the graph's author wrote never fails it, however wrong it turns out to be on this
payload: the sender is told, and the node goes on waiting.
"""

from __future__ import annotations

from typing import Any

from temporalio import activity

from activities.answer_format import check
from activities.evaluation import evaluate
from activities.kept import whole
from pilot.errors import ExpressionError, NodeError
from workflows_def.messages import CHECK_DELIVERY_ACTIVITY, DeliveryCheck, DeliveryVerdict

OUTAGE_S = 2.0


@activity.defn(name=CHECK_DELIVERY_ACTIVITY)
async def check_delivery(asked: DeliveryCheck) -> DeliveryVerdict:
    try:
        if asked.schema is not None:
            problems = await problems_of(asked.payload, asked.schema)
            if problems:
                return DeliveryVerdict(problems=problems, matches=False)
        if not await _holds(asked.condition, asked, otherwise=True):
            return DeliveryVerdict(matches=False, message="the condition does not hold for it")
        return DeliveryVerdict(done=await _holds(asked.done_when, asked, otherwise=False))
    except (ExpressionError, NodeError) as error:
        return DeliveryVerdict(matches=False, message=error.message)


async def problems_of(value: Any, schema: dict[str, Any]) -> list[dict[str, str]]:
    """Where a value does not fit a schema. Raises `NodeError` (`schema_too_costly`)."""
    found = await check(value, schema)
    return [{"path": one.path, "message": one.message} for one in found]


async def _holds(expression: str | None, asked: DeliveryCheck, *, otherwise: bool) -> bool:
    if expression is None:
        return otherwise
    scope = await whole(asked.scope, OUTAGE_S)
    value = await evaluate(expression, scope, payload=asked.payload)
    if not isinstance(value, bool):
        raise ExpressionError(f"the expression gives {value!r:.100}, not true or false")
    return value
