"""How a map's items are parted into windows, each of which a child workflow runs."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import to_json

from pilot.graph.history import node_events
from pilot.graph.plan import Plan
from workflows_def.iterations import MAX_EVENTS

MAX_WINDOWS = 100
"""Of one map: each costs its parent some nine events, and a copy of the body's plan."""
MAX_WINDOW_BYTES = 400_000
"""Of a window's items as JSON. They stand beside the body and what that refers to outside."""
TELLINGS = 20
"""About so often in all a map's windows tell of themselves before they end."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of `size` items, and for each of those that run side by side how many of its items
    may be under way at once (`shares`)."""

    size: int
    shares: list[int]


def events_of(body: Plan) -> int:
    """The events of one iteration, at about most."""
    events = sum(
        node_events(is_local=body.policies[node.policy].local, has_body=node.body is not None)
        for node in body.nodes
    )
    return max(events, 1)


def windows(items: list[object], body: Plan, parallelism: int, wanted: int | None) -> Windows:
    """How to part the items. `wanted` is the size that the map asks for, if it does."""
    if not items:
        return Windows(1, [])
    events = events_of(body)
    average = max(len(to_json(items)) // len(items), 1)
    fits = min(MAX_EVENTS // events, MAX_WINDOW_BYTES // average)
    # a larger window goes on in a new history
    size = max(min(wanted or fits, fits), -(-len(items) // MAX_WINDOWS), 1)
    count = -(-len(items) // size)
    # in one history no more are begun than fit, so many at once take several
    at_once = max(min(size, MAX_EVENTS // (2 * events)), 1)
    lanes = max(-(-parallelism // at_once), 2)
    lanes = min(lanes, count, parallelism)
    whole, rest = divmod(parallelism, lanes)
    return Windows(size, [whole + (1 if lane < rest else 0) for lane in range(lanes)])
