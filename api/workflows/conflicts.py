"""Who came too late: what a save, a publication or a restoration expects, and how it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.etag import etag, if_match_tags
from api.problems import CurrentOut, Problem
from pilot.errors import StaleVersionError
from pilot.store import Store, Workflow
from pilot.store.publications import NOTHING_EXPECTED, Expected


async def expected_version(
    store: Store, workflow: Workflow, if_match: str | None, version: int | None = None
) -> int | None:
    """The one version that a save may replace; None: whichever is the newest.

    `If-Match` may name several, so the newest, which is the workflow as it was looked up, is then
    expected: a save in between still makes this one stale. What is published meanwhile is no
    matter, as no save changes that. Raises `Problem` (409).
    """
    allowed = if_match_tags(if_match)
    if allowed is None:
        return version
    if not any(tag.version == workflow.version for tag in allowed) or version not in (
        None,
        workflow.version,
    ):
        raise await stale(store, workflow)
    return workflow.version


async def expected(store: Store, workflow: Workflow, if_match: str | None) -> Expected:
    """What a publication expects of the workflow: of it, all that `If-Match` names.

    Raises `Problem` (409).
    """
    allowed = if_match_tags(if_match)
    if allowed is None:
        return NOTHING_EXPECTED
    version, publication = workflow.version, workflow.publication
    matching = [tag for tag in allowed if tag.matches(version, publication)]
    if not matching:
        raise await stale(store, workflow)
    is_any_publication = any(tag.publication is None for tag in matching)
    return Expected(version, None if is_any_publication else publication)


@asynccontextmanager
async def told(store: Store, owner: str, workflow_id: str) -> AsyncIterator[None]:
    """What the store finds stale within it is told with what is there now."""
    try:
        yield
    except StaleVersionError:
        raise await stale(store, await store.get_workflow(owner, workflow_id)) from None


async def stale(store: Store, workflow: Workflow) -> Problem:
    """The problem, with what the workflow is now and who saved that."""
    newest = await store.get_version(workflow.owner, workflow.id, workflow.version)
    tag = etag(workflow.version, workflow.publication)
    current = CurrentOut(
        version=workflow.version,
        etag=tag,
        published_version=workflow.published_version,
        saved_at=newest.created_at,
        saved_by=newest.created_by,
    )
    return Problem(
        409,
        "stale_version",
        f"The workflow is at version {workflow.version}, and was changed by somebody else "
        "meanwhile: read it again and repeat the change.",
        headers={"ETag": tag},
        current=current,
    )
