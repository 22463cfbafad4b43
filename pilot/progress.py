"""How a run is shown while it goes on: a live tree at a terminal, else a line an event."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from pilot.client import Execution
from pilot.events.model import FINAL_EVENT_TYPES, Event, EventType
from pilot.tree import RunTree, remark, spent

AGAIN = "a worker was lost: some of what was shown last is done again"
LINES_BELOW = 4
"""Of the screen, for what stands under the tree's nodes."""


class Mode(StrEnum):
    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"


class Progress(AbstractContextManager["Progress"], Protocol):
    """Told of every event of a run, between entering and leaving it."""

    def begin(self, execution: Execution) -> None:
        """The run as it was when the watch began."""
        ...

    def show(self, event: Event) -> None: ...

    def note(self, text: str) -> None:
        """Something that is not an event: a lost connection."""
        ...

    def pause(self) -> None:
        """Leaves the screen to a question, until `go_on`."""
        ...

    def go_on(self) -> None: ...


def progress(mode: Mode = Mode.AUTO) -> Progress:
    """Lively where stderr is a terminal, unless something else is wanted."""
    if mode is Mode.JSON:
        return JsonProgress()
    console = Console(stderr=True)
    return LiveProgress(console) if mode is Mode.AUTO and console.is_terminal else PlainProgress()


class PlainProgress:
    """A line an event: `0.52s  answer  succeeded`. Tokens are left out."""

    def __init__(self) -> None:
        self._first: datetime | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self, execution: Execution) -> None:
        return None

    def show(self, event: Event) -> None:
        if event.type in (EventType.LLM_TOKEN, EventType.LOG, EventType.GAP):
            return  # a snapshot follows a gap
        if event.type is EventType.SNAPSHOT:
            self.note(f"{self._seconds(event.at):7.2f}s  {AGAIN}")
            return
        what = event.node_id or "execution"
        happened = event.type.value.partition(".")[2]
        line = f"{self._seconds(event.at):7.2f}s  {what:<20}  {happened}"
        if event.attempt is not None and event.type is EventType.NODE_RETRYING:
            of = event.data.get("max_attempts")
            line += f" (attempt {event.attempt}{f' of {of}' if of else ''} failed)"
        elif event.attempt is not None and event.attempt > 1:
            line += f" (attempt {event.attempt})"
        if said := remark(event):
            line += f": {said}"
        if event.type in FINAL_EVENT_TYPES:
            usage = event.data.get("usage") or {}
            tokens = sum(usage.get(f"{kind}_tokens") or 0 for kind in ("prompt", "completion"))
            line += "".join(f", {part}" for part in spent(tokens, usage.get("cost_usd") or 0))
        self.note(line)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def pause(self) -> None:
        return None

    def go_on(self) -> None:
        return None

    def _seconds(self, at: str) -> float:
        """Since the first event, by the events' own times."""
        now = datetime.fromisoformat(at)
        self._first = self._first or now
        return (now - self._first).total_seconds()


class JsonProgress(PlainProgress):
    """Every event, tokens too, as a line of JSON on stdout."""

    def show(self, event: Event) -> None:
        print(json.dumps(event.to_json(), ensure_ascii=False), flush=True)


class LiveProgress:
    """A tree that is redrawn as events come, at most ten times a second."""

    def __init__(self, console: Console) -> None:
        self.tree = RunTree()
        self._console = console
        self._live = self._make_live()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._live.stop()

    def begin(self, execution: Execution) -> None:
        self.tree.begin(execution)

    def show(self, event: Event) -> None:
        self.tree.take(event)

    def note(self, text: str) -> None:
        self._console.print(Text(text, style="yellow"))

    def pause(self) -> None:
        self._live.transient = True
        self._live.stop()

    def go_on(self) -> None:
        self._live = self._make_live()
        self._live.start()

    def _make_live(self) -> Live:
        return Live(
            console=self._console,
            refresh_per_second=10,
            get_renderable=self._draw,
            vertical_overflow="crop",
        )

    def _draw(self) -> RenderableType:
        return self.tree.draw(height=self._console.height - LINES_BELOW)
