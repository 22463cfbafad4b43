"""The contract of executions that others began, on every database."""

import pytest

from pilot.graph.status import ExecutionStatus
from pilot.store import ROOTS, Parent

RUNNING = ExecutionStatus.RUNNING


@pytest.fixture
def child_of(store, workflow, make_execution):
    async def create(parent, node_id="call", path="", **changes):
        at = Parent(parent.id, node_id, path, root_id=parent.id, depth=1)
        if parent.parent is not None:
            at = Parent(parent.id, node_id, path, parent.parent.root_id, parent.parent.depth + 1)
        row, created = await store.create_execution(make_execution(workflow, parent=at, **changes))
        assert created
        return row

    return create


async def test_a_child_is_read_as_it_was_created(store, execution, child_of):
    child = await child_of(execution, path="each[3].ask#1.2")
    assert child.parent == Parent(execution.id, "call", "each[3].ask#1.2", execution.id, 1)
    assert await store.get_execution("ada", child.id) == child
    grandchild = await child_of(child)
    assert (await store.get_execution("ada", grandchild.id)).parent == Parent(
        child.id, "call", "", execution.id, 2
    )
    assert (await store.get_execution("ada", execution.id)).parent is None


async def test_lists_are_of_roots_of_one_parents_or_of_all(
    store, workflow, execution, child_of, make_execution
):
    other, _ = await store.create_execution(make_execution(workflow))
    one, two = await child_of(execution), await child_of(execution, status=RUNNING)
    below, others = await child_of(one), await child_of(other)

    async def ids(owner="ada", **filters):
        return {row.id for row in (await store.list_executions(owner, **filters)).items}

    assert await ids(parent=ROOTS) == {execution.id, other.id}
    assert await ids(parent=ROOTS, workflow_id=workflow.id) == {execution.id, other.id}
    assert await ids(parent=execution.id) == {one.id, two.id}
    assert await ids(parent=execution.id, status=RUNNING) == {two.id}
    assert await ids(parent=one.id) == {below.id}
    assert await ids() == {execution.id, other.id, one.id, two.id, below.id, others.id}
    assert await ids(parent="nobody") == set()
    assert await ids("bob", parent=execution.id) == set()
    page = await store.list_executions("ada", parent=execution.id, limit=1)
    rest = await store.list_executions("ada", parent=execution.id, cursor=page.next_cursor)
    assert sorted(row.id for row in page.items + rest.items) == sorted([one.id, two.id])


async def test_a_child_takes_no_slot(store, workflow, child_of, make_execution):
    root, _ = await store.create_execution(make_execution(workflow), most=2)
    for _ in range(3):
        assert not (await child_of(root)).is_held
    second, _ = await store.create_execution(make_execution(workflow), most=2)
    third, _ = await store.create_execution(make_execution(workflow), most=2)
    assert (second.is_held, third.is_held) == (False, True)
    assert await store.slots.release("ada", 2) is None
    # and is counted among what is open
    counts = await store.open_counts()
    assert sum(one.count for one in counts.values()) >= 5
