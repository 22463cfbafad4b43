"""What a caller may do: in their own tenant by their role there, elsewhere by what is shared.

Somebody else's object that is not shared with the caller is 404, as one that is not there. What
the caller may see but not do is 403.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from api.caller import Caller
from api.parts import Parts
from api.problems import Problem
from pilot.calls import callees
from pilot.errors import NotFoundError
from pilot.roles import Role
from pilot.store import Workflow
from pilot.store.shares import Grant
from pilot.store.triggers import Trigger
from pilot.versions import VersionName, named


def own(caller: Caller, need: Role) -> str:
    """The caller's own tenant, for what belongs to no workflow. Raises `Problem` (403)."""
    _require(caller.role, need)
    return caller.owner


async def to_workflow(parts: Parts, caller: Caller, workflow_id: str, need: Role) -> str:
    """Whose workflow it is, if the caller may do with it what `need` allows.

    Raises `NotFoundError`, or `Problem` (403 `insufficient_role`).
    """
    return (await admitted(parts, caller, workflow_id, need))[0]


async def admitted(parts: Parts, caller: Caller, workflow_id: str, need: Role) -> tuple[str, Role]:
    """The same, with the role that the caller has there."""
    grant = await parts.store.shares.grant(workflow_id, caller.grantees)
    return _allowed(caller, grant, need, f"there is no workflow {workflow_id}")


@dataclass(frozen=True, slots=True)
class Opened:
    """A workflow that the caller may work with, in the role that they have there; with the names
    of its owner's secrets."""

    role: Role
    workflow: Workflow
    secrets: frozenset[str]

    @property
    def owner(self) -> str:
        return self.workflow.owner


async def opened(parts: Parts, caller: Caller, workflow_id: str, need: Role) -> Opened:
    """As `admitted`, with the workflow at its newest version."""
    found = await parts.store.admit(workflow_id, caller.grantees)
    grant = None if found is None else found.grant
    _, role = _allowed(caller, grant, need, f"there is no workflow {workflow_id}")
    assert found is not None
    return Opened(role, found.workflow, found.secrets)


async def to_execution(parts: Parts, caller: Caller, execution_id: str, need: Role) -> str:
    """The same of an execution, which is shared with its workflow."""
    return (await admitted_to_execution(parts, caller, execution_id, need))[0]


async def admitted_to_execution(
    parts: Parts, caller: Caller, execution_id: str, need: Role
) -> tuple[str, Role]:
    grant = await parts.store.shares.of_execution(execution_id, caller.grantees)
    return _allowed(caller, grant, need, f"there is no execution {execution_id}")


async def to_callees(
    parts: Parts, caller: Caller, owner: str, workflow_id: str, name: VersionName | None
) -> None:
    """That the caller may run whatever a run of that version may run in turn. In their own tenant
    they may.

    Raises `NotFoundError`, `ConflictError`, or `Problem` (403 `insufficient_role`).
    """
    if caller.owner == owner:
        return
    workflow = await parts.store.get_workflow(owner, workflow_id)
    version = await named(parts.store, workflow, name)
    called = await callees(parts.store, owner, version.graph)
    roles = await roles_of(parts, caller, owner, called)
    for callee in called:
        _allowed(
            caller,
            Grant(owner, roles.get(callee)),
            Role.RUNNER,
            f"there is no workflow {callee}",
        )


async def roles_of(
    parts: Parts, caller: Caller, owner: str, workflow_ids: Collection[str]
) -> dict[str, Role]:
    """The caller's role with each of an owner's workflows, deleted or not, and with its executions;
    those that the caller may not see are left out."""
    if caller.owner == owner:
        return dict.fromkeys(workflow_ids, caller.role)
    return await parts.store.shares.roles(set(workflow_ids), caller.grantees)


async def to_trigger(parts: Parts, caller: Caller, trigger_id: str, need: Role) -> Trigger:
    """The trigger, which is shared with its workflow, if the caller may do with it what `need`
    allows. Raises as `to_workflow` does."""
    absent = f"there is no trigger {trigger_id}"
    trigger = await parts.store.triggers.get(trigger_id)
    if trigger is None:
        raise NotFoundError(absent)
    grant = await parts.store.shares.grant(trigger.workflow_id, caller.grantees)
    _allowed(caller, grant, need, absent)
    return trigger


def _allowed(caller: Caller, grant: Grant | None, need: Role, absent: str) -> tuple[str, Role]:
    if grant is None:
        raise NotFoundError(absent)
    role = caller.role if grant.owner == caller.owner else grant.role
    if role is None:
        raise NotFoundError(absent)
    _require(role, need)
    return grant.owner, role


def _require(role: Role, need: Role) -> None:
    if not role.includes(need):
        raise Problem(
            403,
            "insufficient_role",
            f"This needs the role {need.value}; you have {role.value} here.",
        )
