"""What models have said so far, for watchers who come while they speak.

A piece of a text, the event `llm.token`, has no `seq`; but it says where in the text of its
attempt it stands (`offset`), and whether the node's text begins anew with it (`anew`). So the
pieces that a bus keeps can be put together to the text so far, and whoever is given that knows
which of the pieces that come live are in it already.

Kept is what is under way: a node's end and a failed attempt let its text go.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pilot.events.model import FINAL_EVENT_TYPES, Envelope, Event, EventType, rfc3339
from pilot.events.wire import dumps

MAX_TEXT_CHARS = 64 * 1024
"""Of one node; over it the beginning is given up."""
MAX_TOTAL_CHARS = 16 * 1024 * 1024
"""In one process; over it the texts of the runs that were silent the longest are given up."""
NODE_CHARS = 200
"""What a node's entry takes beside its text, roughly."""

NODE_ENDS = frozenset(
    {
        EventType.NODE_SUCCEEDED,
        EventType.NODE_FAILED,
        EventType.NODE_SKIPPED,
        EventType.NODE_CANCELLED,
    }
)
SILENCING = NODE_ENDS | {EventType.NODE_RETRYING}
"""After these, what the node's model had said counts no longer."""

NodeKey = tuple[str, str]
"""A node's id and its path."""


class Place(NamedTuple):
    """Where in a node's text, in the order in which it is told. `offset` counts the characters
    (code points) of the attempt."""

    round: int
    attempt: int
    offset: int


def node_key(event: Event) -> NodeKey:
    return event.node_id or "", event.path


def place(event: Event) -> Place | None:
    """Where a token's text begins; None where it does not say so."""
    offset = event.data.get("offset")
    if event.type is not EventType.LLM_TOKEN or not isinstance(offset, int):
        return None
    return Place(event.data.get("round", 0), event.attempt or 1, offset)


def telling(event: Event) -> Event | None:
    """What of an event changes the texts so far; None where it changes none."""
    if event.type in SILENCING:
        return replace(event, data={})
    return event if place(event) is not None else None


class Placing:
    """Gives the pieces of one attempt their places."""

    def __init__(self) -> None:
        self._end = 0

    def placed(self, data: dict[str, Any], *, round: int, attempt: int) -> dict[str, Any]:
        """The data of `llm.token`. What follows tool calls goes on with the node's text, unless
        it is told again: then the rounds before are left out."""
        placed = {**data, "offset": self._end}
        if round:
            placed["round"] = round
        if self._end == 0 and (round == 0 or attempt > 1):
            placed["anew"] = True
        self._end += len(data["text"])
        return placed


class Piece(NamedTuple):
    """A token as it is kept."""

    at: Place
    anew: bool
    text: str

    @classmethod
    def of(cls, event: Event) -> Piece | None:
        at, text = place(event), event.data.get("text")
        if at is None or not isinstance(text, str):
            return None
        return cls(at, event.data.get("anew") is True, text)

    def encode(self) -> bytes:
        return dumps([*self.at, self.anew, self.text])

    @classmethod
    def decode(cls, line: bytes) -> Piece:
        round, attempt, offset, anew, text = json.loads(line)
        return cls(Place(round, attempt, offset), anew, text)


@dataclass(frozen=True, slots=True)
class SoFar:
    """A node's text up to `end`. `truncated`: its beginning is missing."""

    key: NodeKey
    text: str
    end: Place
    truncated: bool

    def event(self, execution_id: str, workflow_id: str) -> Event:
        """As a token that takes the place of all that its watcher had of the text."""
        data: dict[str, Any] = {"text": self.text, "anew": True}
        if self.truncated:
            data["truncated"] = True
        node_id, path = self.key
        return Event(
            EventType.LLM_TOKEN,
            execution_id,
            workflow_id,
            rfc3339(datetime.now(UTC)),
            node_id=node_id,
            path=path,
            attempt=self.end.attempt,
            data=data,
        )


class Text:
    """A node's text, put together from its pieces in the order of their arrival."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[str] = deque()
        self._end = Place(0, 0, 0)
        self._truncated = False

    def add(self, piece: Piece) -> None:
        at = piece.at
        if at[:2] < self._end[:2]:
            return  # an attempt that was given up speaks on
        follows_on = at == self._end if at[:2] == self._end[:2] else at.offset == 0
        if piece.anew or not follows_on:
            self._pieces.clear()
            self.size = 0
            self._truncated = not piece.anew
        self._pieces.append(piece.text)
        self.size += len(piece.text)
        self._end = at._replace(offset=at.offset + len(piece.text))
        while self.size > MAX_TEXT_CHARS and len(self._pieces) > 1:
            self.size -= len(self._pieces.popleft())
            self._truncated = True

    def so_far(self, key: NodeKey) -> SoFar:
        return SoFar(key, "".join(self._pieces), self._end, self._truncated)


class LiveTexts:
    """The texts of all that is under way, of the events that pass through one process."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], dict[NodeKey, Text]] = OrderedDict()
        self._size = 0

    def take(self, envelopes: Iterable[Envelope]) -> None:
        for envelope in envelopes:
            event = envelope.event
            self._take((envelope.user_id, event.execution_id), event)

    def of(self, user_id: str, execution_id: str) -> list[SoFar]:
        nodes = self._runs.get((user_id, execution_id), {})
        return [text.so_far(key) for key, text in nodes.items()]

    def _take(self, run: tuple[str, str], event: Event) -> None:
        piece = Piece.of(event)
        if piece is not None:
            nodes = self._runs.setdefault(run, {})
            self._runs.move_to_end(run)
            text = nodes.get(node_key(event))
            if text is None:
                text = nodes[node_key(event)] = Text()
                self._size += NODE_CHARS
            before = text.size
            text.add(piece)
            self._size += text.size - before
            while self._size > MAX_TOTAL_CHARS and len(self._runs) > 1:
                self._let_go(next(iter(self._runs)))
        elif run not in self._runs:
            return
        elif event.type in FINAL_EVENT_TYPES:
            self._let_go(run)
        elif event.type in SILENCING:
            text = self._runs[run].pop(node_key(event), None)
            if text is not None:
                self._size -= text.size + NODE_CHARS

    def _let_go(self, run: tuple[str, str]) -> None:
        for text in self._runs.pop(run).values():
            self._size -= text.size + NODE_CHARS
