"""Which version a caller may run: what is published is for runners too, a draft for editors."""

from __future__ import annotations

from api.parts import Parts
from api.problems import Problem
from pilot.roles import Role
from pilot.store import Workflow, WorkflowVersion
from pilot.versions import PUBLISHED, VersionName, named


async def version_to_run(
    parts: Parts, role: Role, workflow: Workflow, name: VersionName | None
) -> Workflow | WorkflowVersion:
    """The version of that name. Below an editor's role, only one that is published or was, and
    none that is named while the workflow is offline.

    Raises as `pilot.versions.named` does, and `Problem` (403).
    """
    version = await named(parts.store, workflow, name)
    if name in (None, PUBLISHED) or role.includes(Role.EDITOR):
        return version
    publications = parts.store.publications
    if workflow.is_offline or not await publications.of_version(
        workflow.owner, workflow.id, version.version
    ):
        raise Problem(
            403,
            "insufficient_role",
            f"Version {version.version} is not published: to run it needs the role "
            f"{Role.EDITOR.value}; you have {role.value} here.",
        )
    return version
