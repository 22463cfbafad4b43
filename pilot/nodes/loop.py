"""loop: runs its body again and again while a condition holds, carrying a state."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from pilot.graph.iteration import OnLimit
from pilot.graph.spec import (
    ContainerConfig,
    ExpressionText,
    NodeSpec,
    Policy,
    Retry,
    TemplateText,
)

MAX_ITERATIONS = 100_000


class LoopConfig(ContainerConfig):
    initial: Annotated[JsonValue, TemplateText()] = Field(
        default="{input}", description="The state before the first iteration."
    )
    condition: Annotated[str, ExpressionText(returns="bool", iterates=True)] = Field(
        description="A CEL expression over `item` (the state) and `index`; while it holds there "
        "is another iteration, whose output is the next state."
    )
    max_iterations: Annotated[int, Field(ge=1, le=MAX_ITERATIONS)] = 100
    on_limit: OnLimit = Field(
        default="fail",
        description="When the condition still holds after `max_iterations`: `fail`, or `stop` "
        "with the state as it is.",
    )


SPEC = NodeSpec(
    type="loop",
    title="Loop",
    description="Runs its body while a condition holds, carrying a state from one to the next.",
    category="control",
    icon="repeat",
    config=LoopConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    has_body=True,
    outside=False,
)
