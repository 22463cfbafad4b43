"""The wait node's configuration, durations and times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.graph import moments
from pilot.nodes.wait import WaitConfig, handles
from tests.graph.graphs import codes, node


def wait_codes(*edges: str, **config: Any) -> set[str]:
    nodes = [node("s", "start"), node("w", "wait", config=config), node("o", "output")]
    return codes(nodes, "s>w", "w>o", *edges)


@pytest.mark.parametrize(
    "config",
    [
        {"duration": 5},
        {"duration": "PT1H"},
        {"duration": "{input.s}"},
        {"until": "2030-01-01T00:00:00Z"},
        {"until": "2030-01-01T00:00", "timezone": "Asia/Tokyo"},
        {"until": "{input}"},
        {"signal": "paid", "condition": "payload.x > nodes.s.output.x", "count": 3},
        {"webhook": True, "payload_schema": {"type": "object"}, "done_when": "payload.last"},
    ],
)
def test_configurations_that_are_right(config: dict[str, Any]) -> None:
    assert wait_codes(**config) == set()


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, "invalid_wait"),
        ({"duration": 5, "signal": "x"}, "invalid_wait"),
        ({"duration": 5, "timeout": 5}, "invalid_wait"),
        ({"duration": 5, "count": 2}, "invalid_wait"),
        ({"duration": 5, "timezone": "Europe/Berlin"}, "invalid_wait"),
        ({"duration": "soon"}, "invalid_duration"),
        ({"duration": -1}, "invalid_duration"),
        ({"duration": "P11Y"}, "invalid_duration"),
        ({"until": "2030-01-01T00:00"}, "invalid_time"),
        ({"until": "tomorrow"}, "invalid_time"),
        ({"until": "2030-01-01T00:00", "timezone": "Mars/Base"}, "invalid_time"),
        ({"signal": "a b"}, "invalid_signal_name"),
        ({"webhook": True, "count": 0}, "invalid_config"),
        ({"webhook": True, "payload_schema": {"type": "nothing"}}, "invalid_schema"),
        ({"signal": "x", "condition": "'text'"}, "expression_not_bool"),
        ({"signal": "x", "timeout": "{payload.x}"}, "unknown_name"),
        ({"duration": "{hooks.w}"}, "hook_not_allowed"),
    ],
)
def test_configurations_that_are_not(config: dict[str, Any], code: str) -> None:
    assert code in wait_codes(**config)


def test_a_hook_is_of_a_node_that_waits_for_one() -> None:
    def found(template: str) -> set[str]:
        nodes = [node("s", "start"), node("h", "http", config={"url": template}),
                 node("w", "wait", config={"webhook": True}),
                 node("x", "wait", config={"signal": "x"}), node("o", "output")]  # fmt: skip
        return codes(nodes, "s>h", "h>w", "w>x", "x>o")

    assert found("https://x.test/?at={hooks.w}") == set()
    assert found("https://x.test/?at={hooks.x}") == {"unknown_hook"}
    assert found("https://x.test/?at={hooks.nothing}") == {"unknown_hook"}
    assert found("https://x.test/?at={hooks[input.x]}") == {"dynamic_reference"}


def test_only_a_time_out_by_branch_has_a_handle() -> None:
    def of(**config: Any) -> tuple[str, ...]:
        return handles(WaitConfig.model_validate(config))

    assert of(signal="x") == ("default",)
    assert of(signal="x", timeout=5) == ("default", "timeout")
    assert of(signal="x", timeout=5, on_timeout="fail") == ("default",)
    assert "missing_branch" in wait_codes(signal="x", timeout=5)


def test_what_comes_after_a_plain_wait_may_refer_to_what_came_before() -> None:
    """A wait without a time-out leaves by one handle, so all below it is as sure as it is."""
    nodes = [node("s", "start"), node("w", "wait", config={"duration": 1}), node("v"),
             node("o", "output", config={"value": "{nodes.w.output}"})]  # fmt: skip
    assert codes(nodes, "s>w", "s>v", "w>o", "v>o") == set()


@given(st.floats(0, moments.MAX_SECONDS))
def test_seconds_are_read_however_they_are_written(value: float) -> None:
    assert moments.seconds(value) == moments.seconds(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT1H30M", 5400), ("P3D", 259_200), ("P1W", 604_800), ("P1M", 2_592_000), (" 1.5 ", 1.5)],
)
def test_durations(text: str, expected: float) -> None:
    assert moments.seconds(text) == expected


@pytest.mark.parametrize("value", [True, None, [], "", "x", "-PT5S", float("nan"), float("inf")])
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        moments.seconds(value)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2027-01-31T09:00:00+01:00", None, datetime(2027, 1, 31, 8, tzinfo=UTC)),
        ("2027-07-01T09:00", "Europe/Berlin", datetime(2027, 7, 1, 7, tzinfo=UTC)),
        # clocks go back at 3:00: 2:30 comes twice
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        # and forward at 2:00: there is no 2:30
        ("2026-03-29T02:30", "Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2027-01-31", "UTC", datetime(2027, 1, 31, tzinfo=UTC)),
    ],
)
def test_times(text: str, zone: str | None, expected: datetime) -> None:
    assert moments.moment(text, zone) == expected


@pytest.mark.parametrize("value", ["2027-01-31T09:00", "0001-01-01T00:00+14:00", 5, "x"])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(ValueError):
        moments.moment(value, None)
