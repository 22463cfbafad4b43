"""Cron expressions of five fields, as crontab(5) has them, made into Temporal's calendars.

They are read here and not by Temporal, whose own reading differs where it hurts: where both the
day of the month and the day of the week are restricted, crontab runs when *either* matches,
Temporal when both do. So such an expression becomes two calendars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
MAX_CHARS = 200
_ITEM = re.compile(r"(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, both included, each `step`."""

    start: int
    end: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Calendar:
    """The times that match in every field. Days of the week count from Sunday, 0."""

    minute: tuple[Span, ...]
    hour: tuple[Span, ...]
    day: tuple[Span, ...]
    month: tuple[Span, ...]
    weekday: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    @property
    def whole(self) -> tuple[Span, ...]:
        return (Span(self.first, self.last),)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 7, tuple(_DAYS)),
)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def calendars(expression: str) -> tuple[Calendar, ...]:
    """The calendars whose times together are the expression's. Raises `ValueError`."""
    text = ALIASES.get(expression.strip().lower(), expression)
    parts = text.split()
    if len(text) > MAX_CHARS or len(parts) != len(_FIELDS):
        raise ValueError(
            f"{expression[:MAX_CHARS]!r} is no cron expression: it has five fields (minute, hour, "
            "day of the month, month, day of the week)"
        )
    minute, hour, day, month, weekday = (
        _spans(part.lower(), field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    weekday = _from_sunday(weekday)
    # crontab(5): a field that begins with * is not restricted, whatever its step
    either = not parts[2].startswith("*") and not parts[4].startswith("*")
    if not either:
        _require_day(expression, day, month)
        return (Calendar(minute, hour, day, month, weekday),)
    every_weekday, every_day = (Span(0, 6),), _FIELDS[2].whole
    return (
        Calendar(minute, hour, day, month, every_weekday),
        Calendar(minute, hour, every_day, month, weekday),
    )


def _spans(text: str, field: _Field) -> tuple[Span, ...]:
    return tuple(_span(item, field) for item in text.split(","))


def _span(item: str, field: _Field) -> Span:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"the {field.name} {item!r} is none: write 5, 1-5, */10 or 1,15")
    first, last, step_text = match.groups()
    step = 1 if step_text is None else int(step_text[:4])
    if first == "*":
        if last is not None:
            raise ValueError(f"the {field.name} {item!r} is no range")
        start, end = field.first, min(field.last, 6) if field.names == tuple(_DAYS) else field.last
    else:
        start = _number(first, field)
        # as cron has it, `5/10` is every tenth from 5 on
        end = _number(last, field) if last else (start if step_text is None else field.last)
    if not 1 <= step <= field.last:
        raise ValueError(f"the step of the {field.name} {item!r} is not 1 to {field.last}")
    if end < start:
        raise ValueError(f"the {field.name} {item!r} ends before it begins")
    return Span(start, end, step)


def _number(text: str, field: _Field) -> int:
    if text in field.names:
        return field.names.index(text) + field.first
    if not text.isdecimal() or not field.first <= int(text[:4]) <= field.last:
        names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise ValueError(
            f"the {field.name} {text[:20]!r} is not {field.first} to {field.last}{names}"
        )
    return int(text)


def _from_sunday(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Sunday is 0 and 7 to cron: 7 becomes 0."""
    days = {day % 7 for span in spans for day in range(span.start, span.end + 1, span.step)}
    if len(days) == len(_DAYS):
        return (Span(0, 6),)
    return tuple(Span(day, day) for day in sorted(days))


def _require_day(expression: str, day: tuple[Span, ...], month: tuple[Span, ...]) -> None:
    """Raises where the day is in none of the months: `30 2` would wait for ever."""
    longest = max(
        _LONGEST[number - 1]
        for span in month
        for number in range(span.start, span.end + 1, span.step)
    )
    if min(span.start for span in day) > longest:
        raise ValueError(f"{expression!r} never comes: no such day is in its months")
