"""How loops and maps go on after their activity, and what the workflow asks for at each step.

The wire types of `NodeResult.follow` for both, and the names of the activities that evaluate an
expression for one iteration: each is given the node's own task, with the iteration's `item` and
`index` in its scope, and gives a bool as its output.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

LOOP_CONDITION = "loop_condition"
"""Whether another iteration follows. `item` is the state, `index` the iteration's."""

MAP_STOP = "map_stop"
"""Whether a map may stop early. `item` is the output of the item at `index`."""

OnItemError = Literal["fail", "skip", "collect"]
OnLimit = Literal["fail", "stop"]

F = TypeVar("F", "MapFollow", "LoopFollow")


@dataclass(frozen=True, slots=True)
class MapFollow:
    """What a map runs its body on, and how. `parallelism` items at once; `window` items in one
    child workflow (None: as many as fit); with `stops` `map_stop` is asked after each item. Outputs
    of over `held` bytes of JSON are left to the store until they are gathered; None: never."""

    items: list[Any]
    parallelism: int
    on_item_error: OnItemError
    stops: bool = False
    window: int | None = None
    held: int | None = None


@dataclass(frozen=True, slots=True)
class LoopFollow:
    """The state that a loop begins with, and whether its condition `holds` for that: what
    `loop_condition` is asked before every other iteration."""

    state: Any
    holds: bool
    max_iterations: int
    on_limit: OnLimit


def to_follow(value: MapFollow | LoopFollow) -> dict[str, Any]:
    """As `NodeResult.follow` has it."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def read_follow(kind: type[F], follow: dict[str, Any]) -> F:
    """The other way. Fields that a newer release wrote are left out."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in follow.items() if name in known})
