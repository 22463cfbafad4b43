"""How many calls of a model, or of a provider's models, an installation makes at once and a minute
(`PILOT_MODEL_LIMITS`), over all its workers.

A limit is a pattern of names and holds for all calls of these names together; a call is held to
every limit whose pattern fits. LiteLLM's router knows the same two as `max_parallel_requests` and
`rpm`, but counts the first in each process by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

MAX_LIMIT = 1_000_000
_VALUE = re.compile(r"(\d{1,7})?(?:/(\d{1,7}))?")


@dataclass(frozen=True, slots=True)
class ModelLimit:
    """`pattern` has the wildcards `*` and `?`. None: any number."""

    pattern: str
    in_flight: int | None = None
    per_minute: int | None = None

    @property
    def burst(self) -> int:
        """How many calls may follow each other at once after a silence."""
        return max(1, (self.per_minute or 0) // 20)

    @property
    def interval_s(self) -> float:
        """Between further ones; such that no 60 seconds have more calls than `per_minute`."""
        return 60 / ((self.per_minute or 0) - self.burst + 1)

    def __str__(self) -> str:
        said = []
        if self.in_flight is not None:
            said.append(f"{self.in_flight:,} at once")
        if self.per_minute is not None:
            said.append(f"{self.per_minute:,} a minute")
        return f"{self.pattern} allows {' and '.join(said)}"


def model_limits(text: str) -> list[ModelLimit]:
    """Those of `openai/*=50/3000, openrouter/*=20, *=/6000`: a pattern, calls at once, and calls a
    minute, either of which may be left out. Raises `ValueError`."""
    found: dict[str, ModelLimit] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        pattern, _, value = (side.strip() for side in part.rpartition("="))
        match = _VALUE.fullmatch(value)
        numbers = [] if match is None else [int(one) for one in match.groups() if one is not None]
        if (
            not pattern
            or match is None
            or not numbers
            or not all(1 <= n <= MAX_LIMIT for n in numbers)
        ):
            raise ValueError(
                f"{part!r} is not <pattern>=<at once>, <pattern>=/<a minute> or "
                f"<pattern>=<at once>/<a minute>, with numbers from 1 to {MAX_LIMIT:,}"
            )
        if pattern in found:
            raise ValueError(f"{pattern!r} is given two limits")
        at_once, a_minute = (None if one is None else int(one) for one in match.groups())
        found[pattern] = ModelLimit(pattern, at_once, a_minute)
    return list(found.values())


def limits_of(name: str, among: Sequence[ModelLimit]) -> tuple[ModelLimit, ...]:
    """Those that a call of the model is held to."""
    return tuple(limit for limit in among if fnmatchcase(name.lower(), limit.pattern.lower()))
