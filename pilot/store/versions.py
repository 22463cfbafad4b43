"""Versions of workflows that a process has read. They never change, so nothing invalidates them.

Measured (`benchmarks/caches.py`): an execution is read in 0.6 to 0.9 of the time with its version
from here, and in 1.2 to 2.8 times the time with it from Redis, which therefore holds none.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from pilot.store import WorkflowVersion, json_text

MAX_CHARS = 4_000_000
"""Of all kept graphs as JSON; read into Python's objects they take several times as much."""
MAX_GRAPH_CHARS = MAX_CHARS // 4

Key: TypeAlias = tuple[str, str, int]
"""Owner, workflow and version."""


class Versions:
    """Those that were used last. Who is given one must not change its graph."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[WorkflowVersion, int]] = OrderedDict()
        self._chars = 0

    def get(self, key: Key) -> WorkflowVersion | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: Key, version: WorkflowVersion) -> None:
        size = len(json_text.dumps(version.graph))
        if size > MAX_GRAPH_CHARS or key in self._kept:
            return
        self._kept[key] = (version, size)
        self._chars += size
        while self._chars > MAX_CHARS:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._chars -= dropped
