"""What the list of events keeps of large data."""

import json

import pytest

from pilot.events.preview import PREVIEW_CHARS
from pilot.store.preview import MAX_DATA_BYTES, event_data

LONG = "x" * 20_000


def kept(data):
    text = event_data(data)
    assert len(text.encode()) <= MAX_DATA_BYTES
    return json.loads(text)


def test_small_data_is_kept_whole():
    data = {"output": ["x" * 7_000], "meta": {"a": 1}}
    assert kept(data) == data


def test_a_large_output_becomes_a_preview():
    assert kept({"output": LONG, "meta": {"usage": {"total": 3}}}) == {
        "preview": LONG[:PREVIEW_CHARS],
        "meta": {"usage": {"total": 3}},
        "truncated": True,
    }
    assert kept({"output": {"a": [LONG]}})["preview"] == '{"a":["' + LONG[: PREVIEW_CHARS - 7]
    assert kept({"input": LONG})["preview"] == LONG[:PREVIEW_CHARS]


def test_a_small_output_beside_large_fields_stays():
    assert kept({"output": 1, "meta": {"logs": LONG, "status": 200}}) == {
        "output": 1,
        "meta": {"logs": LONG[:500], "status": 200},
        "truncated": True,
    }


def test_an_error_keeps_its_code_and_the_beginning_of_its_message():
    error = kept({"error": {"code": "node_failed", "message": LONG}})["error"]
    assert error == {"code": "node_failed", "message": LONG[:500]}


@pytest.mark.parametrize(
    "meta",
    [
        {"logs": [LONG] * 20},
        {f"key-{n}": "y" * 50 for n in range(5_000)},
        {"a": {"b": {"c": {"d": LONG}}}},
        {"x" * 20_000: 1},
        {"ü\0🚀" * 500: "ü\0🚀" * 5_000},
    ],
)
def test_meta_is_bounded_too(meta):
    assert kept({"output": LONG, "meta": meta})["truncated"] is True


def test_many_fields_are_bounded():
    data = kept({"output": 1, **{f"field-{n}": "y" * 400 for n in range(100)}})
    assert data["output"] == 1
    assert data["truncated"] is True


def test_data_that_is_no_json_is_refused():
    with pytest.raises(ValueError):
        event_data({"output": float("nan")})
