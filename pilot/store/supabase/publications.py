"""`PublicationStore` on Supabase."""

from __future__ import annotations

from pilot.errors import NotFoundError
from pilot.store import Page
from pilot.store.paging import page_size
from pilot.store.publications import (
    NOTHING_EXPECTED,
    Expected,
    Publication,
    VersionSummary,
    before,
    page_of_versions,
    publication,
)
from pilot.store.queries import storable
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record
from pilot.store.values import owner_id, plain


class SupabasePublications:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def publish(
        self,
        owner: str,
        workflow_id: str,
        version: int,
        *,
        by: str | None = None,
        note: str | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> Publication:
        return await self._add(owner, workflow_id, storable(version), by, note, expected)

    async def unpublish(
        self,
        owner: str,
        workflow_id: str,
        *,
        by: str | None = None,
        note: str | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> Publication:
        return await self._add(owner, workflow_id, None, by, note, expected)

    async def _add(
        self,
        owner: str,
        workflow_id: str,
        version: int | None,
        by: str | None,
        note: str | None,
        expected: Expected,
    ) -> Publication:
        found = await self._connection.write(
            "publish",
            owner=owner_id(owner),
            id=plain(workflow_id),
            version=version,
            by=None if by is None else owner_id(by),
            note=None if note is None else plain(note),
            expected=None if expected.version is None else storable(expected.version),
            expected_publication=None
            if expected.publication is None
            else storable(expected.publication),
        )
        return publication(record(found))

    async def of_version(self, owner: str, workflow_id: str, version: int) -> Publication | None:
        found = await self._connection.read(
            "publication_of",
            owner=owner_id(owner),
            id=plain(workflow_id),
            version=storable(version),
        )
        return None if found is None else publication(record(found))

    async def versions(
        self, owner: str, workflow_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[VersionSummary]:
        found = await self._connection.read(
            "list_versions",
            owner=owner_id(owner),
            id=plain(workflow_id),
            size=page_size(limit) + 1,
            before=before(cursor),
        )
        if found is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        return page_of_versions([record(row) for row in found], limit)
