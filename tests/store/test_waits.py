"""The contract of waiting nodes, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilot.events.model import Event, EventType
from pilot.roles import Role
from pilot.store import Execution, Store, Workflow
from pilot.store.waits import Person, Wait

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def waiting(store: Store, execution: Execution) -> Callable[..., Wait]:
    def of(node: str = "ok", **fields: Any) -> Wait:
        known = {"path": "", "kind": "approval", "temporal_id": "t", "created_at": AT}
        return Wait(execution.id, node, **{**known, **fields})

    return of


def ada(role: Role = Role.ADMIN) -> Person:
    return Person("ada", "ada", role)


async def listed(store: Store, person: Person, **page: Any) -> list[str]:
    return [one.wait.node_id for one in (await store.waits.waiting_for(person, **page)).items]


async def test_a_row_is_kept_and_its_later_state_wins(store: Store, waiting: Any) -> None:
    first = waiting(
        users=("bob", "eve"),
        role=Role.EDITOR,
        data={"title": "Send it?", "form": {"type": "object"}},
        expires_at=AT + timedelta(days=1),
        seq=1,
    )
    await store.waits.put(first)
    assert await store.waits.get(first.execution_id, "ok", "") == first
    later = replace(first, answered=("bob", "zoe"), closed_at=AT + timedelta(hours=1), seq=2)
    await store.waits.put(later)
    await store.waits.put(first)  # an attempt that was late
    assert await store.waits.of_execution(first.execution_id) == [later]
    assert await store.waits.get(first.execution_id, "ok", "map[1]") is None


async def test_a_run_without_a_row_keeps_nothing(store: Store, waiting: Any) -> None:
    await store.waits.put(replace(waiting(), execution_id="elsewhere"))
    assert await store.waits.of_execution("elsewhere") == []


async def test_a_role_lets_its_holders_and_those_above_answer(store: Store, waiting: Any) -> None:
    await store.waits.put(waiting(role=Role.EDITOR))
    assert await listed(store, ada()) == ["ok"]
    assert await listed(store, ada(Role.EDITOR)) == ["ok"]
    assert await listed(store, ada(Role.RUNNER)) == []
    assert await listed(store, Person("eve", "eve", Role.ADMIN)) == []


async def test_who_is_named_sees_it_from_anywhere(store: Store, waiting: Any) -> None:
    await store.waits.put(waiting(users=("bob",)))
    assert await listed(store, Person("bob", "org_b", Role.VIEWER)) == ["ok"]
    assert await listed(store, ada()) == []


async def test_a_share_lets_in_by_its_role(store: Store, workflow: Workflow, waiting: Any) -> None:
    await store.waits.put(waiting(role=Role.RUNNER))
    bob = Person("bob", "bob", Role.ADMIN, ("bob", "org_b"))
    assert await listed(store, bob) == []
    await store.shares.put("ada", workflow.id, "org_b", Role.VIEWER)
    assert await listed(store, bob) == []
    await store.shares.put("ada", workflow.id, "org_b", Role.EDITOR)
    [found] = (await store.waits.waiting_for(bob)).items
    assert (found.workflow_id, found.workflow_name) == (workflow.id, workflow.name)


async def test_what_is_answered_closed_or_over_waits_no_more(
    store: Store, execution: Execution, waiting: Any
) -> None:
    await store.waits.put(waiting("a", role=Role.RUNNER, answered=("ada",)))
    await store.waits.put(waiting("b", role=Role.RUNNER, closed_at=AT))
    await store.waits.put(waiting("c", role=Role.RUNNER, allow_self=False))
    await store.waits.put(waiting("d", kind="webhook", role=Role.RUNNER))
    await store.waits.put(waiting("e", role=Role.RUNNER))
    # ada started it, as it is hers and nobody else did
    assert await listed(store, ada()) == ["e"]
    cy = Person("cy", "ada", Role.RUNNER)
    assert sorted(await listed(store, cy)) == ["a", "c", "e"]
    end = Event(
        EventType.EXECUTION_CANCELLED, execution.id, execution.workflow_id,
        "2026-03-01T12:00:00.000Z", seq=1,
    )  # fmt: skip
    await store.append_events(execution.id, [end])
    assert await listed(store, cy) == []
    assert len(await store.waits.of_execution(execution.id)) == 5


async def test_the_list_has_pages(store: Store, waiting: Any) -> None:
    for number in range(5):
        await store.waits.put(
            waiting(f"n{number}", role=Role.RUNNER, created_at=AT + timedelta(seconds=number // 2))
        )
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.waits.waiting_for(ada(), limit=2, cursor=cursor)
        seen += [one.wait.node_id for one in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ["n4", "n3", "n2", "n1", "n0"]
