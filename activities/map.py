"""map: the list that the body runs on, and whether to stop early."""

from __future__ import annotations

from activities.attempt import Attempt, node_activity
from activities.evaluation import holds, render
from activities.kept import may_keep
from pilot.errors import NodeError
from pilot.graph.iteration import MAP_STOP, MapFollow, to_follow
from pilot.graph.task import NodeResult
from pilot.nodes.map import MAX_ITEMS, MapConfig
from pilot.payloads.values import ROW_BYTES

HELD_BYTES = ROW_BYTES
"""What fits into a row is passed on as it is."""


@node_activity("map", MapConfig)
async def map(attempt: Attempt[MapConfig]) -> NodeResult:
    config = await render(attempt.config, attempt.task.scope)
    items = config.items
    if not isinstance(items, list):
        raise NodeError(
            f"items: a map runs on a list, not on {items!r:.100}", code="items_not_a_list"
        )
    if len(items) > MAX_ITEMS:
        raise NodeError(
            f"items: a map takes at most {MAX_ITEMS:,} items, not {len(items):,}",
            code="too_many_items",
        )
    follow = MapFollow(
        items=items,
        parallelism=config.parallelism,
        on_item_error=config.on_item_error,
        stops=config.stop_when is not None,
        window=config.window,
        held=HELD_BYTES if may_keep(attempt.task) else None,
    )
    return NodeResult(follow=to_follow(follow))


@node_activity(MAP_STOP, MapConfig)
async def map_stop(attempt: Attempt[MapConfig]) -> NodeResult:
    """For the output of one item, which is the scope's `item`."""
    expression = attempt.config.stop_when
    stops = expression is not None and await holds(expression, attempt.task.scope, "stop_when")
    return NodeResult(output=stops)
