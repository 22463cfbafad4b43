"""Trimming: bounded, small events untouched, what matters kept."""

import math

import pytest

from pilot.events.model import Event, EventType
from pilot.events.preview import MAX_DATA_BYTES, preview, trim
from pilot.events.wire import dumps


def event(data: dict) -> Event:
    return Event(EventType.NODE_SUCCEEDED, "e", "w", "t", 1, "n", data=data)


def test_small_events_are_the_same_object():
    small = event({"output": "x" * 10_000})
    assert trim(small) is small


@pytest.mark.parametrize(
    "data",
    [
        {"output": "x" * 100_000},
        {"output": {"deep": ["é" * 50_000]}, "meta": {"usage": {}}},
        {"output": "😀" * 20_000, "error": {"message": "y" * 20_000}},
        {f"k{n}": "z" * 3_000 for n in range(40)},
        {"output": [2**70] * 5_000},
        {"output": "\ud800" * 20_000},
        {"output": "\x01" * 20_000},
        {"input": "\x01" * 20_000, "meta": {"\x01" * 9_000: 1}},
        {"output": [math.nan, 2**70] * 5_000},
        {"meta": {"a": {"b": {"c": {"d": ["x" * 100_000]}}}}},
    ],
)
def test_large_events_are_bounded_and_say_so(data):
    trimmed = trim(event(data))
    assert trimmed.data["truncated"] is True
    assert ("preview" in trimmed.data) == ("output" in data or "input" in data)
    assert len(dumps(trimmed.data)) <= MAX_DATA_BYTES
    assert trim(trimmed) is trimmed


def test_the_small_parts_beside_a_large_one_are_kept():
    usage = {"prompt_tokens": 3}
    trimmed = trim(
        event(
            {
                "output": "a" * 50_000,
                "meta": {"usage": usage, "logs": "l" * 50_000},
                "error": {"code": "x", "message": "m" * 50_000},
            }
        )
    )
    assert trimmed.data["preview"] == "a" * 2_000
    assert trimmed.data["meta"]["usage"] == usage
    assert trimmed.data["error"]["code"] == "x"
    assert trimmed.data["error"]["message"].startswith("mmm")


def test_a_string_previews_as_itself_and_json_as_json():
    assert preview("a" * 3_000) == "a" * 2_000
    assert preview({"a": [1, 2]}) == '{"a":[1,2]}'
