"""In whose name the store is asked.

A request's token belongs to the request's task and to what it awaits: it is a context variable,
never a field of the store, which serves many requests at the same time. What a request leaves
behind it (a stream that goes on, a background task) was let in already and acts in nobody's name,
and so does what goes on longer than the token holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Acting:
    token: str = field(repr=False)
    expires_at: float
    is_over: bool = False


_acting: ContextVar[_Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(token: str | None, expires_at: float) -> Iterator[None]:
    """Within it, a store that can acts as the user of this token, until `expires_at` (Unix
    seconds). Without a token in nobody's name."""
    acting = None if token is None else _Acting(token, expires_at)
    before = _acting.set(acting)
    try:
        yield
    finally:
        if acting is not None:
            acting.is_over = True  # for tasks that copied the context
        _acting.reset(before)


def acting_token() -> str | None:
    """The token to act with; None: in nobody's name."""
    acting = _acting.get()
    if acting is None or acting.is_over or acting.expires_at <= time.time():
        return None
    return acting.token
