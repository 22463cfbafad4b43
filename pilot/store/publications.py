"""Which version of a workflow is published, what was before, and the list of all versions.

What is published runs by default. A publication names a version, never its content anew: to roll
back is to publish an older one. Each is a row that stays, with who did it and why; the workflow's
own row says the last one's number and version, and is locked by whoever adds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.store import Page
from pilot.store.database import Database
from pilot.store.paging import decode_cursor, encode_cursor, page_size
from pilot.store.queries import is_alive, locked_workflow, storable
from pilot.store.tables import publications, workflow_versions, workflows
from pilot.versions import NOT_PUBLISHED


@dataclass(frozen=True, slots=True)
class Publication:
    """The `number`th of its workflow, from 1. Without a `version` it took the workflow offline.
    `published_by` is the user."""

    workflow_id: str
    number: int
    version: int | None
    published_at: datetime
    published_by: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """An item of the list: everything but the graph. `publication` is the version's last one,
    whether or not another version came after; `is_published` says whether none did."""

    version: int
    name: str
    description: str
    content_hash: str
    created_at: datetime
    created_by: str | None
    publication: Publication | None
    is_published: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What the workflow must still be like: its newest version, its last publication's number
    (0: none). None is not asked about."""

    version: int | None = None
    publication: int | None = None


NOTHING_EXPECTED = Expected()


