"""The client for programs on asyncio."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode
from uuid import uuid4

from pilot.client.approvals import AsyncApprovals
from pilot.client.problem import Issues, issue_from_json
from pilot.client.resources import Deletion, Execution, Page, Trigger, Wait, Workflow
from pilot.client.transport import TIMEOUT_S, Token, Transport
from pilot.client.versions import AsyncVersions
from pilot.client.watch import Watch
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus
from pilot.versions import VersionName

PAGE = 200
EXPORT_QUIET_S = 60.0


class AsyncClient:
    """Use as `async with AsyncClient(url, token) as client`. `token` may be a function that gives
    one: it is asked at first, and when the one before expires or is refused.

    Every method raises `ApiError` for what the API refuses, and where it stays away.
    """

    def __init__(self, url: str, token: Token) -> None:
        self.transport = Transport(url, token)
        self.workflows = AsyncWorkflows(self.transport)
        self.versions = AsyncVersions(self.transport)
        self.executions = AsyncExecutions(self.transport)
        self.approvals = AsyncApprovals(self.transport)
        self.triggers = AsyncTriggers(self.transport)

    @property
    def url(self) -> str:
        return self.transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.close()

    async def execute(
        self,
        workflow_id: str,
        input: Any = None,
        *,
        key: str | None = None,
        version: VersionName | None = None,
        timeout_s: float | None = None,
        wait: float | None = None,
        start_at: datetime | None = None,
        delay_s: float | None = None,
    ) -> Execution:
        """Starts a run of the workflow, or finds that of the same `key`. Without one a key is made
        up, so that a request whose answer was lost starts nothing twice.

        `version` is by default the published one, or the newest of a workflow that was never
        published. `timeout_s` limits the run; `wait` is how many seconds (at most 60) its end is
        waited for.
        It begins at `start_at`, or in `delay_s` seconds, where one of them is given.
        """
        body: dict[str, Any] = {"input": input}
        if version is not None:
            body["version"] = version
        if timeout_s is not None:
            body["timeout_s"] = timeout_s
        if start_at is not None:
            body["start_at"] = start_at.isoformat()
        if delay_s is not None:
            body["delay_s"] = delay_s
        return Execution.from_json(
            await self.transport.request(
                "POST",
                f"/workflows/{_id(workflow_id)}/execute",
                body,
                query={"wait": wait},
                headers={"Idempotency-Key": key or str(uuid4())},
                repeat=True,
                timeout_s=TIMEOUT_S + (wait or 0),
            )
        )

    async def delete_everything(self, confirm: str) -> Deletion:
        """Begins to delete all that is the caller's, or finds that it has begun. `confirm` is the
        id of the user, or of the organisation that the token names."""
        return Deletion.from_json(
            await self.transport.request("DELETE", "/me", query={"confirm": confirm})
        )

    async def deletion(self) -> Deletion:
        """How far that is."""
        return Deletion.from_json(await self.transport.request("GET", "/me/deletion"))

    def watch(
        self, execution_id: str, last_seq: int = 0, *, on_away: Callable[[str], None] | None = None
    ) -> AsyncIterator[Event]:
        """The run's events after `last_seq`, in order and each once, up to its last; live-only
        ones (tokens, logs, retries) come between. A `snapshot` (its `data` is the execution)
        replaces all that came before it. It connects again by itself, and `on_away` is
        told why it must. Raises `ApiError` where the server refuses the token, or knows no such
        execution."""
        return Watch(self.transport, execution_id, last_seq, on_away).events()


class AsyncWorkflows:
    """A user's workflows. A `graph` is `{"nodes", "edges", "timeout_s"?, "max_parallel"?}`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, name: str, graph: dict[str, Any], description: str = "") -> Workflow:
        """Saved as version 1, with issues too: they come back."""
        body = {**graph, "name": name, "description": description}
        return Workflow.from_json(await self._transport.request("POST", "/workflows", body))

    async def get(self, workflow_id: str) -> Workflow:
        return Workflow.from_json(
            await self._transport.request("GET", f"/workflows/{_id(workflow_id)}")
        )

    async def page(self, cursor: str | None = None, limit: int = PAGE) -> Page[Workflow]:
        query = {"cursor": cursor, "limit": limit}
        answer = await self._transport.request("GET", "/workflows", query=query)
        return Page.of(Workflow.from_json)(answer)

    async def list(self) -> AsyncIterator[Workflow]:
        """All, newest first, without their graphs."""
        cursor: str | None = None
        while True:
            page = await self.page(cursor)
            for workflow in page.items:
                yield workflow
            if (cursor := page.next_cursor) is None:
                return

    async def update(
        self,
        workflow_id: str,
        name: str,
        graph: dict[str, Any],
        description: str = "",
        *,
        version: int,
    ) -> Workflow:
        """Replaces that version; an unchanged graph keeps it. `ApiError` (409) where it is not
        the newest any more."""
        body = {**graph, "name": name, "description": description, "version": version}
        path = f"/workflows/{_id(workflow_id)}"
        return Workflow.from_json(await self._transport.request("PUT", path, body))

    async def save(self, name: str, graph: dict[str, Any], description: str = "") -> Workflow:
        """The workflow of that name, made or brought up to the graph."""
        async for known in self.list():
            if known.name == name:
                return await self.update(known.id, name, graph, description, version=known.version)
        return await self.create(name, graph, description)

    async def delete(self, workflow_id: str) -> None:
        await self._transport.request("DELETE", f"/workflows/{_id(workflow_id)}")

    async def validate(self, graph: dict[str, Any]) -> Issues:
        """All issues of a graph, nothing saved."""
        answer = await self._transport.request("POST", "/workflows/validate", graph, repeat=True)
        return [issue_from_json(item) for item in answer["issues"]]


