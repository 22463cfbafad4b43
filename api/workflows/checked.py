"""What validation said of the graphs that were read last, by their content.

A graph is validated at each read, for a secret may have come or gone since; with the same names of
secrets it has the same issues. What the graph calls is none of this: that changes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from pilot.graph.issues import Issue
from pilot.recent import Recent
from pilot.store import json_text

MAX_CHARS = 4_000_000
"""Of all that is kept, as JSON; Python's objects take several times as much."""
MAX_ENTRY_CHARS = MAX_CHARS // 16
ISSUE_CHARS = 200
"""Of an issue, beside its message."""

Key: TypeAlias = tuple[str, frozenset[str]]
"""A graph's content hash, and the names of its owner's secrets."""


@dataclass(frozen=True, slots=True)
class Checks:
    """The issues of a graph by itself, and the schemas of what it takes and gives."""

    issues: list[Issue]
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None

    def chars(self) -> int:
        schemas = json_text.dumps([self.input_schema, self.output_schema])
        return len(schemas) + sum(len(one.message) + ISSUE_CHARS for one in self.issues)


class Checked:
    """Who is given checks must not change them."""

    def __init__(self) -> None:
        self._kept = Recent[Key, Checks](MAX_CHARS, MAX_ENTRY_CHARS)
        self.get = self._kept.get

    def put(self, key: Key, checks: Checks) -> None:
        self._kept.put(key, checks, checks.chars() + sum(map(len, key[1])) + len(key[0]))
