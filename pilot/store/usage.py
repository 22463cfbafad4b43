"""What the model calls of users used, and how much they may use a day.

A call is one row, and in the same transaction it is added to its day's row (one a user,
workflow and model), so that a budget and a report read a few rows however many calls there
were. A day is a day of UTC, and a call belongs to the day on which it began.

A budgeted user's call is reserved before it is made: an estimate that counts as spent until
the call is recorded, or until it expires because its worker died.

A call counts for its workflow, and for those whose runs began its run: its `callers`. Their
budgets hold for it as well, and the account's once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol

from pilot.store import Page

MAX_COUNT = 2**31 - 1
"""The most tokens that one call is believed to have used."""
MAX_COST = 10**15
"""The same in nanodollars: a million dollars."""

WHOLE_ACCOUNT = ""
"""In place of a workflow's id: all of the user's workflows together."""

GroupBy = Literal["day", "workflow", "model"]
Unit = Literal["tokens", "usd"]


@dataclass(frozen=True, slots=True)
class CallKey:
    """Which call: the `call`th (from 1) of an attempt of a node. `run_id` is Temporal's, since
    a run that was reset counts its attempts anew."""

    execution_id: str
    node_id: str
    path: str
    run_id: str
    attempt: int
    call: int

    def __str__(self) -> str:
        parts = (self.execution_id, self.node_id, self.path, self.run_id, self.attempt, self.call)
        return ":".join(str(part) for part in parts)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call as it went. `cost` is in nanodollars, None where the price is not known.
    `estimated`: the other side did not say, so the tokens were counted here. `error` is the
    code of the call's failure. `at` is when it began. `callers` are other workflows, each once."""

    key: CallKey
    owner: str
    workflow_id: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: int | None
    at: datetime
    estimated: bool = False
    error: str | None = None
    callers: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        return utc_day(self.at)


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over calls. `cost` is in nanodollars and leaves out the `unpriced` calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: int = 0
    calls: int = 0
    unpriced: int = 0
    estimated: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Total) -> Total:
        return Total(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
            self.calls + other.calls,
            self.unpriced + other.unpriced,
            self.estimated + other.estimated,
        )

    @classmethod
    def of(cls, call: ModelCall) -> Total:
        return cls(
            call.prompt_tokens,
            call.completion_tokens,
            call.cost or 0,
            1,
            int(call.cost is None),
            int(call.estimated),
        )


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A line of the report; the parts that it is not grouped by are None."""

    total: Total
    day: date | None = None
    workflow_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used a day: tokens, and nanodollars. None: no limit."""

    tokens: int | None = None
    cost: int | None = None

    def __bool__(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def within(self, ceiling: Limits) -> Limits:
        """The lower of the two, each."""
        return Limits(_lower(self.tokens, ceiling.tokens), _lower(self.cost, ceiling.cost))


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits that hold for a workflow's calls: the user's, the workflow's own, and those of
    the workflows that called it, in their order."""

    account: Limits = NO_LIMITS
    workflow: Limits = NO_LIMITS
    callers: tuple[Limits, ...] = ()

    def __bool__(self) -> bool:
        return any((self.account, self.workflow, *self.callers))

    @classmethod
    def of(
        cls, limits: Mapping[str, Limits], workflow_id: str, callers: Sequence[str] = ()
    ) -> Allowance:
        """Of the limits by workflow: the account's, the workflow's own, and the callers'."""
        account = limits.get(WHOLE_ACCOUNT, NO_LIMITS)
        if workflow_id == WHOLE_ACCOUNT:
            return cls(account)
        return cls(
            account,
            limits.get(workflow_id, NO_LIMITS),
            tuple(limits.get(caller, NO_LIMITS) for caller in callers),
        )

    @property
    def limits_cost(self) -> bool:
        return any(
            limits.cost is not None for limits in (self.account, self.workflow, *self.callers)
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """An estimate of a call that is about to be made. `callers` are as a `ModelCall` has them."""

    key: CallKey
    owner: str
    workflow_id: str
    at: datetime
    expires_at: datetime
    tokens: int
    cost: int = 0
    callers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one day: what was used, and what calls under way have reserved. That of a workflow has
    what the runs took that its own runs began."""

    tokens: int = 0
    cost: int = 0
    reserved_tokens: int = 0
    reserved_cost: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call may not be made. `passes`: only the reservations of calls under way stand
    against it, and they may come to less."""

    whose: Literal["account", "workflow", "caller"]
    unit: Unit
    limit: int
    passes: bool


class UsageStore(Protocol):
    """Every implementation passes `tests/store/test_usage.py`."""

    async def record(self, call: ModelCall) -> bool:
        """Writes a call and ends its reservation. False: it was written before, and nothing
        changed."""
        ...

    async def reserve(self, reservation: Reservation, allowance: Allowance) -> Refusal | None:
        """Reserves unless nothing is left: a call may be made while any of the day's budget
        is neither used nor reserved. Of those who ask at the same moment one is first. The
        allowance is of the reservation's workflow and callers."""
        ...

    async def release(self, reservation: Reservation) -> None:
        """Takes back the reservation of a call that was not made."""
        ...

    async def spent(self, owner: str, workflow_id: str | None, day: date) -> Spent:
        """Of one workflow, or (None) of all; expired reservations left out."""
        ...

    async def of_node(self, execution_id: str, node_id: str, path: str) -> Total:
        """Over every attempt of a node."""
        ...

    async def of_execution(self, execution_id: str) -> Total: ...

    async def calls(self, execution_id: str) -> list[ModelCall]:
        """All of an execution's, by their keys."""
        ...

    async def report(
        self,
        owner: str,
        first: date,
        last: date,
        group_by: Sequence[GroupBy],
        *,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[UsageRow]:
        """The usage of the days from `first` to `last`, grouped, in descending order of the
        groups; without groups one row. A bad cursor is `ConflictError` (`invalid_cursor`)."""
        ...

    async def allowance(
        self, owner: str, workflow_id: str, callers: Sequence[str] = ()
    ) -> Allowance:
        """The budgets of the user, of a workflow and of its callers, as they were set."""
        ...

    async def put_budget(self, owner: str, workflow_id: str, limits: Limits) -> None:
        """Sets the budget of a workflow, or of the `WHOLE_ACCOUNT`."""
        ...

    async def delete_budget(self, owner: str, workflow_id: str) -> None:
        """Deletes a budget that may not be there."""
        ...


def refusal(
    allowance: Allowance, account: Spent, workflow: Spent, callers: Sequence[Spent] = ()
) -> Refusal | None:
    """The first limit that is used up, those that no waiting will change before the others.
    `callers` are in the order of the allowance's."""
    held_to: list[tuple[Literal["account", "workflow", "caller"], Limits, Spent]] = [
        ("account", allowance.account, account),
        ("workflow", allowance.workflow, workflow),
        *(
            ("caller", limits, spent)
            for limits, spent in zip(allowance.callers, callers, strict=True)
        ),
    ]
    found = [
        Refusal(whose, unit, limit, passes=used < limit)
        for whose, limits, spent in held_to
        for unit, limit, used, held in _compared(limits, spent)
        if used + held >= limit
    ]
    return min(found, key=lambda one: one.passes, default=None)


def _compared(limits: Limits, spent: Spent) -> list[tuple[Unit, int, int, int]]:
    """(unit, limit, used, reserved) of each limit."""
    rows: list[tuple[Unit, int, int, int]] = []
    if limits.tokens is not None:
        rows.append(("tokens", limits.tokens, spent.tokens, spent.reserved_tokens))
    if limits.cost is not None:
        rows.append(("usd", limits.cost, spent.cost, spent.reserved_cost))
    return rows


def utc_day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def next_day(at: datetime) -> datetime:
    """The midnight (UTC) at which budgets begin anew."""
    day = utc_day(at) + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _lower(one: int | None, other: int | None) -> int | None:
    known = [limit for limit in (one, other) if limit is not None]
    return min(known, default=None)
