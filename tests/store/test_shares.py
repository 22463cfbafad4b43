"""The contract of shared workflows, on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilot.errors import ConflictError, NotFoundError
from pilot.graph.status import ExecutionStatus
from pilot.roles import Role
from pilot.store import Execution, Store, Workflow, shares
from pilot.store.secrets import SealedSecret
from pilot.store.shares import Grant
from tests.store.conftest import GRAPH


async def test_a_workflow_is_shared_and_no_longer(store: Store, workflow: Workflow) -> None:
    share = await store.shares.put("ada", workflow.id, "bob", Role.RUNNER)
    assert (share.grantee, share.role) == ("bob", Role.RUNNER)
    assert await store.shares.of_workflow("ada", workflow.id) == [share]
    grant = await store.shares.grant(workflow.id, ["bob"])
    assert grant is not None
    assert (grant.owner, grant.role) == ("ada", Role.RUNNER)
    for strangers in (["eve"], []):
        assert await store.shares.grant(workflow.id, strangers) == Grant("ada", None)
    assert await store.shares.grant("nothing", ["bob"]) is None
    await store.shares.delete("ada", workflow.id, "bob")
    assert await store.shares.grant(workflow.id, ["bob"]) == Grant("ada", None)
    with pytest.raises(NotFoundError):
        await store.shares.delete("ada", workflow.id, "bob")


async def test_sharing_again_changes_the_role(store: Store, workflow: Workflow) -> None:
    first = await store.shares.put("ada", workflow.id, "bob", Role.VIEWER)
    second = await store.shares.put("ada", workflow.id, "bob", Role.EDITOR)
    assert second.created_at == first.created_at
    assert await store.shares.of_workflow("ada", workflow.id) == [second]


async def test_of_several_ways_in_the_highest_counts(store: Store, workflow: Workflow) -> None:
    await store.shares.put("ada", workflow.id, "bob", Role.VIEWER)
    await store.shares.put("ada", workflow.id, "org_1", Role.EDITOR)
    grant = await store.shares.grant(workflow.id, ["bob", "org_1"])
    assert grant is not None and grant.role is Role.EDITOR
    [shared] = (await store.shares.shared_with(["bob", "org_1"])).items
    assert (shared.workflow.id, shared.grant) == (workflow.id, grant)


async def test_what_a_request_for_a_workflow_begins_by(store: Store, workflow: Workflow) -> None:
    assert await store.admit("nothing", ["bob"]) is None
    found = await store.admit(workflow.id, ["bob"])
    assert found is not None
    assert (found.grant, found.workflow, found.secrets) == (Grant("ada", None), workflow, set())
    for owner, name in (("ada", "TOKEN"), ("ada", "other_1"), ("eve", "HERS")):
        await store.secrets.put(SealedSecret(owner, name, b"sealed", "key"))
    for grantee, role in (("bob", Role.VIEWER), ("org_1", Role.EDITOR), ("eve", Role.RUNNER)):
        await store.shares.put("ada", workflow.id, grantee, role)
    for grantees, role in ((["bob", "org_1"], Role.EDITOR), (["bob"], Role.VIEWER), ([], None)):
        found = await store.admit(workflow.id, grantees)
        assert found is not None
        assert (found.grant, found.secrets) == (Grant("ada", role), {"TOKEN", "other_1"})
        assert found.workflow == workflow
    await store.delete_workflow("ada", workflow.id)
    assert await store.admit(workflow.id, ["bob"]) is None


async def test_the_roles_of_several_workflows_at_once(store: Store, workflow: Workflow) -> None:
    other = await store.create_workflow("ada", name="B", description="", graph=GRAPH)
    closed = await store.create_workflow("ada", name="C", description="", graph=GRAPH)
    for grantee, role in (("org_1", Role.RUNNER), ("bob", Role.VIEWER), ("eve", Role.EDITOR)):
        await store.shares.put("ada", workflow.id, grantee, role)
    await store.shares.put("ada", other.id, "bob", Role.RUNNER)
    ids = [workflow.id, other.id, closed.id, "nothing"]
    assert await store.shares.roles(ids, ["bob", "org_1"]) == {
        workflow.id: Role.RUNNER,
        other.id: Role.RUNNER,
    }
    await store.delete_workflow("ada", other.id)  # its executions stay, and stay shared
    assert await store.shares.roles([other.id], ["bob"]) == {other.id: Role.RUNNER}
    assert await store.shares.roles(ids, ["zoe"]) == {}
    assert await store.shares.roles([], ["bob"]) == await store.shares.roles(ids, []) == {}


async def test_only_the_owner_shares(store: Store, workflow: Workflow) -> None:
    with pytest.raises(NotFoundError):
        await store.shares.put("bob", workflow.id, "bob", Role.EDITOR)
    with pytest.raises(NotFoundError):
        await store.shares.of_workflow("bob", workflow.id)
    await store.shares.put("ada", workflow.id, "bob", Role.EDITOR)
    with pytest.raises(NotFoundError):
        await store.shares.delete("bob", workflow.id, "bob")
    assert await store.shares.of_workflow("ada", workflow.id)


async def test_a_deleted_workflow_is_shared_with_nobody_but_its_runs_are(
    store: Store,
    workflow: Workflow,
    make_execution: Callable[..., Execution],
) -> None:
    run, _ = await store.create_execution(
        make_execution(workflow, status=ExecutionStatus.SUCCEEDED)
    )
    await store.shares.put("ada", workflow.id, "bob", Role.VIEWER)
    await store.delete_workflow("ada", workflow.id)
    assert await store.shares.grant(workflow.id, ["bob"]) is None
    assert (await store.shares.shared_with(["bob"])).items == []
    grant = await store.shares.of_execution(run.id, ["bob"])
    assert grant == Grant("ada", Role.VIEWER)
    assert await store.shares.of_execution(run.id, ["eve"]) == Grant("ada", None)
    assert await store.shares.of_execution("nothing", ["eve"]) is None


async def test_what_is_shared_is_paged_newest_first(store: Store) -> None:
    made = [
        await store.create_workflow("ada", name=str(i), description="", graph=GRAPH)
        for i in range(5)
    ]
    for one in made:
        await store.shares.put("ada", one.id, "bob", Role.VIEWER)
    names: list[str] = []
    cursor: Any = None
    while True:
        found = await store.shares.shared_with(["bob"], limit=2, cursor=cursor)
        names += [one.workflow.name for one in found.items]
        cursor = found.next_cursor
        if cursor is None:
            break
    assert names == ["4", "3", "2", "1", "0"]


async def test_with_how_many(
    store: Store, workflow: Workflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_SHARES", 2)
    await store.shares.put("ada", workflow.id, "a", Role.VIEWER)
    await store.shares.put("ada", workflow.id, "b", Role.VIEWER)
    await store.shares.put("ada", workflow.id, "a", Role.EDITOR)
    with pytest.raises(ConflictError) as caught:
        await store.shares.put("ada", workflow.id, "c", Role.VIEWER)
    assert caught.value.code == "too_many_shares"


def test_roles_include_those_below() -> None:
    assert Role.ADMIN.includes(Role.VIEWER)
    assert Role.RUNNER.includes(Role.RUNNER)
    assert not Role.RUNNER.includes(Role.EDITOR)
