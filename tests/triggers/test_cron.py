"""Cron expressions, against the times that they stand for."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.triggers.cron import ALIASES, Calendar, Span, calendars


def has(spans: tuple[Span, ...], value: int) -> bool:
    return any(value in range(span.start, span.end + 1, span.step) for span in spans)


def matches(one: Calendar, at: datetime) -> bool:
    """As Temporal does: each field must match."""
    return (
        has(one.minute, at.minute)
        and has(one.hour, at.hour)
        and has(one.day, at.day)
        and has(one.month, at.month)
        and has(one.weekday, at.isoweekday() % 7)
    )


def runs(expression: str, at: datetime) -> bool:
    return any(matches(one, at) for one in calendars(expression))


def days(expression: str, year: int = 2026) -> list[str]:
    first = datetime(year, 1, 1)
    length = 366 if calendar.isleap(year) else 365
    all_days = (first + timedelta(days=number) for number in range(length))
    return [f"{day:%m-%d}" for day in all_days if runs(expression, day)]


@pytest.mark.parametrize(
    ("expression", "yes", "no"),
    [
        ("30 8 * * *", "2026-03-02T08:30", "2026-03-02T08:31"),
        ("*/15 9-17 * * mon-fri", "2026-03-02T17:45", "2026-03-01T09:00"),
        ("5/20 * * * *", "2026-03-02T00:45", "2026-03-02T00:04"),
        ("0 0 1 JAN,Jul *", "2026-07-01T00:00", "2026-06-01T00:00"),
        ("0 12 * * 7", "2026-03-01T12:00", "2026-03-02T12:00"),
        ("0 12 * * 0", "2026-03-01T12:00", "2026-03-07T12:00"),
        ("0 12 * * 5-7", "2026-03-01T12:00", "2026-03-05T12:00"),
        ("0 12 * * */2", "2026-03-03T12:00", "2026-03-02T12:00"),
        ("59 23 31 12 *", "2026-12-31T23:59", "2026-12-30T23:59"),
        (" 0  0 * *  * ", "2026-12-31T00:00", "2026-12-31T00:01"),
        ("@Weekly", "2026-03-01T00:00", "2026-03-02T00:00"),
    ],
)
def test_a_time_is_the_expressions_or_not(expression: str, yes: str, no: str) -> None:
    assert runs(expression, datetime.fromisoformat(yes))
    assert not runs(expression, datetime.fromisoformat(no))


def test_either_day_will_do_where_both_are_restricted() -> None:
    found = days("0 0 13 * fri")
    assert "02-13" in found and "03-13" in found  # both
    assert "01-13" in found  # a Tuesday
    assert "01-02" in found  # a Friday
    assert len(found) == 52 + 12 - 3
    # a field with a star restricts nothing, whatever its step
    assert len(days("0 0 */2 * fri")) < 30


def test_a_day_of_leap_years() -> None:
    assert days("0 0 29 2 *") == []
    assert days("0 0 29 2 *", 2028) == ["02-29"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "*",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 13 *",
        "* * * 0 *",
        "* * * * 8",
        "* * * * foo",
        "* * * mon *",
        "5-1 * * * *",
        "*/0 * * * *",
        "*/60 * * * *",
        "1,,2 * * * *",
        "1- * * * *",
        "*-5 * * * *",
        "-1 * * * *",
        "1.5 * * * *",
        "\u0661 * * * *",
        "9" * 5000 + " * * * *",
        "* * L * *",
        "* * ? * *",
        "* * * * 5#2",
        "0 0 31 2,4,6 *",
        "@reboot",
        "CRON_TZ=UTC * * * * *",
        "* * * * *\n* * * * *",
    ],
)
def test_what_is_none_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        calendars(expression)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    try:
        calendars(text)
    except ValueError as error:
        assert str(error)


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.integers(1, 12),
    st.integers(0, 7),
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)),
)
def test_numbers_mean_themselves(
    minute: int, hour: int, month: int, weekday: int, at: datetime
) -> None:
    expected = (at.minute, at.hour, at.month, at.isoweekday()) == (
        minute,
        hour,
        month,
        weekday or 7,
    )
    assert runs(f"{minute} {hour} * {month} {weekday}", at) is expected


def test_aliases_are_expressions() -> None:
    for alias, expression in ALIASES.items():
        assert calendars(alias) == calendars(expression)
