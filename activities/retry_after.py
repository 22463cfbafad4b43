"""The header `Retry-After`: seconds, or a date of HTTP (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 3600.0


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds that a server asks to be left alone, at most an hour; None where it asks
    nothing that can be read."""
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        seconds = (at - (now or datetime.now(UTC))).total_seconds()
    if seconds != seconds:  # noqa: PLR0124 (NaN)
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