class PublicationStore(Protocol):
    """Every implementation passes `tests/store/test_publications.py`."""

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
        """Makes that version the published one, whatever is saved meanwhile. Where it is already,
        with this note or none asked for, nothing changes: its publication is given back.

        Raises `NotFoundError` (workflow or version) and `StaleVersionError`.
        """
        ...

    async def unpublish(
        self,
        owner: str,
        workflow_id: str,
        *,
        by: str | None = None,
        note: str | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> Publication:
        """Takes the workflow offline: no version is published any more. Once is enough.

        Raises as `publish` does, and `ConflictError` (`not_published`) where none ever was.
        """
        ...

    async def of_version(self, owner: str, workflow_id: str, version: int) -> Publication | None:
        """The version's last publication. None: it has none, or there is no such version."""
        ...

    async def versions(
        self, owner: str, workflow_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[VersionSummary]:
        """All versions, the newest first. Raises `NotFoundError`, and `ConflictError`
        (`invalid_cursor`)."""
        ...


class SqlPublications:
    """`PublicationStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        async with self._database.writing() as connection:
            row = await _locked(connection, owner, workflow_id, expected)
            exists = select(workflow_versions.c.version).where(
                workflow_versions.c.workflow_id == workflow_id,
                workflow_versions.c.version == storable(version),
            )
            if (await connection.execute(exists)).one_or_none() is None:
                raise NotFoundError(f"there is no version {version} of workflow {workflow_id}")
            return await _add(connection, row, version, by, note)

    async def unpublish(
        self,
        owner: str,
        workflow_id: str,
        *,
        by: str | None = None,
        note: str | None = None,
        expected: Expected = NOTHING_EXPECTED,
    ) -> Publication:
        async with self._database.writing() as connection:
            row = await _locked(connection, owner, workflow_id, expected)
            if row.publication == 0:
                raise ConflictError(
                    f"no version of workflow {workflow_id} was ever published", code=NOT_PUBLISHED
                )
            return await _add(connection, row, None, by, note)

    async def of_version(self, owner: str, workflow_id: str, version: int) -> Publication | None:
        query = (
            select(publications)
            .join(workflows, workflows.c.id == publications.c.workflow_id)
            .where(
                is_alive(owner, workflow_id),
                publications.c.version == storable(version),
            )
            .order_by(publications.c.number.desc())
            .limit(1)
        )
        row = await self._database.row(query)
        return None if row is None else publication(row)

    async def versions(
        self, owner: str, workflow_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[VersionSummary]:
        query = _listed(owner, workflow_id, before(cursor)).limit(page_size(limit) + 1)
        found = await self._database.rows(query)
        if not found:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        return page_of_versions([row for row in found if row.version is not None], limit)


def before(cursor: str | None) -> int | None:
    """The version that a page begins after; None for the first page. Raises `ConflictError`
    (`invalid_cursor`)."""
    if cursor is None:
        return None
    _, version = decode_cursor(cursor)
    if not (version.isascii() and version.isdecimal()):
        raise ConflictError("the cursor is of another list", code="invalid_cursor")
    return storable(int(version[:20]))


def page_of_versions(rows: Sequence[Any], limit: int) -> Page[VersionSummary]:
    size = page_size(limit)
    items = [_summary(row) for row in rows[:size]]
    if len(rows) <= size:
        return Page(items)
    return Page(items, encode_cursor(items[-1].created_at, str(items[-1].version)))


def publication(row: Any) -> Publication:
    return Publication(
        workflow_id=row.workflow_id,
        number=row.number,
        version=row.version,
        published_at=row.published_at,
        published_by=row.published_by,
        note=row.note,
    )


def _summary(row: Any) -> VersionSummary:
    return VersionSummary(
        version=row.version,
        name=row.name,
        description=row.description,
        content_hash=row.content_hash,
        created_at=row.created_at,
        created_by=row.created_by,
        publication=None if row.number is None else publication(row),
        is_published=row.version == row.published_version,
    )


def _listed(owner: str, workflow_id: str, before: int | None) -> Select[Any]:
    """Versions with their last publications; one row of NULLs where none is left."""
    versions = workflow_versions.c
    last = (
        select(func.max(publications.c.number))
        .where(
            publications.c.workflow_id == versions.workflow_id,
            publications.c.version == versions.version,
        )
        .correlate(workflow_versions)
        .scalar_subquery()
    )
    of_workflow = versions.workflow_id == workflows.c.id
    if before is not None:
        of_workflow = of_workflow & (versions.version < before)
    is_last = (publications.c.workflow_id == versions.workflow_id) & (publications.c.number == last)
    return (
        select(
            versions.workflow_id,
            versions.version,
            versions.name,
            versions.description,
            versions.content_hash,
            versions.created_at,
            versions.created_by,
            publications.c.number,
            publications.c.published_at,
            publications.c.published_by,
            publications.c.note,
            workflows.c.published_version,
        )
        .select_from(workflows)
        .join(workflow_versions, of_workflow, isouter=True)
        .join(publications, is_last, isouter=True)
        .where(is_alive(owner, workflow_id))
        .order_by(versions.version.desc())
    )


async def _locked(
    connection: AsyncConnection, owner: str, workflow_id: str, expected: Expected
) -> Row[Any]:
    found = await connection.execute(*locked_workflow(owner, workflow_id))
    row: Row[Any] | None = found.one_or_none()
    if row is None:
        raise NotFoundError(f"there is no workflow {workflow_id}")
    if expected.version not in (None, row.version):
        raise StaleVersionError(
            f"workflow {workflow_id} is at version {row.version}, not {expected.version}: somebody "
            "saved in between"
        )
    if expected.publication not in (None, row.publication):
        raise StaleVersionError(
            f"somebody published another version of workflow {workflow_id} in between"
        )
    return row


async def _add(
    connection: AsyncConnection,
    row: Row[Any],
    version: int | None,
    by: str | None,
    note: str | None,
) -> Publication:
    if row.publication > 0 and row.published_version == version:
        last = select(publications).where(
            publications.c.workflow_id == row.id, publications.c.number == row.publication
        )
        found = publication((await connection.execute(last)).one())
        if note in (None, found.note):
            return found
    made = {
        "workflow_id": row.id,
        "number": row.publication + 1,
        "version": version,
        "published_at": datetime.now(UTC),
        "published_by": by,
        "note": note,
    }
    await connection.execute(insert(publications), made)
    await connection.execute(
        update(workflows).where(workflows.c.id == row.id),
        {"published_version": version, "publication": row.publication + 1},
    )
    return Publication(**made)
