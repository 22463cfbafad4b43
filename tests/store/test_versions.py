"""Versions that are kept: asked of the database once, never for another owner, within bounds."""

from datetime import UTC, datetime

import pytest

from pilot.errors import NotFoundError
from pilot.store import WorkflowVersion, versions
from pilot.store.versions import Versions


async def test_a_version_is_asked_for_once_and_stays_its_owners(store, workflow, statements):
    statements.clear()
    first = await store.get_version("ada", workflow.id, 1)
    assert await store.get_version("ada", workflow.id, 1) is first
    assert len(statements) == 1
    with pytest.raises(NotFoundError):
        await store.get_version("bob", workflow.id, 1)
    await store.update_workflow(
        "ada", workflow.id, name="n", description="", graph={"nodes": []}, expected_version=1
    )
    assert (await store.get_version("ada", workflow.id, 2)).graph == {"nodes": []}
    assert await store.get_version("ada", workflow.id, 1) is first


def test_what_was_used_last_is_kept(monkeypatch):
    monkeypatch.setattr(versions, "MAX_CHARS", 100)
    monkeypatch.setattr(versions, "MAX_GRAPH_CHARS", 50)
    kept = Versions()

    def put(name: str, size: int) -> None:
        graph = {"x": "a" * size}
        now = datetime.now(UTC)
        kept.put(("u", name, 1), WorkflowVersion(name, 1, name, graph, "", now))

    for name in "abc":
        put(name, 25)
    assert kept.get(("u", "a", 1)) is not None
    put("d", 25)
    assert [bool(kept.get(("u", name, 1))) for name in "abcd"] == [True, False, True, True]
    put("e", 95)
    assert kept.get(("u", "e", 1)) is None
