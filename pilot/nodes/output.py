"""output: what the execution answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText, no_handles


class OutputConfig(NodeConfig):
    value: Annotated[JsonValue, TemplateText()] = Field(
        default="{input}", description="A template, or any JSON with templates inside."
    )
    key: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Its name where a graph has several outputs [the node's id]."
    )


SPEC = NodeSpec(
    type="output",
    title="Output",
    description="What the execution answers. Several outputs are merged by name.",
    category="control",
    icon="flag",
    config=OutputConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=no_handles,
    outside=False,
)
