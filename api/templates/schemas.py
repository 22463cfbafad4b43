"""What goes in and out of `/api/v1/templates`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.workflows.schemas import CHATBOT_EDGES, CHATBOT_NODES, Text
from pilot.gallery import Template


class TemplateSummaryOut(BaseModel):
    """A template without its graph. `node_types` says what it is made of."""

    id: str = Field(examples=["mail_routing"])
    name: str
    description: str
    tags: list[str]
    node_types: list[str]
    sample_input: Any = Field(description="An input that shows what it takes.")
    calls: list[str] = Field(
        description="The templates that its `workflow` nodes call, as `file:<id>.json`: they are "
        "saved with it."
    )


class TemplateOut(TemplateSummaryOut):
    nodes: list[dict[str, Any]] = Field(examples=[CHATBOT_NODES])
    edges: list[dict[str, Any]] = Field(examples=[CHATBOT_EDGES])


class TemplateUse(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The workflow's name; left out, the template's."
    )


def summary_of(template: Template) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "tags": list(template.tags),
        "node_types": list(dict.fromkeys(node.type for node in template.graph.nodes)),
        "sample_input": template.sample_input,
        "calls": list(template.calls),
    }
