"""The client for programs without asyncio: the same calls, on an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from pilot.client.approvals import Approval, AsyncApprovals, Decision
from pilot.client.asynchronous import (
    AsyncClient,
    AsyncExecutions,
    AsyncTriggers,
    AsyncWorkflows,
)
from pilot.client.problem import Issues
from pilot.client.resources import Deletion, Execution, Page, Trigger, Wait, Workflow
from pilot.client.transport import Token
from pilot.client.versions import AsyncVersions, Publication, Version, VersionsDiff
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus
from pilot.versions import DRAFT, PUBLISHED, VersionName

T = TypeVar("T")


class _Loop:
    """An event loop in a daemon thread. Works in a notebook too, where a loop runs already."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="pilot-client", daemon=True
        )
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C, say: it is not to go on unseen
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        end = object()

        async def step() -> T | object:
            return await anext(items, end)

        async def close() -> None:
            if isinstance(items, AsyncGenerator):
                with suppress(RuntimeError):  # a step that was cut off is still ending it
                    await items.aclose()

        try:
            while (item := self.run(step())) is not end:
                yield item  # type: ignore[misc]
        finally:
            self.run(close())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Client:
    """Use as `with Client(url, token) as client`; see `AsyncClient` for what each call does."""

    def __init__(self, url: str, token: Token) -> None:
        self._loop = _Loop()
        self._client = AsyncClient(url, token)
        self.workflows = Workflows(self._loop, self._client.workflows)
        self.versions = Versions(self._loop, self._client.versions)
        self.executions = Executions(self._loop, self._client.executions)
        self.approvals = Approvals(self._loop, self._client.approvals)
        self.triggers = Triggers(self._loop, self._client.triggers)

    @property
    def url(self) -> str:
        return self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._loop.run(self._client.close())
        self._loop.close()

    def execute(
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
        return self._loop.run(
            self._client.execute(
                workflow_id,
                input,
                key=key,
                version=version,
                timeout_s=timeout_s,
                wait=wait,
                start_at=start_at,
                delay_s=delay_s,
            )
        )

    def delete_everything(self, confirm: str) -> Deletion:
        return self._loop.run(self._client.delete_everything(confirm))

    def deletion(self) -> Deletion:
        return self._loop.run(self._client.deletion())

    def watch(
        self, execution_id: str, last_seq: int = 0, *, on_away: Callable[[str], None] | None = None
    ) -> Iterator[Event]:
        return self._loop.iterate(self._client.watch(execution_id, last_seq, on_away=on_away))


class Workflows:
    def __init__(self, loop: _Loop, workflows: AsyncWorkflows) -> None:
        self._run, self._iterate = loop.run, loop.iterate
        self._workflows = workflows

    def create(self, name: str, graph: dict[str, Any], description: str = "") -> Workflow:
        return self._run(self._workflows.create(name, graph, description))

    def get(self, workflow_id: str) -> Workflow:
        return self._run(self._workflows.get(workflow_id))

    def list(self) -> Iterator[Workflow]:
        return self._iterate(self._workflows.list())

    def update(
        self,
        workflow_id: str,
        name: str,
        graph: dict[str, Any],
        description: str = "",
        *,
        version: int,
    ) -> Workflow:
        return self._run(
            self._workflows.update(workflow_id, name, graph, description, version=version)
        )

    def save(self, name: str, graph: dict[str, Any], description: str = "") -> Workflow:
        return self._run(self._workflows.save(name, graph, description))

    def delete(self, workflow_id: str) -> None:
        self._run(self._workflows.delete(workflow_id))

    def validate(self, graph: dict[str, Any]) -> Issues:
        return self._run(self._workflows.validate(graph))


class Approvals:
    def __init__(self, loop: _Loop, approvals: AsyncApprovals) -> None:
        self._run, self._iterate = loop.run, loop.iterate
        self._approvals = approvals

    def list(self) -> Iterator[Approval]:
        return self._iterate(self._approvals.list())

    def answer(
        self,
        execution_id: str,
        node_id: str,
        decision: Decision,
        *,
        values: Any = None,
        comment: str | None = None,
        path: str = "",
    ) -> str:
        return self._run(
            self._approvals.answer(
                execution_id, node_id, decision, values=values, comment=comment, path=path
            )
        )


class Versions:
    def __init__(self, loop: _Loop, versions: AsyncVersions) -> None:
        self._run, self._iterate = loop.run, loop.iterate
        self._versions = versions

    def list(self, workflow_id: str) -> Iterator[Version]:
        return self._iterate(self._versions.list(workflow_id))

    def get(self, workflow_id: str, version: int) -> Version:
        return self._run(self._versions.get(workflow_id, version))

    def diff(
        self, workflow_id: str, old: VersionName = PUBLISHED, new: VersionName = DRAFT
    ) -> VersionsDiff:
        return self._run(self._versions.diff(workflow_id, old, new))

    def publish(
        self,
        workflow_id: str,
        version: int | None = None,
        note: str | None = None,
        *,
        if_match: str | None = None,
    ) -> Publication:
        return self._run(self._versions.publish(workflow_id, version, note, if_match=if_match))

    def unpublish(
        self, workflow_id: str, note: str | None = None, *, if_match: str | None = None
    ) -> Publication:
        return self._run(self._versions.unpublish(workflow_id, note, if_match=if_match))

    def restore(self, workflow_id: str, version: int, *, if_match: str | None = None) -> Workflow:
        return self._run(self._versions.restore(workflow_id, version, if_match=if_match))


class Executions:
    def __init__(self, loop: _Loop, executions: AsyncExecutions) -> None:
        self._run, self._iterate = loop.run, loop.iterate
        self._executions = executions

    def get(self, execution_id: str) -> Execution:
        return self._run(self._executions.get(execution_id))

    def waits(self, execution_id: str) -> Sequence[Wait]:
        return self._run(self._executions.waits(execution_id))

    def list(
        self,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        parent: str | None = None,
    ) -> Iterator[Execution]:
        return self._iterate(
            self._executions.list(workflow_id=workflow_id, status=status, parent=parent)
        )

    def children(self, execution_id: str) -> Iterator[Execution]:
        return self._iterate(self._executions.children(execution_id))

    def export(
        self,
        *,
        first: date | None = None,
        last: date | None = None,
        workflow_id: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        return self._iterate(
            self._executions.export(first=first, last=last, workflow_id=workflow_id)
        )

    def output(
        self, execution_id: str, node_id: str | None = None, path: str = ""
    ) -> Iterator[bytes]:
        return self._iterate(self._executions.output(execution_id, node_id, path))

    def delete(self, execution_id: str) -> None:
        self._run(self._executions.delete(execution_id))

    def cancel(self, execution_id: str) -> Execution:
        return self._run(self._executions.cancel(execution_id))

    def retry(
        self,
        execution_id: str,
        *,
        begin: Sequence[str] | None = None,
        version: VersionName | None = None,
        key: str | None = None,
    ) -> Execution:
        return self._run(
            self._executions.retry(execution_id, begin=begin, version=version, key=key)
        )

    def pause(self, execution_id: str) -> Execution:
        return self._run(self._executions.pause(execution_id))

    def resume(self, execution_id: str) -> Execution:
        return self._run(self._executions.resume(execution_id))


class Triggers:
    def __init__(self, loop: _Loop, triggers: AsyncTriggers) -> None:
        self._run, self._iterate = loop.run, loop.iterate
        self._triggers = triggers

    def schedule(
        self, workflow_id: str, name: str, schedule: dict[str, Any], **fields: Any
    ) -> Trigger:
        return self._run(self._triggers.schedule(workflow_id, name, schedule, **fields))

    def webhook(
        self, workflow_id: str, name: str, webhook: dict[str, Any] | None = None, **fields: Any
    ) -> Trigger:
        return self._run(self._triggers.webhook(workflow_id, name, webhook, **fields))

    def get(self, trigger_id: str) -> Trigger:
        return self._run(self._triggers.get(trigger_id))

    def list(self, *, workflow_id: str | None = None, kind: str | None = None) -> Iterator[Trigger]:
        return self._iterate(self._triggers.list(workflow_id=workflow_id, kind=kind))

    def pause(self, trigger_id: str, note: str = "") -> Trigger:
        return self._run(self._triggers.pause(trigger_id, note))

    def resume(self, trigger_id: str) -> Trigger:
        return self._run(self._triggers.resume(trigger_id))

    def run(self, trigger_id: str) -> Trigger:
        return self._run(self._triggers.run(trigger_id))

    def backfill(
        self, trigger_id: str, start_at: datetime, end_at: datetime, overlap: str = "buffer_all"
    ) -> Trigger:
        return self._run(self._triggers.backfill(trigger_id, start_at, end_at, overlap))

    def rotate(self, trigger_id: str) -> Trigger:
        return self._run(self._triggers.rotate(trigger_id))

    def delete(self, trigger_id: str) -> None:
        self._run(self._triggers.delete(trigger_id))

    def executions(self, trigger_id: str, *, cursor: str | None = None) -> Page[Execution]:
        return self._run(self._triggers.executions(trigger_id, cursor=cursor))
