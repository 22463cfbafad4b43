"""What a run's nodes printed: from its record, or as it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pilot.client import AsyncClient
from pilot.client.resources import Execution
from pilot.events.model import Event, EventType

ERROR = "error"
NODE_ENDS = (EventType.NODE_SUCCEEDED, EventType.NODE_FAILED)


@dataclass(frozen=True, slots=True)
class Line:
    """`stream` is `stdout`, `stderr` or `error`; of that the text is the error's message."""

    node_id: str
    path: str
    stream: str
    text: str


async def print_logs(
    client: AsyncClient, execution_id: str, node: str | None, *, follows: bool, as_json: bool
) -> None:
    """Prints those of one node, or of all, in the order in which the nodes ended."""

    def show(line: Line) -> None:
        if node is None or line.node_id == node:
            print(_json(line) if as_json else _text(line), flush=True)

    execution = await client.executions.get(execution_id)
    if not follows or execution.status.is_final:
        for line in recorded(execution):
            show(line)
        return
    live: set[tuple[str, str]] = set()
    """Nodes whose lines came as they were printed: their record says them again."""
    async for event in client.watch(execution_id):
        for line in told(event, live):
            show(line)


def recorded(execution: Execution) -> Iterator[Line]:
    ended = [one for one in execution.nodes if one.finished_at is not None]
    for one in sorted(ended, key=lambda node: str(node.finished_at)):
        yield from _printed(one.id, one.path, one.meta)
        if one.error is not None:
            yield Line(one.id, one.path, ERROR, f"{one.error.message} [{one.error.code}]")


def told(event: Event, live: set[tuple[str, str]]) -> Iterator[Line]:
    """The lines of an event; `live` is what has come so far, and is added to."""
    if event.node_id is None:
        return
    at = (event.node_id, event.path)
    if event.type is EventType.LOG:
        live.add(at)
        stream = str(event.data.get("stream", "stdout"))
        yield Line(*at, stream, str(event.data.get("text", "")))
    elif event.type in NODE_ENDS:
        if at not in live:
            yield from _printed(*at, event.data.get("meta") or {})
        live.discard(at)
        error = event.data.get("error")
        if isinstance(error, dict):
            yield Line(*at, ERROR, f"{error.get('message', '')} [{error.get('code')}]")


def _printed(node_id: str, path: str, meta: dict[str, Any]) -> Iterator[Line]:
    for one in meta.get("logs") or ():
        yield Line(node_id, path, str(one.get("stream", "stdout")), str(one.get("text", "")))


def _json(line: Line) -> str:
    return json.dumps(asdict(line), ensure_ascii=False)


def _text(line: Line) -> str:
    """`clean  | read 12 rows`, each line of a text by itself."""
    name = f"{line.node_id}[{line.path}]" if line.path else line.node_id
    mark = "!" if line.stream in (ERROR, "stderr") else "|"
    return "\n".join(f"{name:<16} {mark} {one}" for one in line.text.rstrip("\n").split("\n"))
