"""What is sent to the waiting nodes of one Temporal workflow.

A delivery comes as an update, so its sender is answered when it has been taken: it is in the
history by then. One that is repeated with the same update id is answered by Temporal from there,
and comes here once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows_def.messages import (
    UPDATE_ANSWER,
    UPDATE_CLAIM,
    UPDATE_DELIVER,
    UPDATE_SETTLE,
    Answer,
    AnswerResult,
    Claim,
    Delivery,
    Receipt,
    Settled,
)

MAX_EARLY = 100
"""Deliveries that a node may be sent before it waits."""

Place = tuple[str, str]
Take = Callable[[Any], Awaitable[Receipt]]


class Desk(Protocol):
    """A node that people answer. `standing` is what those are told who come after its end."""

    def check(self, answer: Answer) -> None: ...

    async def take(self, answer: Answer) -> AnswerResult: ...

    def standing(self) -> ApplicationError: ...


class Inbox:
    """`may_come(node_id, path)` says whether a node that has not begun to wait may do so yet."""

    def __init__(self, may_come: Callable[[str, str], bool]) -> None:
        self._may_come = may_come
        self._takers: dict[Place, Take] = {}
        self._turns: dict[Place, asyncio.Lock] = {}
        self._early: dict[Place, list[Any]] = {}
        self._closed: set[Place] = set()
        self._desks: dict[Place, Desk] = {}
        self._risen: dict[Place, Desk] = {}

    async def open(self, place: Place, take: Take) -> None:
        """The node waits from here on: `take` is given each payload, one at a time, what came
        early first."""
        async with self._turn(place):
            self._takers[place] = take
            for payload in self._early.pop(place, ()):
                await take(payload)

    def close(self, place: Place) -> None:
        self._takers.pop(place, None)
        self._closed.add(place)

    def waiting(self, node_ids: list[str]) -> list[Place]:
        """Where nodes of these ids wait for a payload now."""
        return [place for place in self._takers if place[0] in node_ids]

    def check(self, delivery: Delivery) -> None:
        """Refuses what reaches no node, before it is in the history."""
        open_to = [place for place in map(_place, delivery.nodes) if self._is_open(place)]
        if not open_to:
            raise refused("not_waiting", "the node does not wait, and will not")
        if all(len(self._early.get(place, ())) >= MAX_EARLY for place in open_to):
            raise refused("too_many_early", f"{MAX_EARLY} deliveries wait for the node already")

    async def deliver(self, delivery: Delivery) -> list[Receipt]:
        places = [_place(node) for node in delivery.nodes]
        receipts = await asyncio.gather(
            *(self._deliver(place, delivery.payload) for place in places)
        )
        return [replace(one, digest=delivery.digest) for one in receipts]

    async def _deliver(self, place: Place, payload: Any) -> Receipt:
        async with self._turn(place):
            take = self._takers.get(place)
            if take is not None:
                return await take(payload)
            early = self._early.setdefault(place, [])
            if not self._is_open(place) or len(early) >= MAX_EARLY:
                return Receipt(*place, "closed")
            early.append(payload)
            return Receipt(*place, "buffered")

    def sit(self, place: Place, desk: Desk) -> None:
        """The node takes answers from here on."""
        self._desks[place] = desk

    def rise(self, place: Place) -> None:
        self._risen[place] = self._desks.pop(place)

    def check_answer(self, answer: Answer) -> None:
        """Refuses what cannot count, before it is in the history."""
        place = (answer.node_id, answer.path)
        if (risen := self._risen.get(place)) is not None:
            raise risen.standing()
        desk = self._desks.get(place)
        if desk is None:
            raise refused("not_waiting", "the node does not wait for an answer")
        desk.check(answer)

    async def answer(self, answer: Answer) -> AnswerResult:
        self.check_answer(answer)
        result = await self._desks[answer.node_id, answer.path].take(answer)
        return replace(result, digest=answer.digest)

    def _is_open(self, place: Place) -> bool:
        return place not in self._closed and (place in self._takers or self._may_come(*place))

    def _turn(self, place: Place) -> asyncio.Lock:
        return self._turns.setdefault(place, asyncio.Lock())


def refused(code: str, message: str, *details: Any) -> ApplicationError:
    """What an update is refused with."""
    return ApplicationError(message, *details, type=code, non_retryable=True)


def _place(node: Any) -> Place:
    node_id, path = node
    return node_id, path


class Reachable(Protocol):
    """A workflow that has an inbox."""

    inbox: Inbox


def inbox() -> Inbox:
    """That of the workflow which runs."""
    running: Reachable = workflow.instance()
    return running.inbox


class Receiving:
    """The handlers, for workflows that have an `inbox`."""

    inbox: Inbox

    @workflow.update(name=UPDATE_DELIVER)
    async def deliver(self, delivery: Delivery) -> list[Receipt]:
        """Gives a payload to waiting nodes, and says what came of it at each."""
        return await self.inbox.deliver(delivery)

    @workflow.update(name=UPDATE_CLAIM)
    def claim(self, claim: Claim) -> Claim:
        """Keeps, in the history, where what has a key goes."""
        return claim

    @claim.validator
    def _may_claim(self, claim: Claim) -> None:
        if not claim.places:
            raise refused("not_waiting", "nothing waits for it")

    @workflow.update(name=UPDATE_SETTLE)
    def keep_settled(self, settled: Settled) -> Settled:
        """Keeps, in the history, what came of what has a key."""
        return settled

    @keep_settled.validator
    def _may_settle(self, settled: Settled) -> None:
        if not settled.receipts:
            raise refused("not_settled", "nothing came of it")

    @workflow.update(name=UPDATE_ANSWER)
    async def answer(self, answer: Answer) -> AnswerResult:
        """Takes somebody's answer to an approval."""
        return await self.inbox.answer(answer)

    @answer.validator
    def _may_answer(self, answer: Answer) -> None:
        self.inbox.check_answer(answer)

    @deliver.validator
    def _may_deliver(self, delivery: Delivery) -> None:
        self.inbox.check(delivery)
