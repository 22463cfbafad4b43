"""Which telling of a run's story an event belongs to.

A worker tells a run's events as they happen, before the workflow task that they happen in is in
the run's history. If it dies in that task, another worker does the task again and may come to
other events, so what was told of the lost task is void. Each worker that takes a run up therefore
tells it in an edition of its own, which says after which `seq` it begins: up to there it has the
events from history, as every edition has. Whoever gets an event of a newer edition drops what
older ones have said after that `seq`, and whatever they say later (a worker that was only slow):
a fencing token (Kleppmann, Designing Data-Intensive Applications, chapter 8).

An edition is a text. The newer one is the greater: it begins with the server's time of the
workflow task in which the worker first told something. The empty one is unknown: of events that
were read back, or told by a release without editions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

UNKNOWN = ""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def edition_of(moment: datetime, begins_after: int | None) -> str:
    """The edition that a worker begins at that time of the workflow; None for a run's first."""
    stamp = f"{(moment - _EPOCH) // timedelta(microseconds=1):016d}"
    return stamp if begins_after is None else f"{stamp}.{begins_after}"


def begins_after(edition: str) -> int | None:
    """The last `seq` that the edition shares with those before it; None where there was none
    before it, or it is unknown."""
    _, _, seq = edition.partition(".")
    return int(seq) if seq else None


def is_void(seq: int, edition: str) -> bool:
    """Whether that edition, where it is newer than what was told of `seq`, says otherwise."""
    shared = begins_after(edition)
    return shared is not None and seq > shared
