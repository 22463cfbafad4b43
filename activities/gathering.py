"""gather_items: a map's output, made of what the store has of its items, and kept apart where it is
large. Some rows are held at a time, and a file has the rest (`pilot.payloads.spool`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.heartbeats import heartbeats
from activities.kept import Large
from pilot.errors import PayloadStoreError
from pilot.events.preview import PREVIEW_CHARS, preview
from pilot.payloads.spool import Spool
from pilot.payloads.values import ROW_BYTES
from pilot.store import Store, json_text
from pilot.store.iterations import MAX_RESULTS, Iteration
from workflows_def.iterations import GATHER_ITEMS_ACTIVITY, GatherItems

PAGE_BYTES = 500_000
"""About so much of outputs is read at once."""


class Gathering:
    """The activity, with where it reads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @activity.defn(name=GATHER_ITEMS_ACTIVITY)
    async def gather(self, request: GatherItems) -> Any:
        """The list, or a reference to it. Raises an `ApplicationError`: `recording_gone` where the
        store has not all of them, `payload_store_unavailable`."""
        with closing(Spool()) as text:
            async with heartbeats():
                comma = b"["
                async for outputs in self._pages(request):
                    if outputs:
                        text.write(comma + b",".join(outputs))
                        comma = b","
                text.write(b"]" if text.size else b"[]")
                beginning = preview(None, text.read(0, PREVIEW_CHARS * 4))
                large = Large(request.execution_id, text, beginning)
                if len(text) <= ROW_BYTES:
                    return large.value()
                try:
                    return (await large.keep()).to_json()
                except PayloadStoreError as error:
                    raise ApplicationError(error.message, type=error.code) from error

    async def _pages(self, request: GatherItems) -> AsyncIterator[list[bytes]]:
        """The JSON of the outputs, in order, some at a time."""
        failed = frozenset(request.failed)
        in_failure = [] if request.skips else [b"null"]
        for first, end in request.spans:
            at = first
            while at < end:
                rows = await self._rows(request, at, end)
                outputs: list[bytes] = []
                for row in rows:
                    outputs += in_failure * _between(at, row.index, failed)
                    outputs.append(json_text.dumps(row.output).encode())
                    at = row.index + 1
                if not rows:
                    outputs = in_failure * _between(at, end, failed)
                    at = end
                yield outputs

    async def _rows(self, request: GatherItems, first: int, end: int) -> list[Iteration]:
        items = sum(end - first for first, end in request.spans)
        return await self._store.iterations.results(
            request.user_id,
            request.execution_id,
            request.node_id,
            request.path,
            first=first,
            end=end,
            limit=min(max(PAGE_BYTES * items // request.bytes, 1), MAX_RESULTS),
        )


def _between(at: int, index: int, failed: frozenset[int]) -> int:
    """How many items are passed over. All of them have failed."""
    if not failed.issuperset(range(at, index)):
        raise ApplicationError(
            "the store no longer has what the items of the map came to",
            type="recording_gone",
            non_retryable=True,
        )
    return index - at
