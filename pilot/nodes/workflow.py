"""workflow: runs another workflow of the owner's, and waits for what it answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from pilot.graph.model import MAX_TIMEOUT_S
from pilot.graph.numbers import JSON_NUMBER
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText

MAX_DEPTH = 10
"""So many runs deep may one begin another."""

Pinned = Annotated[int, Field(ge=1), JSON_NUMBER]


class WorkflowConfig(NodeConfig):
    workflow_id: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The id of the workflow that is run."
    )
    version: Pinned | Literal["draft", "published"] | None = Field(
        default=None,
        description="A version's number, `draft` (the newest) or `published`; left out, the "
        "published one, or the newest of a workflow that was never published.",
    )
    input: Annotated[JsonValue, TemplateText()] = Field(
        default="{input}",
        description="What its start node is given: a template, or any JSON with templates inside.",
    )
    wait: bool = Field(
        default=True,
        description="Whether to wait for its end; otherwise the output is {execution_id}.",
    )


SPEC = NodeSpec(
    type="workflow",
    title="Workflow",
    description="Runs another workflow, and gives what it answers.",
    category="control",
    icon="workflow",
    config=WorkflowConfig,
    # a node's own `timeout_s` bounds the run that it begins, which by default nothing but that
    # run's own limit does
    policy=Policy(
        retry=Retry(max_attempts=5, initial_s=1, backoff=2, max_s=30),
        timeout_s=MAX_TIMEOUT_S,
        heartbeat_s=10,
    ),
    usable_as_tool=True,
)
