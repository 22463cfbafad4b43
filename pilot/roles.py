"""What somebody may do with an owner's things: roles, from the least to the most.

A user is `admin` of what is theirs. Members of an organisation have the role that it gave them;
a workflow may be shared with somebody else by one of the lower roles.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """`viewer` reads, `runner` also starts, cancels and answers runs, `editor` also writes
    workflows, `admin` also deletes, shares, and sees to secrets, keys and budgets."""

    VIEWER = "viewer"
    RUNNER = "runner"
    EDITOR = "editor"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what the other one may."""
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(Role)}

SHARED_ROLES = (Role.VIEWER, Role.RUNNER, Role.EDITOR)
"""What a workflow can be shared by: who may delete and share it is the owner's affair."""
