"""output: what the execution answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText, no_handles
from pilot.nodes.json_schema import schema_issues


class OutputConfig(NodeConfig):
    value: Annotated[JsonValue, TemplateText()] = Field(
        default="{input}", description="A template, or any JSON with templates inside."
    )
    key: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Its name where a graph has several outputs [the node's id]."
    )
    output_schema: dict[str, JsonValue] | None = Field(
        default=None,
        description="A JSON Schema: a value that does not fit it fails the node, and callers are "
        "told what the workflow answers.",
    )


def check(config: OutputConfig) -> Iterable[Issue]:
    return schema_issues(config.output_schema, "output_schema")


SPEC = NodeSpec(
    type="output",
    title="Output",
    description="What the execution answers. Several outputs are merged by name.",
    category="control",
    icon="flag",
    config=OutputConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=no_handles,
    check=check,
    outside=False,
    pure=True,
    hands_on=lambda config: config.value == "{input}" and config.output_schema is None,
)
