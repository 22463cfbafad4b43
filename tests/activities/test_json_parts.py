"""JSON rewritten by the part is what the parser and the writer of the whole make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities import json_parts
from activities.json_parts import IrregularError, rewritten
from activities.payload import MAX_DEPTH

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["x" * 200, 10**90, "\ud83d\ude00" * 40, '"\\' * 50])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=60), inner, max_size=8)
    ),
    max_leaves=60,
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_parts, "WINDOW", 100)
    monkeypatch.setattr(json_parts, "PART", 20)


def pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(0, len(text), size))


def rewrite(text: str, size: int = 7) -> str:
    return b"".join(rewritten(pieces(text, size), lambda part: part)).decode()


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 120))
def test_the_whole_is_the_same(value: Any, indent: int | None, escapes: bool, size: int) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escapes)
    try:
        expected = written(json.loads(text))
        expected.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        with pytest.raises(IrregularError):
            rewrite(text, size)
    else:
        assert rewrite(text, size) == expected


def test_what_is_in_memory_is_a_part() -> None:
    parts: list[Any] = []

    def seen(part: Any) -> Any:
        parts.append(part)
        return part

    value = {"a": {"b": [[number, "x" * 10] for number in range(500)]}, "c": 1}
    assert b"".join(rewritten(pieces(written(value), 30), seen)).decode() == written(value)
    assert max(len(written(part)) for part in parts) < 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "nul",
        "[1] 2",
        "[1,]",
        "[1 2]",
        "[01]",
        "[1,,2]",
        '{"a":1,}',
        '{"a" 1}',
        '{"a":1 "b":2}',
        "{1:2}",
        '["a\nb"]',
        "[NaN]",
        "[1e999]",
        '["\\ud800"]',
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 5_000,
    ],
)
@pytest.mark.parametrize("length", [0, 300])
def test_what_is_odd_is_not_rewritten(text: str, length: int) -> None:
    """Whether it is within a window or not."""
    before = text[: len(text) - len(text.lstrip("[{"))][:1]
    rest = text[len(before) :]
    if length and before:
        filling = ", ".join(f'"{number}": 1' if before == "{" else "1" for number in range(length))
        text = f"{before}{filling}, {rest}"
    with pytest.raises(IrregularError):
        rewrite(text)


def test_a_name_that_stands_twice_is_seen_across_parts() -> None:
    long = {f"name {number}": number for number in range(50)}
    assert rewrite(written(long)) == written(long)
    for again in ('"name 3": 0', '"name 3": [' + "1, " * 100 + "1]"):
        with pytest.raises(IrregularError):
            rewrite(f"{written(long)[:-1]}, {again}}}")


def test_it_nests_as_deep_as_a_result_may() -> None:
    """The result around it is one level more."""
    most = MAX_DEPTH - 1
    inner = ", ".join(["1"] * 200)
    for deep, is_fine in ((most, True), (most + 1, False)):
        text = "[" * deep + inner + "]" * deep
        if is_fine:
            assert rewrite(text) == text.replace(" ", "")
        else:
            with pytest.raises(IrregularError):
                rewrite(text)
