"""What a watcher may say on its WebSocket, checked strictly.

One JSON object a message, told apart by `type`; a field too many is refused as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pilot.events.model import Event, EventType

MAX_ID_CHARS = 200
Id = Annotated[str, Field(max_length=MAX_ID_CHARS)]

RATE_PER_S = 20.0
BURST = 200.0
BAD_MESSAGE_COST = 10.0
"""A message that is refused counts as so many."""


class BadMessageError(Exception):
    """Not a message that a watcher may send; `code` is what it is answered with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Auth(_Strict):
    """The first message, where the handshake had no token; later on, a newer token."""

    type: Literal["auth"]
    token: str


class Ping(_Strict):
    """Answered by `pong`, when all that was said before is in force."""

    type: Literal["ping"]


class _Selection(_Strict):
    execution_id: Id | None = None
    workflow_id: Id | None = None
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        named = [self.execution_id, self.workflow_id, self.all]
        if sum(one is not None for one in named) != 1:
            raise ValueError("name one of execution_id, workflow_id and all")
        return self


class Subscribe(_Selection):
    """One execution with its past, one workflow's executions, or all of the user's.

    `last_seq`: what the watcher has of the execution; without it a snapshot comes first.
    """

    type: Literal["subscribe"]
    last_seq: Annotated[int, Field(ge=0)] | None = None
    types: Annotated[list[EventType], Field(min_length=1)] | None = None
    tokens: bool = True

    @model_validator(mode="after")
    def _past_of_one(self) -> Self:
        if self.last_seq is not None and self.execution_id is None:
            raise ValueError("last_seq belongs to an execution_id")
        return self

    @property
    def filter(self) -> Filter:
        return Filter(None if self.types is None else frozenset(self.types), self.tokens)


class Unsubscribe(_Selection):
    type: Literal["unsubscribe"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a subscription lets through; `types` None stands for every type."""

    types: frozenset[EventType] | None = None
    tokens: bool = True

    def passes(self, event: Event) -> bool:
        if event.type is EventType.LLM_TOKEN and not self.tokens:
            return False
        # a snapshot is where a subscription begins (anew, behind a gap), no event of the run's
        begins = event.type in (EventType.SNAPSHOT, EventType.GAP)
        return self.types is None or begins or event.type in self.types


Said = Auth | Subscribe | Unsubscribe | Ping
_said: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="type")])


def parse(text: str | bytes) -> Said:
    """The message. Raises `BadMessageError`."""
    try:
        return _said.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"].startswith("union_tag"):
        raise BadMessageError(
            "unknown_message", "expected the type auth, subscribe, unsubscribe or ping"
        )
    where = ".".join(str(part) for part in first["loc"][1:])
    message = first["msg"].removeprefix("Value error, ")
    raise BadMessageError("invalid_message", f"{where}: {message}" if where else message)


class Allowance:
    """How much a watcher may still say: 20 messages a second, 200 at once."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = BURST
        self._at = time.monotonic()

    def spend(self, cost: float = 1.0) -> bool:
        """False where it said too much."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * RATE_PER_S) - cost
        self._at = now
        return self._left >= 0
