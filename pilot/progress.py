"""How a run looks at the terminal: a live table of its nodes, or plain lines in a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pilot.events.model import Event, EventType

MAX_ROWS = 40
"""Rows of the live table: a graph of 1,000 nodes shows those that were last under way."""
MAX_TEXT = 600

AGAIN = "a worker was lost: some of what was shown last is done again"

LOOKS = {
    "running": ("", "cyan"),
    "waiting": ("…", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("■", "yellow"),
}


class Progress(Protocol):
    """Told of every event of a run, between entering and leaving it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

    def show(self, event: Event) -> None: ...

    def note(self, text: str) -> None:
        """Something that is not an event: a lost connection."""
        ...


def progress() -> Progress:
    """Lively where stderr is a terminal, plain where it is not."""
    console = Console(stderr=True)
    return LiveProgress(console) if console.is_terminal else PlainProgress()


class Clock:
    """Seconds since the first event, by the events' own times."""

    def __init__(self) -> None:
        self._first: datetime | None = None

    def seconds(self, at: str) -> float:
        now = datetime.fromisoformat(at)
        if self._first is None:
            self._first = now
        return (now - self._first).total_seconds()


class PlainProgress:
    """A line an event: `0.52s  answer  succeeded`. Tokens are left out."""

    def __init__(self) -> None:
        self._clock = Clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: Event) -> None:
        if event.type in (EventType.LLM_TOKEN, EventType.LOG):
            return
        if event.type is EventType.SNAPSHOT:
            self.note(f"{self._clock.seconds(event.at):7.2f}s  {AGAIN}")
            return
        what = event.node_id or "execution"
        happened = event.type.value.partition(".")[2]
        line = f"{self._clock.seconds(event.at):7.2f}s  {what:<20}  {happened}"
        if event.attempt is not None and event.attempt > 1:
            line += f" (attempt {event.attempt})"
        if remark := _remark(event):
            line += f": {remark}"
        self.note(line)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


@dataclass
class Row:
    """A node of the live table; `text` is the end of what its model has said so far."""

    name: str
    type: str = ""
    status: str = "running"
    began: float = 0.0
    took: float | None = None
    remark: str = ""
    text: str = field(default="", repr=False)


class LiveProgress:
    """A table that is redrawn as events come, at most ten times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = Clock()
        self._rows: dict[str, Row] = {}
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console,
            refresh_per_second=10,
            get_renderable=self._draw,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for row in self._rows.values():
            row.text = ""
        self._live.__exit__(type_, error, trace)

    def show(self, event: Event) -> None:
        if event.type is EventType.SNAPSHOT:
            self._show_anew(event)
        if event.node_id is None:
            self._clock.seconds(event.at)
            return
        key = f"{event.node_id}/{event.path}"
        row = self._rows.pop(key, None) or Row(event.node_id, began=self._clock.seconds(event.at))
        self._rows[key] = row  # the last that moved stands last
        match event.type:
            case EventType.LLM_TOKEN:
                row.text = (row.text + str(event.data.get("text", "")))[-MAX_TEXT:]
            case EventType.LOG:
                row.remark = str(event.data.get("text", "")).strip()[-80:]
            case EventType.NODE_STARTED:
                row.name = str(event.data.get("name") or event.node_id)
                row.type = str(event.data.get("type") or "")
            case _:
                row.status = event.status or event.type.value.partition(".")[2]
                row.remark = _remark(event)
                if event.type is not EventType.NODE_RETRYING:
                    row.took = self._clock.seconds(event.at) - row.began

    def _show_anew(self, event: Event) -> None:
        """A worker was lost, and of what it had told some is done again: the nodes as they are."""
        before, self._rows = self._rows, {}
        for node in event.data["nodes"]:
            if node["status"] == "pending":
                continue
            key = f"{node['id']}/{node.get('path') or ''}"
            row = before.get(key) or Row(node["id"], began=self._clock.seconds(event.at))
            row.type, row.status = node["type"], node["status"]
            if row.status == "running":
                row.took, row.remark = None, ""
            self._rows[key] = row

    def note(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def _draw(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for row in list(self._rows.values())[-MAX_ROWS:]:
            mark, style = LOOKS.get(row.status, ("·", "cyan"))
            table.add_row(
                Text(mark, style=style) if mark else self._spinner,
                Text(row.name, style="bold" if row.status == "running" else ""),
                Text(row.type, style="dim"),
                Text(row.status, style=style),
                Text("" if row.took is None else f"{row.took:.2f}s", style="dim"),
                Text(row.remark, style="dim", overflow="ellipsis", no_wrap=True),
            )
        spoken = [row.text for row in self._rows.values() if row.text and row.took is None]
        return Group(table, *(Text(text, style="italic") for text in spoken))


def _remark(event: Event) -> str:
    error = event.data.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    if event.type is EventType.NODE_SKIPPED:
        return str(event.data.get("reason", ""))
    return ""
