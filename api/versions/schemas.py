"""What goes in and out of `/api/v1/workflows/{id}/versions`, `publish` and `unpublish`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.executions.schemas import VersionNumber
from api.issues import IssueOut
from api.workflows.schemas import CHATBOT_EDGES, CHATBOT_NODES, Text

Note = Annotated[Text, Field(max_length=2_000)]


class PublishIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"version": 3, "note": "Kinder prompt"}]}
    )

    version: VersionNumber | None = Field(
        default=None, description="Which one, also an older one; by default the newest."
    )
    note: Note | None = Field(default=None, description="What is new in it, for people.")


class UnpublishIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "Spams"}]})

    note: Note | None = Field(default=None, description="Why, for people.")


class PublicationOut(BaseModel):
    """What is published since `published_at`; `version` is null where the workflow was taken
    offline. `number` counts the workflow's publications."""

    workflow_id: str
    number: int
    version: int | None
    published_at: datetime
    published_by: str | None
    note: str | None
    issues: list[IssueOut] = Field(description="Warnings: with errors nothing is published.")


class VersionSummaryOut(BaseModel):
    """`published_at`, `published_by` and `note` are of its last publication, also where another
    version was published later."""

    version: int
    name: str
    created_at: datetime
    created_by: str | None = Field(description="The user; null where that was not noted.")
    content_hash: str = Field(description="SHA-256 of the graph: the same hash, the same graph.")
    is_published: bool
    published_at: datetime | None
    published_by: str | None
    note: str | None


class VersionOut(BaseModel):
    """A version as it was saved. It never changes."""

    workflow_id: str
    version: int
    name: str
    description: str
    created_at: datetime
    created_by: str | None
    content_hash: str
    nodes: list[dict[str, Any]] = Field(examples=[CHATBOT_NODES])
    edges: list[dict[str, Any]] = Field(examples=[CHATBOT_EDGES])
    timeout_s: float | None
    max_parallel: int | None


class ChangeOut(BaseModel):
    """One value, at its JSON Pointer (RFC 6901) inside the node, edge or workflow. `old` is null
    of what was added, `new` of what was removed."""

    path: str = Field(examples=["/config/prompt_template"])
    kind: Literal["added", "removed", "changed"]
    old: Any
    new: Any


class NodeChangeOut(BaseModel):
    id: str
    type: str
    name: str = Field(description="What people see, in the second version.")
    changes: list[ChangeOut]


class EdgeChangeOut(BaseModel):
    source: str
    source_handle: str | None
    target: str
    changes: list[ChangeOut]


class NodesDiffOut(BaseModel):
    """Nodes as they stand in the version that has them. One whose id is another is another."""

    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    changed: list[NodeChangeOut]


class EdgesDiffOut(BaseModel):
    """`reordered`: edges that both versions have follow one another differently. Where parallel
    branches meet, their order decides which one's variable holds."""

    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    reordered: bool


class CosmeticOut(BaseModel):
    """What no run would notice: positions, sizes, and whatever fields a canvas adds."""

    nodes: list[NodeChangeOut]
    edges: list[EdgeChangeOut]
    nodes_reordered: bool
    settings: list[ChangeOut] = Field(description="What stands beside a body's nodes and edges.")


class BodyDiffOut(BaseModel):
    """What is different inside of a node that both versions have: a loop's or a map's body."""

    container: str = Field(
        description="The nodes around it, the outermost first.", examples=["each/retry"]
    )
    nodes: NodesDiffOut
    edges: EdgesDiffOut
    cosmetic: CosmeticOut


class DiffOut(BaseModel):
    """What is different in the second version. `is_same`: nothing at all; `is_cosmetic`: nothing
    but what is in `cosmetic`, here and in the bodies."""

    from_version: int
    to_version: int
    is_same: bool
    is_cosmetic: bool
    settings: list[ChangeOut] = Field(description="The workflow's own: name, time limit and so on.")
    nodes: NodesDiffOut
    edges: EdgesDiffOut
    cosmetic: CosmeticOut
    bodies: list[BodyDiffOut] = Field(description="Those in which anything is different.")
