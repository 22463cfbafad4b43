"""YAML from strangers."""

from __future__ import annotations

import time

import pytest

from pilot.convert.document import YamlError
from pilot.convert.yaml_text import MAX_DEPTH, load_yaml


def test_values_are_plain_json() -> None:
    text = "a: 1\nb: [true, null, 1.5, text]\nc: 2026-01-02\n1: one\nd: &x {y: 1}\ne: *x\n"
    assert load_yaml(text) == {
        "a": 1,
        "b": [True, None, 1.5, "text"],
        "c": "2026-01-02",
        "1": "one",
        "d": {"y": 1},
        "e": {"y": 1},
    }


def laughs(levels: int, merge: bool = False) -> str:
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 10)
        inner = f"{{<<: [{aliases}]}}" if merge else f"[{aliases}]"
        lines.append(f"a{level}: &a{level} {inner}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (laughs(10), "more than 100,000 values"),
        (laughs(10, merge=True), "more than 100,000 values"),
        ("a: &a [*a]", "before its value's end"),
        ("[" * 50_000, "nested deeper|not YAML"),
        ("{a: " * 50_000, "nested deeper|not YAML"),
        ("- " * (MAX_DEPTH + 5) + "x", "nested deeper"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("a: !!binary aGk=", "bytes is no JSON"),
        ("a: {b", "not YAML.*line 2, column 1"),
        ("a: 1\n---\nb: 2", "several"),
        ("a: *b", "before its value's end|not YAML"),
        ("[1, 2]: x", "not YAML"),
        ("x: " + "9" * 5000, "not YAML"),
    ],
)
def test_what_is_not_plain_or_too_much_is_refused_at_once(text: str, said: str) -> None:
    began = time.monotonic()
    with pytest.raises(YamlError, match=said):
        load_yaml(text)
    assert time.monotonic() - began < 20