class AsyncExecutions:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, execution_id: str) -> Execution:
        return Execution.from_json(
            await self._transport.request("GET", f"/executions/{_id(execution_id)}")
        )

    async def waits(self, execution_id: str) -> Sequence[Wait]:
        """What the run waits for now, also inside of loops, maps and the runs that it waits for."""
        path = f"/executions/{_id(execution_id)}/waits"
        return Page.of(Wait.from_json)(await self._transport.request("GET", path)).items

    async def page(
        self,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        parent: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page[Execution]:
        query = {
            "workflow_id": workflow_id,
            "status": status,
            "parent": parent,
            "cursor": cursor,
            "limit": limit,
        }
        answer = await self._transport.request("GET", "/executions", query=query)
        return Page.of(Execution.from_json)(answer)

    async def list(
        self,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        parent: str | None = None,
    ) -> AsyncIterator[Execution]:
        """Newest first, without input, output and nodes: those that no other began, or those that
        the nodes of the execution `parent` did; `parent="any"` are all."""
        cursor: str | None = None
        while True:
            page = await self.page(
                workflow_id=workflow_id, status=status, parent=parent, cursor=cursor
            )
            for execution in page.items:
                yield execution
            if (cursor := page.next_cursor) is None:
                return

    async def children(self, execution_id: str) -> AsyncIterator[Execution]:
        """The runs that the execution's `workflow` nodes began, newest first, as `list` gives
        them; of an execution that is shared with the caller those that are, too."""
        cursor: str | None = None
        while True:
            answer = await self._transport.request(
                "GET",
                f"/executions/{_id(execution_id)}/children",
                query={"cursor": cursor, "limit": PAGE},
            )
            page = Page.of(Execution.from_json)(answer)
            for execution in page.items:
                yield execution
            if (cursor := page.next_cursor) is None:
                return

    async def export(
        self,
        *,
        first: date | None = None,
        last: date | None = None,
        workflow_id: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The executions created from the one day (UTC) to the other, inclusive, each followed by
        its nodes and events: objects with a `kind`. They are read as they come."""
        query = {"from": first, "to": last, "workflow_id": workflow_id}
        given = {name: str(value) for name, value in query.items() if value is not None}
        async with self._transport.lines(
            f"/executions/export?{urlencode(given)}", {}, EXPORT_QUIET_S
        ) as (_, lines):
            async for line in lines:
                yield json.loads(line)

    async def output(
        self, execution_id: str, node_id: str | None = None, path: str = ""
    ) -> AsyncIterator[bytes]:
        """The JSON of a run's output, or of a node's, however large, as it comes."""
        place = "" if node_id is None else f"/nodes/{_id(node_id)}"
        query = f"?{urlencode({'path': path})}" if path else ""
        where = f"/executions/{_id(execution_id)}{place}/output{query}"
        async with self._transport.pieces(where, EXPORT_QUIET_S) as pieces:
            async for piece in pieces:
                yield piece

    async def delete(self, execution_id: str) -> None:
        """Deletes one that has ended. `ApiError` (409) where it has not."""
        await self._transport.request("DELETE", f"/executions/{_id(execution_id)}")

    async def cancel(self, execution_id: str) -> Execution:
        """Asks the run to end: it is `cancelled` once its nodes have ended. `ApiError` (409) where
        it has finished."""
        return await self._ask(execution_id, "cancel")

    async def pause(self, execution_id: str) -> Execution:
        """Starts no further node until `resume`."""
        return await self._ask(execution_id, "pause")

    async def resume(self, execution_id: str) -> Execution:
        return await self._ask(execution_id, "resume")

    async def retry(
        self,
        execution_id: str,
        *,
        begin: Sequence[str] | None = None,
        version: VersionName | None = None,
        key: str | None = None,
    ) -> Execution:
        """A new execution that goes on from one that has ended: the nodes that failed, or those to
        `begin` at and all below them, are run again. `version` is by default the same."""
        body: dict[str, Any] = {} if begin is None else {"from": list(begin)}
        if version is not None:
            body["version"] = version
        return Execution.from_json(
            await self._transport.request(
                "POST",
                f"/executions/{_id(execution_id)}/retry",
                body,
                headers={"Idempotency-Key": key or str(uuid4())},
                repeat=True,
            )
        )

    async def _ask(self, execution_id: str, what: str) -> Execution:
        path = f"/executions/{_id(execution_id)}/{what}"
        return Execution.from_json(await self._transport.request("POST", path, repeat=True))


class AsyncTriggers:
    """Schedules and webhooks of a user's workflows."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def schedule(
        self, workflow_id: str, name: str, schedule: dict[str, Any], **fields: Any
    ) -> Trigger:
        """Makes a schedule: `schedule` as in docs/triggers.md; `input`, `timeout_s`, `paused` and
        `note` as further fields."""
        return await self._create(workflow_id, name, {**fields, "schedule": schedule})

    async def webhook(
        self, workflow_id: str, name: str, webhook: dict[str, Any] | None = None, **fields: Any
    ) -> Trigger:
        """Makes a webhook: its `token` and `url` are given this once."""
        return await self._create(workflow_id, name, {**fields, "webhook": webhook or {}})

    async def _create(self, workflow_id: str, name: str, fields: dict[str, Any]) -> Trigger:
        body = {"workflow_id": workflow_id, "name": name, **fields}
        return Trigger.from_json(
            await self._transport.request(
                "POST", "/triggers", body, headers={"Idempotency-Key": str(uuid4())}, repeat=True
            )
        )

    async def get(self, trigger_id: str) -> Trigger:
        return Trigger.from_json(
            await self._transport.request("GET", f"/triggers/{_id(trigger_id)}")
        )

    async def page(
        self,
        *,
        workflow_id: str | None = None,
        kind: str | None = None,
        cursor: str | None = None,
        limit: int = PAGE,
    ) -> Page[Trigger]:
        query = {"workflow_id": workflow_id, "kind": kind, "cursor": cursor, "limit": limit}
        answer = await self._transport.request("GET", "/triggers", query=query)
        return Page.of(Trigger.from_json)(answer)

    async def list(
        self, *, workflow_id: str | None = None, kind: str | None = None
    ) -> AsyncIterator[Trigger]:
        """Newest first."""
        cursor: str | None = None
        while True:
            page = await self.page(workflow_id=workflow_id, kind=kind, cursor=cursor)
            for trigger in page.items:
                yield trigger
            if (cursor := page.next_cursor) is None:
                return

    async def pause(self, trigger_id: str, note: str = "") -> Trigger:
        return await self._ask(trigger_id, "pause", {"note": note}, repeat=True)

    async def resume(self, trigger_id: str) -> Trigger:
        return await self._ask(trigger_id, "resume", repeat=True)

    async def run(self, trigger_id: str) -> Trigger:
        """One run more of a schedule, now."""
        return await self._ask(trigger_id, "run")

    async def backfill(
        self, trigger_id: str, start_at: datetime, end_at: datetime, overlap: str = "buffer_all"
    ) -> Trigger:
        """Runs those of a schedule's times in a spell of the past that had no run yet."""
        body = {
            "start_at": start_at.isoformat(),
            "end_at": end_at.isoformat(),
            "overlap": overlap,
        }
        return await self._ask(trigger_id, "backfill", body, repeat=True)

    async def rotate(self, trigger_id: str) -> Trigger:
        """A new token of a webhook."""
        return await self._ask(trigger_id, "rotate")

    async def delete(self, trigger_id: str) -> None:
        await self._transport.request("DELETE", f"/triggers/{_id(trigger_id)}")

    async def executions(
        self, trigger_id: str, *, cursor: str | None = None, limit: int = PAGE
    ) -> Page[Execution]:
        """What it has begun, newest first, without input, output and nodes."""
        query = {"cursor": cursor, "limit": limit}
        path = f"/triggers/{_id(trigger_id)}/executions"
        return Page.of(Execution.from_json)(await self._transport.request("GET", path, query=query))

    async def _ask(
        self,
        trigger_id: str,
        what: str,
        body: dict[str, Any] | None = None,
        *,
        repeat: bool = False,
    ) -> Trigger:
        path = f"/triggers/{_id(trigger_id)}/{what}"
        return Trigger.from_json(await self._transport.request("POST", path, body, repeat=repeat))


def _id(text: str) -> str:
    return quote(text, safe="")
