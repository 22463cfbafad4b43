"""A workflow's versions, as a program reads, compares, publishes and restores them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pilot.client.problem import Issues, issue_from_json
from pilot.client.resources import Page, Workflow, maybe_time, read_time
from pilot.client.transport import Transport
from pilot.graph.diff import MISSING, Change
from pilot.versions import DRAFT, PUBLISHED, VersionName

PAGE = 200


@dataclass(frozen=True, slots=True)
class Version:
    """A version. In a list it has no graph; whole, nothing is said of what is published, which
    changes. `created_by` is the user who saved it."""

    version: int
    name: str
    created_at: datetime
    created_by: str | None
    content_hash: str
    graph: dict[str, Any] | None = None
    description: str | None = None
    is_published: bool | None = None
    published_at: datetime | None = None
    published_by: str | None = None
    note: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Version:
        graph = None
        if "nodes" in body:
            limit = body.get("timeout_s")
            graph = {"nodes": body["nodes"], "edges": body["edges"]}
            graph |= {} if limit is None else {"timeout_s": limit}
        return cls(
            version=body["version"],
            name=body["name"],
            created_at=read_time(body["created_at"]),
            created_by=body.get("created_by"),
            content_hash=body["content_hash"],
            graph=graph,
            description=body.get("description"),
            is_published=body.get("is_published"),
            published_at=maybe_time(body.get("published_at")),
            published_by=body.get("published_by"),
            note=body.get("note"),
        )


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published since `published_at`: no `version` where the workflow was taken offline.
    `issues` are warnings."""

    workflow_id: str
    number: int
    version: int | None
    published_at: datetime
    published_by: str | None
    note: str | None
    issues: Issues

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Publication:
        return cls(
            workflow_id=body["workflow_id"],
            number=body["number"],
            version=body["version"],
            published_at=read_time(body["published_at"]),
            published_by=body.get("published_by"),
            note=body.get("note"),
            issues=[issue_from_json(issue) for issue in body.get("issues") or []],
        )


@dataclass(frozen=True, slots=True)
class NodeChanges:
    """A node that both versions have, as the second one calls it."""

    id: str
    type: str
    name: str
    changes: list[Change]

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> NodeChanges:
        return cls(body["id"], body["type"], body["name"], _changes(body["changes"]))


@dataclass(frozen=True, slots=True)
class EdgeChanges:
    source: str
    source_handle: str | None
    target: str
    changes: list[Change]

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> EdgeChanges:
        return cls(
            body["source"], body.get("source_handle"), body["target"], _changes(body["changes"])
        )


@dataclass(frozen=True, slots=True)
class ItemsDiff:
    """What is different in nodes and edges: a version's, or those inside of one of its nodes
    (`container`: the nodes around them, the outermost first, parted by `/`). What is cosmetic no
    run would notice."""

    container: str
    nodes_added: list[dict[str, Any]]
    nodes_removed: list[dict[str, Any]]
    nodes_changed: list[NodeChanges]
    edges_added: list[dict[str, Any]]
    edges_removed: list[dict[str, Any]]
    edges_reordered: bool
    cosmetic_nodes: list[NodeChanges]
    cosmetic_edges: list[EdgeChanges]

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> ItemsDiff:
        nodes, edges, cosmetic = body["nodes"], body["edges"], body["cosmetic"]
        return cls(
            container=body.get("container") or "",
            nodes_added=nodes["added"],
            nodes_removed=nodes["removed"],
            nodes_changed=[NodeChanges.from_json(one) for one in nodes["changed"]],
            edges_added=edges["added"],
            edges_removed=edges["removed"],
            edges_reordered=edges["reordered"],
            cosmetic_nodes=[NodeChanges.from_json(one) for one in cosmetic["nodes"]],
            cosmetic_edges=[EdgeChanges.from_json(one) for one in cosmetic["edges"]],
        )


@dataclass(frozen=True, slots=True)
class VersionsDiff:
    """What is different in the second version: in its settings, its nodes and edges (`items`), and
    in the graphs inside of its nodes (`bodies`)."""

    from_version: int
    to_version: int
    is_same: bool
    is_cosmetic: bool
    settings: list[Change]
    items: ItemsDiff
    bodies: list[ItemsDiff]

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> VersionsDiff:
        return cls(
            from_version=body["from_version"],
            to_version=body["to_version"],
            is_same=body["is_same"],
            is_cosmetic=body["is_cosmetic"],
            settings=_changes(body["settings"]),
            items=ItemsDiff.from_json(body),
            bodies=[ItemsDiff.from_json(one) for one in body.get("bodies") or []],
        )


def _changes(bodies: list[dict[str, Any]]) -> list[Change]:
    return [
        Change(
            body["path"],
            MISSING if body["kind"] == "added" else body["old"],
            MISSING if body["kind"] == "removed" else body["new"],
        )
        for body in bodies
    ]


class AsyncVersions:
    """`if_match` is a `Workflow.etag`: what was changed by others since is not overwritten, and
    not published; `ApiError` (409) instead."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def page(
        self, workflow_id: str, cursor: str | None = None, limit: int = PAGE
    ) -> Page[Version]:
        query = {"cursor": cursor, "limit": limit}
        answer = await self._transport.request("GET", f"{_of(workflow_id)}/versions", query=query)
        return Page.of(Version.from_json)(answer)

    async def list(self, workflow_id: str) -> AsyncIterator[Version]:
        """All, newest first, without their graphs."""
        cursor: str | None = None
        while True:
            page = await self.page(workflow_id, cursor)
            for version in page.items:
                yield version
            if (cursor := page.next_cursor) is None:
                return

    async def get(self, workflow_id: str, version: int) -> Version:
        return Version.from_json(
            await self._transport.request("GET", f"{_of(workflow_id)}/versions/{version}")
        )

    async def diff(
        self, workflow_id: str, old: VersionName = PUBLISHED, new: VersionName = DRAFT
    ) -> VersionsDiff:
        """What is different in `new`; by default what publishing the newest would change."""
        query = {"from": old, "to": new}
        path = f"{_of(workflow_id)}/versions/diff"
        return VersionsDiff.from_json(await self._transport.request("GET", path, query=query))

    async def publish(
        self,
        workflow_id: str,
        version: int | None = None,
        note: str | None = None,
        *,
        if_match: str | None = None,
    ) -> Publication:
        """Makes that version, or the newest, the one that runs by default."""
        body = {"version": version, "note": note}
        return Publication.from_json(await self._ask(f"{_of(workflow_id)}/publish", if_match, body))

    async def unpublish(
        self, workflow_id: str, note: str | None = None, *, if_match: str | None = None
    ) -> Publication:
        """Takes the workflow offline: it runs no more until a version is published again."""
        path = f"{_of(workflow_id)}/unpublish"
        return Publication.from_json(await self._ask(path, if_match, {"note": note}))

    async def restore(
        self, workflow_id: str, version: int, *, if_match: str | None = None
    ) -> Workflow:
        """Saves an old version's content as the newest version."""
        path = f"{_of(workflow_id)}/versions/{version}/restore"
        return Workflow.from_json(await self._ask(path, if_match))

    async def _ask(self, path: str, if_match: str | None, body: Any = None) -> dict[str, Any]:
        headers = {} if if_match is None else {"If-Match": if_match}
        # asked twice, each comes to the same; but not where what it expects has changed by it
        return await self._transport.request(
            "POST", path, body, headers=headers, repeat=if_match is None
        )


def _of(workflow_id: str) -> str:
    return f"/workflows/{quote(workflow_id, safe='')}"
