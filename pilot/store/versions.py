"""Versions of workflows that a process has read. They never change, so nothing invalidates them.

Measured (`benchmarks/caches.py`): an execution is read in 0.6 to 0.9 of the time with its version
from here, and in 1.2 to 2.8 times the time with it from Redis, which therefore holds none.
"""

from __future__ import annotations

from typing import TypeAlias

from pilot.recent import Recent
from pilot.store import WorkflowVersion, json_text

MAX_CHARS = 4_000_000
"""Of all kept graphs as JSON; read into Python's objects they take several times as much."""
MAX_GRAPH_CHARS = MAX_CHARS // 4

Key: TypeAlias = tuple[str, str, int]
"""Owner, workflow and version."""


class Versions:
    """Those that were used last. Who is given one must not change its graph."""

    def __init__(self) -> None:
        self._kept = Recent[Key, WorkflowVersion](MAX_CHARS, MAX_GRAPH_CHARS)
        self.get = self._kept.get

    def put(self, key: Key, version: WorkflowVersion) -> None:
        self._kept.put(key, version, len(json_text.dumps(version.graph)))
