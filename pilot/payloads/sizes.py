"""How large the values of a run may be. Workflow code imports this, so it is plain data."""

from __future__ import annotations

from dataclasses import dataclass

TEMPORAL_BYTES = 1_900_000
"""Temporal refuses a payload over 2 MB; this leaves room for what goes with a value."""
REFERENCE_BYTES = 600
"""About what stands in a history in the place of a payload that is stored apart."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """In bytes of JSON: the most that one payload may have, and from how many on it is stored
    apart. None: there is no payload store. `keeps`: outputs that are too large for a row are passed
    on by reference (`activities.kept`)."""

    payload: int = TEMPORAL_BYTES
    apart: int | None = None
    keeps: bool = False

    def in_history(self, size: int) -> int:
        """What a payload of that size adds to a history."""
        return size if self.apart is None or size < self.apart else REFERENCE_BYTES

    @property
    def text(self) -> str:
        """The most, for a message: who could raise it is told how."""
        most = f"{self.payload / 1e6:g} MB"
        return most if self.apart is None else f"{most} (PILOT_PAYLOADS_MAX_MB)"
