"""What a column of text or of times can hold, the same in every store."""

from __future__ import annotations

from datetime import UTC, datetime

_UNSTORABLE = {0: "\ufffd", **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}


def plain(value: str) -> str:
    """Text that people wrote. PostgreSQL's text holds neither NUL nor a lone surrogate, so both
    become U+FFFD, on every database alike."""
    return value if value.isprintable() else value.translate(_UNSTORABLE)


def owner_id(value: str) -> str:
    """The id of a user. Never altered: two users must not become one. Raises `ValueError`."""
    if value.translate(_UNSTORABLE) != value:
        raise ValueError("a user's id holds a NUL character or a lone surrogate")
    return value


def utc(value: datetime) -> datetime:
    """An aware datetime in UTC. Raises `ValueError` for one without a time zone."""
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone")
    return value.astimezone(UTC)
