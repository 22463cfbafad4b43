"""Whether a model may be asked: the budgets of user, workflow and its callers, checked
before each call.

What a call may take is reserved before it is made, so that of many calls at once no more get
through than the budget carries. A call is let through while anything is left; so a day's
usage goes over a budget by one call at most, beside what answers without `max_tokens` take
more than was reserved for them.

It fails closed: where the store cannot say what is left, no call is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.asked import Usage
from activities.completion import price
from activities.models import Route
from activities.token_count import count_prompt, expected_answer
from activities.usage_writer import UsageWriter
from pilot.budget import allowance_of, ceiling, exhausted
from pilot.errors import NodeError, StoreError
from pilot.money import nanos
from pilot.settings import Settings
from pilot.store.usage import Allowance, CallKey, Reservation, UsageStore

log = logging.getLogger(__name__)

BUDGET_CODES = frozenset({"budget_exceeded", "budget_reserved", "usage_unavailable"})
"""Why no model at all may be asked now."""
WAIT_S = 30.0
"""How long a call waits for the reservations of others before it leaves its slot."""
RETRY_S = 5.0
FIRST_POLL_S, MAX_POLL_S = 0.05, 1.0
RELEASE_LIMIT_S = 0.2
EXPIRY_MARGIN = timedelta(seconds=60)
"""A reservation outlives its attempt by so much, for clocks that differ."""


@dataclass(frozen=True, slots=True)
class Question:
    """A call that is about to be made, by an attempt that ends within `seconds`."""

    key: CallKey
    owner: str
    workflow_id: str
    callers: tuple[str, ...]
    route: Route
    messages: list[dict[str, Any]]
    max_tokens: int | None
    seconds: float


class Admission:
    """One worker's."""

    def __init__(self, settings: Settings, usage: UsageStore, writer: UsageWriter) -> None:
        self._settings = settings
        self._usage = usage
        self._writer = writer

    async def admit(self, question: Question) -> datetime | None:
        """Reserves what the call may take, where there is a budget. The time is the one that
        the call must be recorded with, since it says of which day's budget it was taken.

        Raises `NodeError`: `budget_exceeded` and `price_unknown`, and, to be tried again,
        `budget_reserved` and `usage_unavailable`.
        """
        try:
            allowance = await allowance_of(
                self._usage,
                ceiling(self._settings),
                question.owner,
                question.workflow_id,
                question.callers,
            )
        except StoreError as error:
            raise _unavailable(error) from None
        if not allowance:
            return None
        if self._writer.has_waiting(question.owner):
            raise _unavailable(None)
        reservation = await self._estimate(question, allowance)
        return await self._reserved(reservation, allowance)

    async def withdraw(self, question: Question, at: datetime) -> None:
        """Frees what was reserved at that time: the call is not made."""
        reserved = Reservation(question.key, question.owner, question.workflow_id, at, at, 0)
        await self._release(reserved)

    async def _estimate(self, question: Question, allowance: Allowance) -> Reservation:
        route = question.route
        prompt = await count_prompt(route, question.messages)
        answer = await expected_answer(route, question.max_tokens)
        cost = cost_of(Usage(prompt, answer, prompt + answer, None), route, self._settings)
        if cost is None and allowance.limits_cost:
            raise NodeError(
                f"the price of the model {route.model} is not known, and there is a budget in "
                "dollars: choose another model, or have the operator set "
                "PILOT_UNKNOWN_PRICE_USD_PER_1K",
                code="price_unknown",
            )
        now = datetime.now(UTC)
        return Reservation(
            key=question.key,
            owner=question.owner,
            workflow_id=question.workflow_id,
            at=now,
            expires_at=now + timedelta(seconds=question.seconds) + EXPIRY_MARGIN,
            tokens=prompt + answer,
            cost=cost or 0,
            callers=question.callers,
        )

    async def _reserved(self, reservation: Reservation, allowance: Allowance) -> datetime:
        waited, pause = 0.0, FIRST_POLL_S
        while True:
            reservation = replace(reservation, at=datetime.now(UTC))
            try:
                refused = await self._usage.reserve(reservation, allowance)
            except StoreError as error:
                raise _unavailable(error) from None
            except asyncio.CancelledError:
                await self._release(reservation)  # it may have been made all the same
                raise
            if refused is None:
                return reservation.at
            if not refused.passes:
                raise NodeError(exhausted(refused, reservation.at), code="budget_exceeded")
            if waited >= WAIT_S:
                raise NodeError(
                    "what is left of today's budget is reserved by other calls that are under way",
                    code="budget_reserved",
                    retryable=True,
                    retry_after_s=RETRY_S,
                )
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, MAX_POLL_S)

    async def _release(self, reservation: Reservation) -> None:
        """What cannot be released now expires."""
        with contextlib.suppress(StoreError, TimeoutError):
            async with asyncio.timeout(RELEASE_LIMIT_S):
                await self._usage.release(reservation)


def cost_of(usage: Usage, route: Route, settings: Settings) -> int | None:
    """Nanodollars; None where neither the other side, nor the price list, nor the operator
    knows the price."""
    usd = usage.cost_usd
    if usd is None or not 0 <= usd < math.inf:
        usd = price(route, usage.prompt_tokens, usage.completion_tokens)
    if usd is not None:
        return nanos(usd)
    by_operator = settings.pilot_unknown_price_usd_per_1k
    if by_operator is None:
        return None
    return nanos(by_operator * (usage.prompt_tokens + usage.completion_tokens) / 1000)


def _unavailable(error: StoreError | None) -> NodeError:
    if error is not None:
        log.warning("no model is asked, the store does not say what is left: %s", error.message)
    reason = "is not written down yet" if error is None else "cannot be read: no database"
    return NodeError(
        f"no model is asked, since what was used today {reason}",
        code="usage_unavailable",
        retryable=True,
    )
