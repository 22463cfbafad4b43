"""Executions as lines of JSON: what the archive holds and what an export sends.

A line is an object with a `kind`. An execution's first line is the execution itself, then come its
nodes and its events; each names the execution, so lines may be sorted and filtered by any tool.

The archive is a folder: `<owner>/<day>/<batch>.jsonl.gz`, by the day (UTC) on which executions
ended. A file is written beside its place and moved there whole, so one that is there is complete
and is never written again: a batch that is done twice leaves each execution in it once.
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
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pilot.errors import NotFoundError
from pilot.events.model import rfc3339
from pilot.events.wire import dumps
from pilot.store import Execution, NodeRun, Store
from pilot.store.retention import Doomed

EVENTS_PAGE = 500
MAX_NAME = 200
"""Bytes of a folder's name; file systems take 255."""
WRITE_BYTES = 1 << 20


def execution_line(execution: Execution) -> dict[str, Any]:
    """The names are those of the REST resource."""
    body = {
        "kind": "execution",
        **{
            name: getattr(execution, name)
            for name in (
                "id",
                "owner",
                "workflow_id",
                "workflow_version",
                "status",
                "input",
                "output",
                "error",
                "usage",
                "created_at",
                "started_at",
                "finished_at",
                "started_by",
                "timeout_s",
                "temporal_run_id",
                "mode",
                "source_id",
            )
        },
    }
    return _plain(body)


def node_line(execution_id: str, run: NodeRun) -> dict[str, Any]:
    body = {"kind": "node", "execution_id": execution_id, **asdict(run)}
    body["id"] = body.pop("node_id")
    return _plain(body)


async def lines(store: Store, execution: Execution) -> AsyncIterator[bytes]:
    """An execution, its nodes and its events. Events are read by the page; of one that has been
    deleted meanwhile, what was still there."""
    yield _line(execution_line(execution))
    with contextlib.suppress(NotFoundError):
        for run in await store.node_runs(execution.owner, execution.id):
            yield _line(node_line(execution.id, run))
        after = 0
        while True:
            page = await store.events(
                execution.owner, execution.id, after_seq=after, limit=EVENTS_PAGE
            )
            for event in page:
                after = event.seq or after
                yield _line({"kind": "event", **event.to_json()})
            if len(page) < EVENTS_PAGE:
                return


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
                    async for line in lines(store, execution):
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


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value
        for name, value in body.items()
    }


def _line(body: dict[str, Any]) -> bytes:
    return dumps(body) + b"\n"
