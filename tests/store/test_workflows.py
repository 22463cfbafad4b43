"""The contract of workflows and their versions, on every database."""

import asyncio
from dataclasses import replace

import pytest

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.store import Workflow, WorkflowSummary, WorkflowVersion
from pilot.store.json_text import content_hash

OTHER = {"nodes": [{"id": "start", "type": "start"}], "edges": []}


async def test_a_workflow_is_read_as_it_was_created(store, workflow):
    assert workflow.version == 1
    assert workflow.content_hash == content_hash(workflow.graph)
    assert workflow.created_at == workflow.updated_at
    assert workflow.created_at.utcoffset().total_seconds() == 0
    assert await store.get_workflow("ada", workflow.id) == workflow
    assert await store.get_version("ada", workflow.id, 1) == WorkflowVersion(
        workflow_id=workflow.id,
        version=1,
        name="Chat",
        graph=workflow.graph,
        content_hash=workflow.content_hash,
        created_at=workflow.created_at,
        description="d",
    )
    summary = WorkflowSummary(
        id=workflow.id,
        name="Chat",
        description="d",
        version=1,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )
    assert (await store.list_workflows("ada")).items == [summary]


async def test_an_update_makes_the_next_version_and_keeps_the_old(store, workflow):
    saved = await update(store, workflow, graph=OTHER, expected_version=1)
    assert saved.version == 2
    assert saved.created_at == workflow.created_at
    assert saved.updated_at > workflow.updated_at
    assert await store.get_workflow("ada", workflow.id) == saved
    assert (await store.get_version("ada", workflow.id, 1)).graph == workflow.graph
    assert (await store.get_version("ada", workflow.id, 2)).graph == OTHER


async def test_a_version_keeps_who_saved_it_and_its_description(store):
    made = await store.create_workflow("ada", name="n", description="one", graph={}, by="eve")
    await update(store, made, description="two", by="bob")
    await update(store, made, description="three")
    found = [await store.get_version("ada", made.id, version) for version in (1, 2, 3)]
    assert [(one.description, one.created_by) for one in found] == [
        ("one", "eve"),
        ("two", "bob"),
        ("three", None),
    ]


async def test_the_same_content_leaves_the_version(store, workflow):
    assert await update(store, workflow, expected_version=1) == workflow
    assert await store.get_workflow("ada", workflow.id) == workflow
    with pytest.raises(NotFoundError):
        await store.get_version("ada", workflow.id, 2)


@pytest.mark.parametrize("change", [{"name": "Talk"}, {"description": "e"}, {"graph": OTHER}])
async def test_any_change_is_a_new_version(store, workflow, change):
    saved = await update(store, workflow, **change)
    assert saved.version == 2
    assert saved == replace(
        workflow,
        version=2,
        updated_at=saved.updated_at,
        content_hash=saved.content_hash,
        **change,
    )
    assert (await store.get_version("ada", workflow.id, 2)).name == saved.name


async def test_a_stale_version_is_refused_and_changes_nothing(store, workflow):
    await update(store, workflow, graph=OTHER, expected_version=1)
    with pytest.raises(StaleVersionError, match="at version 2, not 1"):
        await update(store, workflow, name="lost", expected_version=1)
    with pytest.raises(StaleVersionError):
        await update(store, workflow, name="lost", expected_version=7)
    assert (await store.get_workflow("ada", workflow.id)).version == 2


async def test_of_concurrent_saves_of_one_version_exactly_one_wins(store, workflow):
    saves = [update(store, workflow, name=f"by {n}", expected_version=1) for n in range(8)]
    results = await asyncio.gather(*saves, return_exceptions=True)
    won = [result for result in results if isinstance(result, Workflow)]
    lost = [result for result in results if isinstance(result, StaleVersionError)]
    assert (len(won), len(lost)) == (1, 7)
    assert await store.get_workflow("ada", workflow.id) == won[0]


async def test_concurrent_saves_without_a_version_all_win_in_turn(store, workflow):
    saves = [update(store, workflow, name=f"by {n}") for n in range(8)]
    results = await asyncio.gather(*saves)
    assert sorted(result.version for result in results) == list(range(2, 10))
    for result in results:
        assert (await store.get_version("ada", workflow.id, result.version)).name == result.name


async def test_a_deleted_workflow_is_hidden_but_for_its_versions(store, workflow):
    await store.delete_workflow("ada", workflow.id)
    with pytest.raises(NotFoundError):
        await store.get_workflow("ada", workflow.id)
    with pytest.raises(NotFoundError):
        await update(store, workflow, name="again")
    with pytest.raises(NotFoundError):
        await store.delete_workflow("ada", workflow.id)
    assert (await store.list_workflows("ada")).items == []
    assert (await store.get_version("ada", workflow.id, 1)).graph == workflow.graph


async def test_a_workflow_with_an_open_execution_is_not_deleted(store, workflow, execution, said):
    with pytest.raises(ConflictError) as refused:
        await store.delete_workflow("ada", workflow.id)
    assert refused.value.code == "open_executions"
    await store.append_events(execution.id, [said(1, "execution.paused")])
    with pytest.raises(ConflictError):
        await store.delete_workflow("ada", workflow.id)
    await store.append_events(execution.id, [said(2, "execution.cancelled")])
    await store.delete_workflow("ada", workflow.id)
    assert (await store.get_execution("ada", execution.id)).status == "cancelled"


async def test_another_owner_sees_nothing(store, workflow):
    for attempt in (
        store.get_workflow("bob", workflow.id),
        update(store, workflow, owner="bob", name="mine"),
        update(store, workflow, owner="bob", name="mine", expected_version=9),
        store.delete_workflow("bob", workflow.id),
        store.get_version("bob", workflow.id, 1),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    assert (await store.list_workflows("bob")).items == []
    assert await store.get_workflow("ada", workflow.id) == workflow


@pytest.mark.parametrize("workflow_id", ["", "nobody", "\0", "\ud800", "x" * 5_000, "'; --"])
async def test_an_id_that_names_nothing_is_not_found(store, workflow, workflow_id):
    with pytest.raises(NotFoundError):
        await store.get_workflow("ada", workflow_id)
    with pytest.raises(NotFoundError):
        await store.delete_workflow("ada", workflow_id)


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 2**70, -(2**70)])
async def test_a_version_that_is_not_there_is_not_found(store, workflow, version):
    with pytest.raises(NotFoundError):
        await store.get_version("ada", workflow.id, version)


async def test_names_keep_any_text_that_a_database_can_hold(store):
    name = "Ünïcode 🚀 ' \" \\ % \n"
    created = await store.create_workflow("ada", name=name, description="a\0b\ud800c", graph={})
    found = await store.get_workflow("ada", created.id)
    assert found.name == name
    assert found.description == "a\ufffdb\ufffdc"


async def test_an_owner_is_never_altered(store, workflow):
    with pytest.raises(ValueError, match="NUL"):
        await store.get_workflow("ada\0", workflow.id)
    with pytest.raises(ValueError, match="NUL"):
        await store.create_workflow("ada\0", name="n", description="", graph={})


async def test_a_graph_that_is_no_json_is_refused(store, workflow):
    with pytest.raises(ValueError, match="JSON"):
        await store.create_workflow("ada", name="n", description="", graph={"x": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        await update(store, workflow, graph={"x": object()})


def update(store, workflow, *, owner="ada", expected_version=None, **changes):
    fields = {
        "name": workflow.name,
        "description": workflow.description,
        "graph": workflow.graph,
        **changes,
    }
    return store.update_workflow(owner, workflow.id, expected_version=expected_version, **fields)
