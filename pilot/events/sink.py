"""Where events leave the process they happen in.

A worker installs its publisher here; workflow and activity code call `emit`, which hands the
envelope over and returns at once. Workflow code calls it only when it is not replaying, so
an event goes out once a worker; one that is lost with a dying worker is repaired from the
workflow's own list.
"""

from __future__ import annotations

from collections.abc import Callable

from pilot.events.model import Envelope

_sink: Callable[[Envelope], None] | None = None


def install(sink: Callable[[Envelope], None] | None) -> None:
    """Makes `sink` the process's way out (None: events go nowhere)."""
    global _sink  # noqa: PLW0603
    _sink = sink


def emit(envelope: Envelope) -> None:
    """Hands an envelope to the installed sink. Never blocks, never raises."""
    if _sink is not None:
        _sink(envelope)


def current() -> Callable[[Envelope], None] | None:
    """The installed sink."""
    return _sink
