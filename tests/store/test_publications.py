"""The contract of what is published, and of the list of versions, on every database."""

from __future__ import annotations

import asyncio

import pytest

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.store import Store, Workflow
from pilot.store.paging import encode_cursor
from pilot.store.publications import Expected, Publication


async def saved(store: Store, workflow: Workflow, number: int, **more: object) -> Workflow:
    graph = {"nodes": [{"id": f"n{number}", "type": "start"}], "edges": []}
    return await store.update_workflow(
        workflow.owner,
        workflow.id,
        name=f"v{number}",
        description="",
        graph=graph,
        expected_version=None,
        **more,
    )


async def test_what_is_published_is_what_was_named(store, workflow):
    assert (workflow.published_version, workflow.publication) == (None, 0)
    await saved(store, workflow, 2)
    first = await store.publications.publish("ada", workflow.id, 1, by="eve", note="go")
    assert first == Publication(workflow.id, 1, 1, first.published_at, "eve", "go")
    assert first.published_at.utcoffset().total_seconds() == 0
    found = await store.get_workflow("ada", workflow.id)
    assert (found.version, found.published_version, found.publication) == (2, 1, 1)
    after = await saved(store, workflow, 3)
    assert (after.version, after.published_version, after.publication) == (3, 1, 1)
    assert after == await store.get_workflow("ada", workflow.id)
    [listed] = (await store.list_workflows("ada")).items
    assert (listed.published_version, listed.publication) == (1, 1)
    second = await store.publications.publish("ada", workflow.id, 3)
    assert (second.number, second.version, second.published_by, second.note) == (2, 3, None, None)
    back = await store.publications.publish("ada", workflow.id, 1, note="3 was broken")
    assert (back.number, back.version) == (3, 1)
    assert (await store.get_workflow("ada", workflow.id)).published_version == 1
    assert await store.publications.of_version("ada", workflow.id, 1) == back
    assert await store.publications.of_version("ada", workflow.id, 3) == second
    assert await store.publications.of_version("ada", workflow.id, 2) is None


async def test_to_publish_again_changes_nothing_but_for_another_note(store, workflow):
    publish = store.publications.publish
    first = await publish("ada", workflow.id, 1, by="eve", note="go")
    assert await publish("ada", workflow.id, 1, by="bob") == first
    assert await publish("ada", workflow.id, 1, by="bob", note="go") == first
    other = await publish("ada", workflow.id, 1, by="bob", note="went")
    assert (other.number, other.published_by, other.note) == (2, "bob", "went")


async def test_a_workflow_is_taken_offline_and_comes_back(store, workflow):
    publications = store.publications
    with pytest.raises(ConflictError) as refused:
        await publications.unpublish("ada", workflow.id)
    assert refused.value.code == "not_published"
    await publications.publish("ada", workflow.id, 1)
    gone = await publications.unpublish("ada", workflow.id, by="eve", note="it spams")
    assert (gone.number, gone.version, gone.published_by, gone.note) == (2, None, "eve", "it spams")
    assert await publications.unpublish("ada", workflow.id) == gone
    found = await store.get_workflow("ada", workflow.id)
    assert (found.published_version, found.publication) == (None, 2)
    [version] = (await publications.versions("ada", workflow.id)).items
    assert (version.publication.number, version.is_published) == (1, False)
    assert (await publications.publish("ada", workflow.id, 1)).number == 3


async def test_versions_are_listed_newest_first_with_their_last_publication(store, workflow):
    for number in range(2, 6):
        await saved(store, workflow, number, by="bob")
    await store.publications.publish("ada", workflow.id, 2, note="old")
    await store.publications.publish("ada", workflow.id, 4, by="eve", note="new")
    last = await store.publications.publish("ada", workflow.id, 2, by="eve", note="back")
    listed = (await store.publications.versions("ada", workflow.id)).items
    assert [(one.version, one.name) for one in listed] == [
        *((number, f"v{number}") for number in (5, 4, 3, 2)),
        (1, "Chat"),
    ]
    assert [one.is_published for one in listed] == [False, False, False, True, False]
    assert [one.publication and one.publication.number for one in listed] == [
        None,
        2,
        None,
        3,
        None,
    ]
    assert listed[3].publication == last
    assert [one.created_by for one in listed] == ["bob"] * 4 + [None]
    whole = await store.get_version("ada", workflow.id, 3)
    for name in ("name", "description", "content_hash", "created_at", "created_by"):
        assert getattr(listed[2], name) == getattr(whole, name)


