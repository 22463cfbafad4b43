"""What a request for one workflow begins by, in one question: whose it is and with whom it is
shared, the workflow as it is now, and which secrets its owner has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from pilot.roles import Role
from pilot.store import Workflow, rows
from pilot.store.prepared import prepared
from pilot.store.shares import Grant, highest_role
from pilot.store.tables import secrets, shares, workflow_versions, workflows

_BETWEEN = ","
"""No name of a secret has one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`secrets` are the names of the owner's."""

    grant: Grant
    workflow: Workflow
    secrets: frozenset[str]


@prepared
def admission(workflow_id: str, user: str | None, organisation: str | None) -> Select[Any]:
    """A row for each way in, or one without a role. Two grantees at most are what a caller has:
    SQLAlchemy would write a list of them out anew each time."""
    names = (
        select(func.aggregate_strings(secrets.c.name, _BETWEEN))
        .where(secrets.c.owner == workflows.c.owner)
        .scalar_subquery()
    )
    is_newest = (workflow_versions.c.workflow_id == workflows.c.id) & (
        workflow_versions.c.version == workflows.c.version
    )
    grantee = shares.c.grantee
    is_shared = (shares.c.workflow_id == workflows.c.id) & (
        (grantee == user) | (grantee == organisation)
    )
    return (
        select(workflows, workflow_versions.c.graph, shares.c.role, names.label("secrets"))
        .join(workflow_versions, is_newest)
        .join(shares, is_shared, isouter=True)
        .where(workflows.c.id == workflow_id, workflows.c.deleted_at.is_(None))
    )


def asked(workflow_id: str, grantees: Sequence[str]) -> tuple[Select[Any], dict[str, Any]]:
    """The question for at most two grantees."""
    user, organisation = [*grantees, None, None][:2]
    return admission(workflow_id, user, organisation)


def read(found: Sequence[Any]) -> Admission | None:
    """Of the rows; None where there is no such workflow."""
    if not found:
        return None
    roles = [Role(row.role) for row in found if row.role is not None]
    names = found[0].secrets
    return Admission(
        Grant(found[0].owner, highest_role(roles)),
        rows.workflow(found[0]),
        frozenset(names.split(_BETWEEN) if names else ()),
    )
