"""Durations and points in time as people write them, in seconds and in UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

MAX_SECONDS = 10 * 365 * 86_400
"""Ten years: longer is a mistake in the unit."""

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def seconds(value: object) -> float:
    """A duration: a number of seconds, also as text, or ISO 8601 (`PT1H30M`, `P3D`; a month has
    30 days, a year 365). Raises `ValueError`."""
    if isinstance(value, str):
        value = _number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.100} is no duration: write seconds, or such as PT1H30M or P3D")
    if not math.isfinite(value) or value < 0:
        raise ValueError("a duration is not negative")
    if value > MAX_SECONDS:
        raise ValueError("a duration has at most ten years")
    return float(value)


def _number(text: str) -> float | str:
    """The seconds; the text itself where it is no duration."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _DURATION.validate_python(text).total_seconds()
    except ValidationError:
        return text


def zone(name: str) -> ZoneInfo:
    """An IANA time zone, such as `Europe/Berlin`. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name[:100]!r} is no time zone: write one such as Europe/Berlin"
        ) from None


def moment(value: object, timezone: str | None) -> datetime:
    """A time in UTC: RFC 3339 with its own offset, or local time where a zone is named.

    Of the two meanings that a local time has when clocks are set back, the first; one that is
    left out when they are set forward is as much later as they were. Raises `ValueError`.
    """
    example = "2027-01-31T09:00:00+01:00"
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.100} is no time: write one such as {example}")
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{value[:100]!r} is no time: write one such as {example}") from None
    if at.tzinfo is None:
        if timezone is None:
            raise ValueError(
                f"{value[:100]!r} has no offset: write it as {example}, or name a timezone"
            )
        at = at.replace(tzinfo=zone(timezone))
    try:
        return at.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError(f"{value[:100]!r} is no time of this calendar") from None