async def test_the_list_is_paged_while_versions_come_in(store, workflow):
    for number in range(2, 6):
        await saved(store, workflow, number)
    seen, cursor = [], None
    while True:
        page = await store.publications.versions("ada", workflow.id, limit=2, cursor=cursor)
        seen += [one.version for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        await saved(store, workflow, 10 + len(seen))
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "", pytest.param("id", id="of another list")],
)
async def test_a_bad_cursor_is_told(store, workflow, cursor):
    if cursor == "id":
        cursor = encode_cursor(workflow.created_at, workflow.id)
    with pytest.raises(ConflictError) as refused:
        await store.publications.versions("ada", workflow.id, cursor=cursor)
    assert refused.value.code == "invalid_cursor"


async def test_a_cursor_past_the_end_is_the_last_page(store, workflow):
    cursor = encode_cursor(workflow.created_at, "1")
    page = await store.publications.versions("ada", workflow.id, cursor=cursor)
    assert (page.items, page.next_cursor) == ([], None)


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 2**70])
async def test_a_version_that_is_not_there_is_not_published(store, workflow, version):
    with pytest.raises(NotFoundError, match="version"):
        await store.publications.publish("ada", workflow.id, version)
    assert await store.publications.of_version("ada", workflow.id, version) is None
    assert (await store.get_workflow("ada", workflow.id)).publication == 0


async def test_what_is_expected_must_be_so(store, workflow):
    publications = store.publications
    await saved(store, workflow, 2)
    for expected in (Expected(version=1), Expected(publication=1), Expected(2, 1)):
        for attempt in (
            publications.publish("ada", workflow.id, 1, expected=expected),
            publications.unpublish("ada", workflow.id, expected=expected),
        ):
            with pytest.raises(StaleVersionError):
                await attempt
    await publications.publish("ada", workflow.id, 1, expected=Expected(2, 0))
    with pytest.raises(StaleVersionError):
        await publications.publish("ada", workflow.id, 2, expected=Expected(2, 0))
    await publications.publish("ada", workflow.id, 2, expected=Expected(2, 1))


async def test_another_owner_and_a_deleted_workflow_are_not_found(store, workflow):
    publications = store.publications
    await publications.publish("ada", workflow.id, 1)

    async def nothing(owner: str) -> None:
        for attempt in (
            publications.publish(owner, workflow.id, 1),
            publications.unpublish(owner, workflow.id),
            publications.versions(owner, workflow.id),
        ):
            with pytest.raises(NotFoundError):
                await attempt
        assert await publications.of_version(owner, workflow.id, 1) is None

    await nothing("bob")
    assert (await store.get_workflow("ada", workflow.id)).publication == 1
    await store.delete_workflow("ada", workflow.id)
    await nothing("ada")


async def test_of_publications_of_one_state_at_once_exactly_one_wins(store, workflow):
    for number in range(2, 9):
        await saved(store, workflow, number)
    calls = [
        store.publications.publish("ada", workflow.id, number, expected=Expected(publication=0))
        for number in range(1, 9)
    ]
    results = await asyncio.gather(*calls, return_exceptions=True)
    [won] = [result for result in results if isinstance(result, Publication)]
    assert sum(isinstance(result, StaleVersionError) for result in results) == 7
    found = await store.get_workflow("ada", workflow.id)
    assert (found.published_version, found.publication) == (won.version, 1)


async def test_saves_and_publications_at_once_all_come_to_what_they_said(store, workflow):
    """The row that a save writes back must not undo a publication, nor the other way round."""

    async def save_and_publish(number: int) -> Publication:
        version = (await saved(store, workflow, number)).version
        return await store.publications.publish("ada", workflow.id, version, note=f"v{number}")

    done = await asyncio.gather(*(save_and_publish(number) for number in range(8)))
    assert sorted(one.number for one in done) == list(range(1, 9))
    for one in done:
        assert (await store.get_version("ada", workflow.id, one.version)).name == one.note
    found = await store.get_workflow("ada", workflow.id)
    last = max(done, key=lambda one: one.number)
    assert (found.version, found.publication) == (9, 8)
    assert found.published_version == last.version
    listed = (await store.publications.versions("ada", workflow.id)).items
    assert [one.version for one in listed if one.is_published] == [last.version]


async def test_an_execution_keeps_its_version(store, workflow, execution):
    await saved(store, workflow, 2)
    await store.publications.publish("ada", workflow.id, 2)
    assert (await store.get_execution("ada", execution.id)).workflow_version == 1
