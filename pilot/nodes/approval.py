"""approval: people decide how the run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from pilot.graph.issues import Issue
from pilot.graph.spec import NodeConfig, NodeSpec, Policy, Retry, TemplateText
from pilot.nodes.json_schema import schema_issues
from pilot.nodes.wait import TIMEOUT_HANDLE, static_duration
from pilot.roles import Role

APPROVED, REJECTED = "approved", "rejected"
MAX_USERS = 100
MAX_USER_CHARS = 255
MIN_REMINDER_S = 60


class Approvers(BaseModel):
    """Who may answer: the users that are named, and whoever has one of the roles for the
    workflow, or a higher one."""

    model_config = ConfigDict(extra="forbid")

    users: Annotated[list[str], Field(max_length=MAX_USERS), TemplateText()] = Field(
        default_factory=list, description="Users' ids; one template may give a list of them."
    )
    roles: list[Role] = Field(default_factory=list, max_length=len(Role))


class ApprovalConfig(NodeConfig):
    title: Annotated[str, TemplateText()] = Field(
        min_length=1, max_length=1_000, description="What is asked, in a line."
    )
    description: Annotated[str | None, TemplateText()] = Field(
        default=None, max_length=20_000, description="What one has to know to decide."
    )
    form: JsonValue = Field(
        default=None, description="A JSON Schema of the values that come with an approval."
    )
    approvers: Approvers | None = Field(
        default=None, description="Who may answer; left out, whoever may run the workflow."
    )
    required: Annotated[int, Field(ge=1, le=MAX_USERS)] = Field(
        default=1, description="So many have to approve; the first who rejects decides."
    )
    allow_self: bool = Field(
        default=True, description="Whether who started the run may be among them."
    )
    reminder_s: Annotated[float | None, Field(ge=MIN_REMINDER_S, le=30 * 86_400)] = Field(
        default=None, description="Tells again, by an event, each time so many seconds passed."
    )
    timeout: Annotated[str | float | None, TemplateText()] = Field(
        default=None, description="Seconds, or ISO 8601; then the handle `timeout` is taken."
    )
    on_reject: Literal["branch", "fail"] = Field(
        default="branch", description="Take the handle `rejected`, or fail with `rejected`."
    )


def handles(config: ApprovalConfig) -> tuple[str, ...]:
    rejected = (REJECTED,) if config.on_reject == "branch" else ()
    timeout = (TIMEOUT_HANDLE,) if config.timeout is not None else ()
    return (APPROVED, *rejected, *timeout)


def check(config: ApprovalConfig) -> Iterable[Issue]:
    yield from schema_issues(config.form, "form")
    yield from static_duration(config.timeout, "timeout")
    approvers = config.approvers
    if approvers is None:
        return
    if not approvers.users and not approvers.roles:
        yield Issue("no_approvers", "nobody may answer: name users or roles", field="approvers")
    fixed = not any("{" in user for user in approvers.users) and not approvers.roles
    if fixed and config.required > len(set(approvers.users)) > 0:
        yield Issue(
            "too_few_approvers",
            f"{config.required} have to approve, and {len(set(approvers.users))} may",
            field="required",
        )


SPEC = NodeSpec(
    type="approval",
    title="Approval",
    description="Asks people, and goes on as they decide.",
    category="control",
    icon="user-check",
    config=ApprovalConfig,
    policy=Policy(retry=Retry(max_attempts=3), timeout_s=10, local=True),
    handles=handles,
    branches=True,
    check=check,
)
