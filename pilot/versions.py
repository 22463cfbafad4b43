"""Which version of a workflow is meant, by its number, by name, or by saying nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pilot.errors import ConflictError

if TYPE_CHECKING:
    from pilot.store import Store, Workflow, WorkflowVersion

NOT_PUBLISHED = "not_published"
DRAFT: Final = "draft"
PUBLISHED: Final = "published"

VersionName: TypeAlias = int | Literal["draft", "published"]
"""A number, `draft` (the newest, whatever is published) or `published`."""


async def named(
    store: Store, workflow: Workflow, name: VersionName | None
) -> Workflow | WorkflowVersion:
    """The version of that name. None is what a run takes that says nothing: the published one, or
    the newest of a workflow that was never published.

    Raises `NotFoundError` (no such version) and `ConflictError` (`not_published`).
    """
    if name == DRAFT or (name is None and workflow.publication == 0):
        return workflow
    number = name if isinstance(name, int) else workflow.published_version
    if number is None:
        raise ConflictError(_none_is_published(workflow), code=NOT_PUBLISHED)
    if number == workflow.version:
        return workflow
    return await store.get_version(workflow.owner, workflow.id, number)


def _none_is_published(workflow: Workflow) -> str:
    if workflow.publication == 0:
        return f"No version of workflow {workflow.id} was published yet."
    return (
        f"Workflow {workflow.id} was taken offline: publish a version of it, or name the one that "
        "is meant."
    )
