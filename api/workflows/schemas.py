"""What goes in and out of `/api/v1/workflows`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.issues import IssueOut
from pilot.graph.model import SETTINGS, Edge, Graph, MaxParallel, Node, Seconds
from pilot.graph.numbers import JSON_NUMBER
from pilot.roles import Role

CHATBOT_NODES: list[dict[str, Any]] = [
    {"id": "start", "type": "start", "position": {"x": 0, "y": 0}, "config": {"name": "Start"}},
    {
        "id": "llm_1",
        "type": "llm",
        "position": {"x": 200, "y": 0},
        "config": {
            "name": "Chat",
            "model": "gpt-3.5-turbo",
            "prompt_template": "Respond to: {input}",
        },
    },
    {"id": "output", "type": "output", "position": {"x": 400, "y": 0}, "config": {}},
]
CHATBOT_EDGES = [
    {"source": "start", "target": "llm_1"},
    {"source": "llm_1", "target": "output"},
]
CHATBOT: dict[str, Any] = {
    "name": "Simple Chatbot",
    "description": "Answers a message.",
    "nodes": CHATBOT_NODES,
    "edges": CHATBOT_EDGES,
}

MAX_NODES, MAX_EDGES = 20_000, 80_000
"""Bounds the work on a body. A graph's own limits are lower, and are issues of the validator."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Nodes = Annotated[list[Node], Field(max_length=MAX_NODES)]
Edges = Annotated[list[Edge], Field(max_length=MAX_EDGES)]


class GraphIn(BaseModel):
    """Nodes and edges as the canvas holds them; fields of its own are kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [CHATBOT]})

    nodes: Nodes = Field(default_factory=list)
    edges: Edges = Field(default_factory=list)
    timeout_s: Seconds | None = Field(
        default=None, description="The longest that an execution may take, pauses included."
    )
    max_parallel: MaxParallel | None = Field(
        default=None,
        description="How many nodes of an execution run at once, beside those that wait for "
        "something outside.",
    )

    def graph(self) -> Graph:
        given = {name: getattr(self, name) for name in SETTINGS}
        settings = {name: value for name, value in given.items() if value is not None}
        return Graph(nodes=self.nodes, edges=self.edges, **settings)


class WorkflowIn(GraphIn):
    name: Annotated[Text, Field(min_length=1, max_length=200)]
    description: Annotated[Text, Field(max_length=10_000)] = ""


class WorkflowUpdate(WorkflowIn):
    """`version` is the version that is replaced; `If-Match` says the same."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**CHATBOT, "version": 1}]})

    version: Annotated[int, Field(ge=1), JSON_NUMBER] | None = None


class WorkflowSummaryOut(BaseModel):
    id: str = Field(examples=["5b6f1c0e-6b1f-4d53-9c39-0e6d0c1f3d5a"])
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime
    published_version: int | None = Field(
        description="The version that runs by default. Null where none was ever published "
        "(`publication` is 0: the newest runs), and where the workflow was taken offline."
    )
    publication: int = Field(description="How often what is published has changed.")
    owner: str | None = Field(
        default=None,
        exclude_if=lambda owner: owner is None,
        description="Whose it is, where it is shared with the caller.",
    )
    role: Role | None = Field(
        default=None,
        exclude_if=lambda role: role is None,
        description="What the caller may do with it, where that is not everything.",
    )


class WorkflowOut(WorkflowSummaryOut):
    """A workflow at its newest version, and what is wrong with it."""

    nodes: list[dict[str, Any]] = Field(examples=[CHATBOT_NODES])
    edges: list[dict[str, Any]] = Field(examples=[CHATBOT_EDGES])
    timeout_s: float | None
    max_parallel: int | None
    issues: list[IssueOut] = Field(
        description="Empty: it can be executed. So it can with warnings, not with errors."
    )
    input_schema: dict[str, Any] | None = Field(
        description="The JSON Schema of an execution's `input`, from the start node's fields; "
        "null where the graph has no start node that can be read."
    )
    output_schema: dict[str, Any] | None = Field(
        description="The JSON Schema of what a run answers, from the output nodes; null where the "
        "graph has none that can be read."
    )


class ValidationOut(BaseModel):
    """`valid`: no issue is an error, so the graph could be executed."""

    valid: bool
    issues: list[IssueOut]
