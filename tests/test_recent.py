"""What was used last is kept, up to a bound."""

from __future__ import annotations

from pilot.recent import Recent


def kept_of(kept: Recent[str, str], names: str) -> str:
    return "".join(name for name in names if kept.get(name) is not None)


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept = Recent[str, str](most=10, most_each=5)
    for name in "ab":
        kept.put(name, name.upper(), 5)
    assert kept.get("a") == "A"
    kept.put("c", "C", 5)
    assert kept_of(kept, "abc") == "ac"
    kept.put("d", "D", 10)
    assert kept_of(kept, "abcd") == "ac"


def test_what_is_put_twice_counts_once_and_what_is_forgotten_makes_room() -> None:
    kept = Recent[str, str](most=10, most_each=10)
    for _ in range(5):
        kept.put("a", "first", 4)
        kept.put("a", "second", 4)
    kept.put("b", "B", 6)
    assert (kept.get("a"), kept.get("b")) == ("first", "B")
    kept.forget("a")
    kept.forget("a")
    kept.put("c", "C", 4)
    assert kept_of(kept, "abc") == "bc"
