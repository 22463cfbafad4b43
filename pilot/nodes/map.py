"""map: runs its body for each item of a list, several at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from pilot.graph.iteration import OnItemError
from pilot.graph.spec import (
    ContainerConfig,
    ExpressionText,
    NodeSpec,
    Policy,
    Retry,
    TemplateText,
)

MAX_ITEMS = 100_000
MAX_PARALLELISM = 1_000


class MapConfig(ContainerConfig):
    items: Annotated[JsonValue, TemplateText()] = Field(
        default="{input}", description="A template that gives a list, or a list."
    )
    parallelism: Annotated[int, Field(ge=1, le=MAX_PARALLELISM)] = Field(
        default=10, description="How many items are under way at once."
    )
    on_item_error: OnItemError = Field(
        default="fail",
        description="When an item fails: `fail` the node, `skip` the item, or `collect` the "
        "errors in `meta.errors` and put null in the item's place.",
    )
    stop_when: Annotated[str | None, ExpressionText(returns="bool", iterates=True)] = Field(
        default=None,
        description="A CEL expression over `item` (an item's output) and `index`: once it holds, "
        "no further item is begun.",
    )
    window: Annotated[int, Field(ge=1, le=MAX_ITEMS)] | None = Field(
        default=None, description="How many items one child workflow runs [as many as fit]."
    )


SPEC = NodeSpec(
    type="map",
    title="Map",
    description="Runs its body for each item of a list, several at once.",
    category="control",
    icon="list",
    config=MapConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    has_body=True,
    outside=False,
)
