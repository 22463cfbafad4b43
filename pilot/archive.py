"""Executions as lines of JSON: what the archive holds and what an export sends.

A line is an object with a `kind`. An execution's first line is the execution itself, then comes all
that it owns: its nodes, the iterations of its loops and maps, what it waited for and for whom, its
model calls, and its events. Each names the execution, so lines may be sorted and filtered by any
tool.

The archive is a folder: `<owner>/<day>/<batch>.jsonl.gz`, by the day (UTC) on which executions
ended. A file is written beside its place and moved there whole, so one that is there is complete
and is never written again: a batch that is done twice leaves each execution in it once. Where
events go before their execution, a batch of their own has them (`events-…`), and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pilot.errors import NotFoundError, PayloadGoneError
from pilot.events.model import rfc3339
from pilot.events.wire import dumps
from pilot.store import Execution, NodeRun, Store
from pilot.store.iterations import Placed
from pilot.store.retention import Doomed
from pilot.store.usage import ModelCall
from pilot.store.waits import Wait

EVENTS_PAGE = 500
ITERATIONS_PAGE = 50
"""An output may have 1.9 MB."""
MAX_NAME = 200
"""Bytes of a folder's name; file systems take 255."""
WRITE_BYTES = 1 << 20


KINDS = {
    "execution": "executions",
    "node": "node_runs",
    "iteration": "iterations",
    "wait": "waits",
    "call": "usage",
    "event": "events",
}
"""Of lines, with the table that each is of. A wait's line has its people too."""

_OF_THE_STORE = frozenset({"last_seq", "edition", "held_at", "released_at", "parent"})
"""What an execution's row says of itself, and not of the run."""


def execution_line(execution: Execution) -> dict[str, Any]:
    """The names are those of the REST resource."""
    body = {name: value for name, value in _shallow(execution).items() if name not in _OF_THE_STORE}
    parent = execution.parent
    return _plain(
        {
            "kind": "execution",
            **body,
            "parent": None if parent is None else _shallow(parent),
        }
    )


def node_line(execution_id: str, run: NodeRun) -> dict[str, Any]:
    body = {"kind": "node", "execution_id": execution_id, **_shallow(run)}
    body["id"] = body.pop("node_id")
    return _plain(body)


def iteration_line(execution_id: str, placed: Placed) -> dict[str, Any]:
    """`node_id` and `path` are those of the loop or map."""
    body = _shallow(placed.iteration)
    body.pop("preview")
    place = {"execution_id": execution_id, "node_id": placed.node_id, "path": placed.path}
    return _plain({"kind": "iteration", **place, **body})


def wait_line(wait: Wait) -> dict[str, Any]:
    """`kind` is the line's, so what kind of wait it was is `for`, as a node says it."""
    body = _shallow(wait)
    return _plain({**body, "kind": "wait", "for": body["kind"]})


def call_line(call: ModelCall) -> dict[str, Any]:
    """A model call as it was used. `cost` is in nanodollars."""
    body = _shallow(call)
    body.pop("owner")
    return _plain({"kind": "call", **_shallow(body.pop("key")), **body})


async def lines(store: Store, execution: Execution) -> AsyncIterator[bytes]:
    """An execution and all that it owns; of one that has been deleted meanwhile, what was still
    there."""
    output = await _whole(store, execution.output, execution.id)
    yield _line(execution_line(replace(execution, output=output)))
    with contextlib.suppress(NotFoundError):
        for run in await store.node_runs(execution.owner, execution.id):
            output = await _whole(store, run.output, execution.id)
            yield _line(node_line(execution.id, replace(run, output=output)))
        async for placed in _iterations(store, execution.id):
            yield _line(iteration_line(execution.id, placed))
        for wait in await store.waits.of_execution(execution.id):
            yield _line(wait_line(wait))
        for call in await store.usage.calls(execution.id):
            yield _line(call_line(call))
        async for line in event_lines(store, execution):
            yield line


async def _whole(store: Store, output: Any, execution_id: str) -> Any:
    """What has been lost is not waited for: then it is said where it was."""
    with contextlib.suppress(PayloadGoneError):
        return await store.values.whole(output, execution_id)
    return output


async def event_lines(store: Store, execution: Execution) -> AsyncIterator[bytes]:
    """Read by the page. Raises `NotFoundError` where the execution has gone."""
    after = 0
    while True:
        page = await store.events(execution.owner, execution.id, after_seq=after, limit=EVENTS_PAGE)
        for event in page:
            after = event.seq or after
            yield _line({"kind": "event", **event.to_json()})
        if len(page) < EVENTS_PAGE:
            return


async def _iterations(store: Store, execution_id: str) -> AsyncIterator[Placed]:
    after: Placed | None = None
    while page := await store.iterations.of_execution(
        execution_id, after=after, limit=ITERATIONS_PAGE
    ):
        for after in page:
            yield after


class Archive:
    """The folder. It must be one and the same for all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, store: Store, batch: Sequence[Doomed]) -> int:
        """Returns when all of the batch is in the folder, for good. How many executions this call
        has written. Raises `OSError`."""
        files: dict[Path, list[Doomed]] = defaultdict(list)
        for one in batch:
            files[self._place(one)].append(one)
        count = 0
        for path, doomed in sorted(files.items()):
            if not await asyncio.to_thread(path.exists):
                count += await self._write(store, path, doomed)
        return count

    async def forget(self, owner: str) -> None:
        """Deletes all of an owner's. Raises `OSError`."""
        folder = self._folder / _name(owner)
        if await asyncio.to_thread(folder.exists):
            await asyncio.to_thread(shutil.rmtree, folder)

    def _place(self, one: Doomed) -> Path:
        day = one.finished_at.date().isoformat()
        return self._folder / _name(one.owner) / day / f"{one.batch}.jsonl.gz"

    async def _write(self, store: Store, path: Path, doomed: Sequence[Doomed]) -> int:
        await asyncio.to_thread(_make_folder, path.parent)
        unfinished = path.with_name(path.name + ".tmp")
        count = 0
        with unfinished.open("wb") as raw:
            # no name and no time in it: the same executions make the same file
            with gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
                waiting: list[bytes] = []
                size = 0
                for one in doomed:
                    try:
                        execution = await store.get_execution(one.owner, one.execution_id)
                    except NotFoundError:  # its owner has deleted it
                        continue
                    count += 1
                    wanted = event_lines if one.keeps_row else lines
                    async for line in wanted(store, execution):
                        waiting.append(line)
                        size += len(line)
                        if size >= WRITE_BYTES:
                            await asyncio.to_thread(file.write, b"".join(waiting))
                            waiting, size = [], 0
                await asyncio.to_thread(file.write, b"".join(waiting))
            await asyncio.to_thread(_sync, raw.fileno())
        if count:
            unfinished.replace(path)
            await asyncio.to_thread(_sync_folder, path.parent)
        else:
            unfinished.unlink()
        return count


def _name(owner: str) -> str:
    """A folder's name for any owner's id: no two share one, and none leaves the archive."""
    name = quote(owner, safe="").replace(".", "%2E")
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:100]}~{hashlib.sha256(owner.encode()).hexdigest()}"


def _make_folder(folder: Path) -> None:
    """A folder that is there after a power cut too."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    os.fsync(handle)


def _shallow(row: Any) -> dict[str, Any]:
    """A dataclass's fields, without a copy of what stands in them."""
    return {field.name: getattr(row, field.name) for field in fields(row)}


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in body.items()
    }


def _line(body: dict[str, Any]) -> bytes:
    return dumps(body) + b"\n"
