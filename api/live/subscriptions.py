"""What one WebSocket is subscribed to: executions with their past, workflows, or all.

A connection begins with all of its user's executions. The narrowest subscription decides:
one of the execution, else one of its workflow, else the one of all. While it asks for nothing else
it is sent what all such connections of its user are (`api.live.shared`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import ExitStack

from api import access
from api.caller import Caller
from api.executions.service import current
from api.live.delivery import Delivery, Message
from api.live.messages import Filter, Subscribe, Unsubscribe
from api.live.outbox import Inbox, Outbox
from api.live.watch import OfOne, Watch
from api.parts import Parts
from api.problems import Problem, from_error
from pilot.errors import PilotError
from pilot.roles import Role

log = logging.getLogger(__name__)

HOLD_S = 0.1
MAX_WATCHES = 200
MAX_WORKFLOWS = 200
EVERYTHING = Filter()


class Filtered:
    """An inbox behind a subscription's filter."""

    def __init__(self, inbox: Inbox, passing: Filter) -> None:
        self._inbox = inbox
        self._passing = passing

    def put(self, delivery: Delivery) -> None:
        if self._passing.passes(delivery.event):
            self._inbox.put(delivery)

    async def put_patiently(self, delivery: Delivery) -> None:
        if self._passing.passes(delivery.event):
            await self._inbox.put_patiently(delivery)


class Subscriptions:
    """`deliver` is what the feed calls, `take` what the user's shared stream does; `close` when
    the connection ends."""

    def __init__(
        self,
        parts: Parts,
        caller: Caller,
        outbox: Outbox,
        take: Callable[[list[Message]], None],
    ) -> None:
        self._parts = parts
        self._caller = caller
        self._outbox = outbox
        self._all: Filter | None = EVERYTHING
        self._workflows: dict[str, Filter] = {}
        self._watches: dict[str, Watch] = {}
        self._replays: dict[str, asyncio.Task[None]] = {}
        self._elsewhere: dict[str, ExitStack] = {}
        self.take = take
        self._shared = parts.shared.of(caller.owner)
        self._is_shared = False
        # The first live events wait a moment for the subscription that clients send when they
        # connect: without it, some of its events would come before their past.
        self._held: list[Delivery] | None = []
        self._holding = asyncio.get_running_loop().call_later(HOLD_S, self._let_go)

    def close(self) -> None:
        self._shared.leave(self)
        self._holding.cancel()
        for replay in self._replays.values():
            replay.cancel()
        for listening in self._elsewhere.values():
            listening.close()

    def joined(self) -> None:
        self._is_shared = True

    def deliver(self, delivery: Delivery) -> None:
        if self._is_shared:
            return
        event = delivery.event
        watch = self._watches.get(event.execution_id)
        if watch is not None:
            watch.deliver(delivery)
        elif self._held is not None:
            self._held.append(delivery)
        else:
            passing = self._workflows.get(event.workflow_id, self._all)
            if passing is not None and passing.passes(event):
                self._outbox.put(delivery)

    def add(self, wanted: Subscribe) -> None:
        """Subscribes; what was subscribed under the same name before is replaced."""
        self._leave()
        if wanted.execution_id is not None:
            self._watch(wanted.execution_id, wanted.last_seq, wanted.filter)
        elif wanted.workflow_id is None:
            self._all = wanted.filter
        elif len(self._workflows) < MAX_WORKFLOWS or wanted.workflow_id in self._workflows:
            self._workflows[wanted.workflow_id] = wanted.filter
        else:
            self._refuse("too_many_subscriptions", f"at most {MAX_WORKFLOWS} workflows")
        self._join_if_plain()

    def remove(self, unwanted: Unsubscribe) -> None:
        self._leave()
        if unwanted.execution_id is not None:
            self._drop(unwanted.execution_id)
        elif unwanted.workflow_id is not None:
            self._workflows.pop(unwanted.workflow_id, None)
        else:
            self._all = None
        self._join_if_plain()

    def _leave(self) -> None:
        self._is_shared = False
        self._shared.leave(self)

    def _join_if_plain(self) -> None:
        is_narrowed = self._workflows or self._watches or self._held is not None
        if self._all == EVERYTHING and not is_narrowed:
            self._shared.join(self)

    def _watch(self, execution_id: str, last_seq: int | None, passing: Filter) -> None:
        if len(self._watches) >= MAX_WATCHES and execution_id not in self._watches:
            self._refuse("too_many_subscriptions", f"at most {MAX_WATCHES}", execution_id)
            return
        self._drop(execution_id)
        self._outbox.drop(execution_id)
        # from here on the execution's live events wait for its past
        parts, inbox = self._parts, Filtered(self._outbox, passing)
        watch = Watch(parts.feed, parts.history, inbox, self._caller.owner, execution_id)
        self._watches[execution_id] = watch
        held, self._held = self._held, None if self._held is None else []
        for delivery in held or ():
            self.deliver(delivery)
        replay = asyncio.create_task(self._replay(watch, last_seq))
        self._replays[execution_id] = replay
        replay.add_done_callback(lambda task: self._forget_replay(execution_id, task))

    async def _replay(self, watch: Watch, last_seq: int | None) -> None:
        parts, execution_id = self._parts, watch.execution_id
        try:
            owner = await access.to_execution(parts, self._caller, execution_id, Role.VIEWER)
            if owner != watch.owner:
                self._listen_elsewhere(watch, owner)
            execution = await current(parts, owner, execution_id)
            if last_seq is not None:
                await parts.history.require_kept(execution, last_seq)
            await watch.begin(last_seq, execution)
        except (PilotError, Problem) as error:
            self._drop(execution_id)
            problem = from_error(error)
            self._refuse(problem.code, str(problem.detail), execution_id)

    def _drop(self, execution_id: str) -> None:
        self._watches.pop(execution_id, None)
        listening = self._elsewhere.pop(execution_id, None)
        if listening is not None:
            listening.close()
        replay = self._replays.pop(execution_id, None)
        if replay is not None and replay is not asyncio.current_task():
            replay.cancel()

    def _listen_elsewhere(self, watch: Watch, owner: str) -> None:
        """The execution is somebody else's, who shares it: its events are not among the
        caller's."""
        watch.owner = owner
        listening = self._elsewhere[watch.execution_id] = ExitStack()
        listening.enter_context(self._parts.feed.listening(owner, OfOne(watch)))

    def _forget_replay(self, execution_id: str, task: asyncio.Task[None]) -> None:
        if self._replays.get(execution_id) is task:
            del self._replays[execution_id]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a replay failed", exc_info=error)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        for delivery in held or ():
            self.deliver(delivery)
        self._join_if_plain()

    def _refuse(self, code: str, message: str, execution_id: str | None = None) -> None:
        self._outbox.say(error_text(code, message, execution_id))


def error_text(code: str, message: str, execution_id: str | None = None) -> str:
    body = {"type": "error", "code": code, "message": message}
    if execution_id is not None:
        body["execution_id"] = execution_id
    return json.dumps(body)
