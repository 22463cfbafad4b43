"""A model call's places under the operator's limits (`pilot.throttle`), which hold for all workers.

A call without a place waits a moment where it is, holding its slot, if few others of this worker
do. Then its attempt ends, and the workflow waits in its stead and counts no attempt
(`workflows_def.dispatch`): by a timer, the longer the more are to be served before it. Those who
will be served next come back soon, and are passed by nobody meanwhile.

It fails closed: where the store cannot say who asks, no call is made. A call that is being made
goes on, and outlives an outage of the store with its place if that is shorter than the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from activities.models import Route
from pilot import metrics
from pilot.errors import NodeError, StoreError
from pilot.graph.task import MODEL_BUSY
from pilot.store.places import Caller, PlaceStore, Refusal
from pilot.throttle import ModelLimit, limits_of

if TYPE_CHECKING:
    from activities.attempt import Attempt

log = logging.getLogger(__name__)

LEASE_S, RENEW_S = 30.0, 5.0
STAY_S = 10.0
"""How long a call waits in its slot."""
STAYING = 0.1
"""Of a worker's slots, how many may be held by calls that wait."""
POLL_S, PRESENT_S = 0.5, 5.0
SOON_S, LATE_S = 2.0, 120.0
"""After how long a call comes back that is next, and one with very many before it."""
GIVE_BACK_LIMIT_S = 2.0


class Throttle:
    """One worker's."""

    def __init__(self, limits: Sequence[ModelLimit], places: PlaceStore | None, slots: int) -> None:
        self._limits = limits if places is not None else ()
        self._places = places
        self._most_staying = max(1, int(slots * STAYING))
        self._staying = 0
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def place(
        self, route: Route, attempt: Attempt[Any], seconds: float, *, may_leave: bool
    ) -> AsyncIterator[None]:
        """Holds a place by every limit that the model's calls are held to, while inside.

        `may_leave`: whether the attempt may end for want of one, by a `NodeError` `model_busy`;
        else it waits for as long as its time lasts.
        """
        limits = limits_of(_name(route), self._limits)
        if not limits or self._places is None:
            yield
            return
        call = _PlacedCall(self._places, limits, route, attempt)
        try:
            await self._take(call, min(STAY_S, seconds / 4) if may_leave else math.inf)
            call.hold_on()
            yield
        finally:
            if not call.left:
                # whatever cancellation comes meanwhile
                await asyncio.shield(self._give_back(call))

    async def _take(self, call: _PlacedCall, patience_s: float) -> None:
        """Returns with a place. Raises `NodeError` `model_busy` where there was none in time."""
        if await call.ask():
            return
        metrics.current().model_waits(call.pattern)
        if patience_s < math.inf and self._staying >= self._most_staying:
            raise await call.leave()
        self._staying += 1
        try:
            until = time.monotonic() + patience_s
            while time.monotonic() < until:
                await self._pause(call.pause_s())
                if await call.ask():
                    return
        finally:
            self._staying -= 1
        raise await call.leave()

    async def _pause(self, seconds: float) -> None:
        """Ends early where a place of this worker is given back."""
        freed = self._freed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await freed.wait()

    async def _give_back(self, call: _PlacedCall) -> None:
        await call.give_back()
        self._freed.set()
        self._freed = asyncio.Event()


class _PlacedCall:
    """A call that has places, or waits for them."""

    def __init__(
        self,
        places: PlaceStore,
        limits: Sequence[ModelLimit],
        route: Route,
        attempt: Attempt[Any],
    ) -> None:
        self._places = places
        self._limits = limits
        self._route = route
        self._task = attempt.task
        self._caller = Caller(
            key=f"{attempt.key}:{attempt.task.round}",
            whose=hashlib.sha256(attempt.task.user_id.encode()).hexdigest()[:16],
            token=secrets.token_hex(8),
        )
        self._refusal: Refusal | None = None
        self._away: StoreError | None = None
        self._over = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self.left = False

    @property
    def pattern(self) -> str:
        """Of the limit that it waits for."""
        return self._limits[0].pattern if self._refusal is None else self._refusal.pattern

    async def ask(self) -> bool:
        """Whether there is a place now."""
        try:
            self._refusal = await self._places.take(
                self._caller, self._limits, lease_s=LEASE_S, present_s=PRESENT_S
            )
        except StoreError as error:
            self._refusal, self._away = None, error
            return False
        self._away = None
        return self._refusal is None

    def pause_s(self) -> float:
        """Until it asks again. At different times, as all of a store's begin when it is back."""
        return random.uniform(POLL_S / 2, POLL_S * 3 / 2)  # noqa: S311 (no secret)

    async def leave(self) -> NodeError:
        """The error by which the attempt ends. The ticket stays."""
        self.left = True
        seconds, is_next = self._comes_back()
        with contextlib.suppress(StoreError):
            await self._places.defer(self._caller, seconds + PRESENT_S if is_next else 0)
        return NodeError(
            self._reason(),
            code=MODEL_BUSY,
            retryable=not self._task.yields,
            retry_after_s=seconds,
            meta={
                "waiting": {
                    "for": "model",
                    "model": self._route.model,
                    **({} if self._refusal is None else {"ahead": self._refusal.ahead}),
                    "seconds": round(seconds, 3),
                }
            },
        )

    def _comes_back(self) -> tuple[float, bool]:
        """After how long, and whether it will be served next."""
        refusal = self._refusal
        spread = random.uniform(0.75, 1.25)  # noqa: S311 (no secret)
        if refusal is None:
            return SOON_S * 2 * spread, False
        [limit] = [one for one in self._limits if one.pattern == refusal.pattern]
        at_once = limit.in_flight or limit.burst
        seconds = SOON_S * (1 + refusal.ahead / at_once)
        return min(max(seconds, refusal.after_s), LATE_S) * spread, refusal.ahead < at_once

    def _reason(self) -> str:
        if self._refusal is None:
            said = self._away.message if self._away is not None else "no answer"
            log.warning("no model is asked, the store does not say who else asks: %s", said)
            return (
                f"waits for room at the model {self._route.model}: who else asks it cannot be "
                "read: no database"
            )
        [limit] = [one for one in self._limits if one.pattern == self._refusal.pattern]
        return f"waits for room at the model {self._route.model}: the limit of {limit}"

    def hold_on(self) -> None:
        """Renews the places until they are given back."""
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await self._over.wait()
                    return
            with contextlib.suppress(StoreError):
                await self._places.renew(self._caller, self._limits, LEASE_S)

    async def give_back(self) -> None:
        """What cannot be given back now runs out."""
        self._over.set()
        try:
            async with asyncio.timeout(GIVE_BACK_LIMIT_S):
                if self._renewing is not None:
                    await self._renewing  # what it was about to write comes first
                await self._places.give_back(self._caller)
        except (StoreError, TimeoutError):
            log.warning("a place at the model %s is free once its lease ends", self._route.model)


def _name(route: Route) -> str:
    """What the limits' patterns know the model by. One that a node reaches by its own address is
    that server's: its names say nothing of the operator's."""
    if route.trusted:
        return route.model
    with contextlib.suppress(httpx.InvalidURL):
        return f"{httpx.URL(route.api_base or '').netloc.decode()}/{route.model}"
    return route.model
