"""Trimming: bounded, idempotent, small events untouched."""

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
        {"output": [math.nan, 2**70] * 5_000},
    ],
)
def test_large_events_are_bounded_and_say_so(data):
    trimmed = trim(event(data))
    assert trimmed.data["truncated"]
    assert len(dumps(trimmed.data)) < 4 * MAX_DATA_BYTES
    for key, size in trimmed.data["truncated"].items():
        assert size == len(dumps(data[key]))
        assert isinstance(trimmed.data[key], str)
    assert trim(trimmed).data["truncated"].keys() == trimmed.data["truncated"].keys()


def test_a_string_previews_as_itself_and_json_as_json():
    assert preview("a" * 2_000) == "a" * 1_000
    assert preview({"a": [1, 2]}) == '{"a":[1,2]}'
