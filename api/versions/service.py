"""Decisions about versions: what may be published, and what restoring one does."""

from __future__ import annotations

from api.access import Opened
from api.issues import issues_out
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.versions.comparison import compared
from api.versions.schemas import (
    DiffOut,
    PublicationOut,
    PublishIn,
    UnpublishIn,
    VersionOut,
    VersionSummaryOut,
)
from api.workflows import conflicts
from api.workflows.schemas import WorkflowOut
from api.workflows.service import check, shown
from pilot.errors import GraphError
from pilot.graph.issues import Issue, errors
from pilot.graph.model import Graph
from pilot.store import WorkflowVersion
from pilot.store.publications import Publication, VersionSummary
from pilot.versions import DRAFT, VersionName, named


async def listing(
    parts: Parts, owner: str, workflow_id: str, page: PageQuery
) -> PageOut[VersionSummaryOut]:
    found = await parts.store.publications.versions(
        owner, workflow_id, limit=page.limit, cursor=page.cursor
    )
    return PageOut(items=[_summary(one) for one in found.items], next_cursor=found.next_cursor)


async def read(parts: Parts, owner: str, workflow_id: str, version: int) -> VersionOut:
    found = await parts.store.get_version(owner, workflow_id, version)
    return VersionOut.model_construct(
        workflow_id=found.workflow_id,
        version=found.version,
        name=found.name,
        description=found.description,
        created_at=found.created_at,
        created_by=found.created_by,
        content_hash=found.content_hash,
        nodes=found.graph.get("nodes", []),
        edges=found.graph.get("edges", []),
        timeout_s=found.graph.get("timeout_s"),
        max_parallel=found.graph.get("max_parallel"),
    )


async def compare(
    parts: Parts, owner: str, workflow_id: str, old: VersionName, new: VersionName
) -> DiffOut:
    workflow = await parts.store.get_workflow(owner, workflow_id)
    return await compared(
        await named(parts.store, workflow, old), await named(parts.store, workflow, new)
    )


async def publish(
    parts: Parts,
    owner: str,
    user_id: str,
    workflow_id: str,
    body: PublishIn,
    if_match: str | None,
) -> PublicationOut:
    """Publishes exactly the version that was looked at here: one that is saved meanwhile is
    another. Raises `GraphError` (422) and `Problem` (409)."""
    workflow = await parts.store.get_workflow(owner, workflow_id)
    expected = await conflicts.expected(parts.store, workflow, if_match)
    version = await named(parts.store, workflow, body.version or DRAFT)
    graph = Graph.model_validate(version.graph)
    issues = await check(graph, parts.specs, parts.store, owner, workflow_id)
    if errors(issues):
        raise GraphError(issues)
    async with conflicts.told(parts.store, owner, workflow_id):
        publication = await parts.store.publications.publish(
            owner, workflow_id, version.version, by=user_id, note=body.note, expected=expected
        )
    return _publication(publication, issues)


async def unpublish(
    parts: Parts,
    owner: str,
    user_id: str,
    workflow_id: str,
    body: UnpublishIn,
    if_match: str | None,
) -> PublicationOut:
    """Takes the workflow offline. Raises `Problem` (409), and as the store does."""
    workflow = await parts.store.get_workflow(owner, workflow_id)
    expected = await conflicts.expected(parts.store, workflow, if_match)
    async with conflicts.told(parts.store, owner, workflow_id):
        publication = await parts.store.publications.unpublish(
            owner, workflow_id, by=user_id, note=body.note, expected=expected
        )
    return _publication(publication, [])


async def restore(
    parts: Parts, of: Opened, user_id: str, version: int, if_match: str | None
) -> WorkflowOut:
    """Saves an old version's content as the newest. Raises `Problem` (409)."""
    owner, workflow_id = of.owner, of.workflow.id
    expected = await conflicts.expected_version(parts.store, of.workflow, if_match)
    old: WorkflowVersion = await parts.store.get_version(owner, workflow_id, version)
    async with conflicts.told(parts.store, owner, workflow_id):
        workflow = await parts.store.update_workflow(
            owner,
            workflow_id,
            name=old.name,
            description=old.description,
            graph=old.graph,
            expected_version=expected,
            by=user_id,
        )
    return await shown(parts, of, workflow)


def _publication(publication: Publication, warnings: list[Issue]) -> PublicationOut:
    return PublicationOut(
        workflow_id=publication.workflow_id,
        number=publication.number,
        version=publication.version,
        published_at=publication.published_at,
        published_by=publication.published_by,
        note=publication.note,
        issues=issues_out(warnings),
    )


def _summary(found: VersionSummary) -> VersionSummaryOut:
    last = found.publication
    return VersionSummaryOut(
        version=found.version,
        name=found.name,
        created_at=found.created_at,
        created_by=found.created_by,
        content_hash=found.content_hash,
        is_published=found.is_published,
        published_at=None if last is None else last.published_at,
        published_by=None if last is None else last.published_by,
        note=None if last is None else last.note,
    )
