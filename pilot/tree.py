"""A run as a tree at the terminal: its nodes in the graph's order, below an llm node its tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pilot.client import Execution, Node, Usage
from pilot.events.model import FINAL_EVENT_TYPES, Event, EventType

MAX_ROWS = 40
"""A graph of 1,000 nodes shows those that were last under way."""
MAX_TEXT = 600

LOOKS = {
    "pending": ("·", "dim"),
    "running": ("", "cyan"),
    "waiting": ("…", "yellow"),
    "retrying": ("↻", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("■", "yellow"),
    "timed_out": ("✗", "red"),
}


@dataclass(slots=True)
class Row:
    """A node, or a tool's call. `text` is the end of what its model has said so far, in the attempt
    `speaks`; `moved` the number of the event that it last had."""

    name: str
    type: str = ""
    status: str = "pending"
    began: datetime | None = None
    ended: datetime | None = None
    attempt: int = 1
    max_attempts: int | None = None
    next_at: datetime | None = None
    usage: Usage = field(default_factory=Usage)
    remark: str = ""
    text: str = field(default="", repr=False)
    speaks: int = 1
    moved: int = 0
    calls: dict[str, Row] = field(default_factory=dict)


class RunTree:
    """Takes a run's events and draws what they come to."""

    def __init__(self) -> None:
        self.status = "queued"
        self.waits = ""
        self.usage = Usage()
        self._rows: dict[str, Row] = {}
        self._began: datetime | None = None
        self._ended: datetime | None = None
        self._count = 0
        self._spinner = Spinner("dots", style="cyan")

    def begin(self, execution: Execution) -> None:
        """The graph's nodes, in its order."""
        for node in execution.nodes:
            if not node.path:
                self._rows.setdefault(node.id, Row(node.id, node.type))
        if execution.queue is not None:
            place = execution.queue.position
            self.waits = said_wait(execution.queue.reason) + (f" (place {place})" if place else "")

    def take(self, event: Event) -> None:
        self._count += 1
        if event.type is EventType.SNAPSHOT:
            self._start_over(event)
        elif event.node_id is None:
            self._of_run(event)
        else:
            self._of_node(self._row(event.node_id, event.path), event)
        if event.seq is not None:
            self.waits = ""

    def _start_over(self, event: Event) -> None:
        """Of what was shown last, some was void: the nodes as they are."""
        before, self._rows = self._rows, {}
        self.status = event.status or self.status
        self._ended = None
        for node in map(Node.from_json, event.data["nodes"]):
            row = self._row(node.id, node.path)
            old = before.get(node.id)
            row.name, row.type = (old.name if old and not node.path else node.id), node.type
            row.status, row.attempt, row.moved = node.status.value, node.attempt or 1, self._count
            row.began, row.ended = node.started_at, node.finished_at
            row.usage = Usage.from_json(node.meta.get("usage"))
            row.remark = node.reason or ""

    def _of_run(self, event: Event) -> None:
        at = datetime.fromisoformat(event.at)
        match event.type:
            case EventType.EXECUTION_WAITING | EventType.EXECUTION_RESUMED if event.seq is None:
                is_over = event.type is EventType.EXECUTION_RESUMED
                self.waits = (
                    ""
                    if is_over
                    else said_wait(str(event.data.get("reason", "")), event.data.get("queue"))
                )
                return
            case EventType.EXECUTION_STARTED:
                self._began, self.status = at, "running"
            case EventType.EXECUTION_RESUMED:
                self.status = "running"
            case _:
                self.status = event.type.value.partition(".")[2]
        if event.type in FINAL_EVENT_TYPES:
            self._ended = at
            self.usage = Usage.from_json(event.data.get("usage"))

    def _of_node(self, row: Row, event: Event) -> None:
        row.moved = self._count
        match event.type:
            case EventType.LLM_TOKEN:
                before = "" if event.data.get("anew") else row.text
                row.text = (before + str(event.data.get("text", "")))[-MAX_TEXT:]
                row.speaks = event.attempt or 1
                return
            case EventType.LOG:
                row.remark = str(event.data.get("text", "")).strip()[-80:]
                return
            case EventType.NODE_STARTED:
                row.name = str(event.data.get("name") or event.node_id)
                row.type = str(event.data.get("type") or row.type)
                row.status, row.began = "running", datetime.fromisoformat(event.at)
            case EventType.NODE_RETRYING:
                row.status = "retrying"
                if (event.attempt or 1) >= row.speaks:
                    row.text = ""
                row.attempt = (event.attempt or 0) + 1
                row.max_attempts = event.data.get("max_attempts")
                due = event.data.get("next_attempt_at")
                row.next_at = None if due is None else datetime.fromisoformat(due)
            case EventType.NODE_WAITING:
                row.status = "waiting"
            case EventType.NODE_PROGRESS:
                row.status = "running"
            case _:
                row.status = event.type.value.partition(".")[2]
                row.ended, row.text = datetime.fromisoformat(event.at), ""
                meta = event.data.get("meta") or {}
                row.attempt = event.attempt or meta.get("attempt") or row.attempt
                row.usage = Usage.from_json(meta.get("usage"))
        row.remark = remark(event)

    def _row(self, node_id: str, path: str) -> Row:
        if "#" not in path:
            key = f"{node_id} {path}" if path else node_id
            return self._rows.setdefault(key, Row(key))
        caller = self._row(path.partition("#")[0], "")
        return caller.calls.setdefault(f"{node_id}/{path}", Row(node_id))

    def draw(self, *, height: int = MAX_ROWS) -> RenderableType:
        """`height` is how many rows there may be."""
        now = datetime.now(UTC)
        rows = list(self._all())
        shown = sorted(rows, key=lambda each: -each[1].moved)[: max(1, min(height, MAX_ROWS))]
        kept = {id(row) for _, row in shown}
        table = Table.grid(padding=(0, 2))
        for depth, row in rows:
            if id(row) in kept:
                self._draw_row(table, depth, row, now)
        lines: list[RenderableType] = [table]
        if len(rows) > len(kept):
            lines.append(Text(f"… and {len(rows) - len(kept)} more nodes", style="dim"))
        if self.waits:
            lines.append(Text(self.waits, style="yellow"))
        lines.append(Text(self.summary(now), style=LOOKS.get(self.status, ("", "dim"))[1]))
        return Group(*lines)

    def summary(self, now: datetime | None = None) -> str:
        """`succeeded, 3.20s, 5 nodes, 120 tokens, $0.0012`"""
        rows = [row for _, row in self._all()]
        done = sum(row.ended is not None for row in rows)
        parts = [self.status]
        if (took := _seconds(self._began, self._ended, now)) is not None:
            parts.append(f"{took:.2f}s")
        parts.append(f"{done} of {len(rows)} nodes")
        tokens = self.usage.tokens or sum(row.usage.tokens for row in rows)
        cost = self.usage.cost_usd or sum(row.usage.cost_usd for row in rows)
        parts += spent(tokens, cost)
        return ", ".join(parts)

    def _all(self) -> Iterator[tuple[int, Row]]:
        for row in self._rows.values():
            yield 0, row
            for call in row.calls.values():
                yield 1, call

    def _draw_row(self, table: Table, depth: int, row: Row, now: datetime) -> None:
        is_due = row.next_at is None or row.next_at <= now
        status = "running" if row.status == "retrying" and is_due else row.status
        mark, style = LOOKS.get(status, ("·", "cyan"))
        took = _seconds(row.began, row.ended, now)
        attempt = f"attempt {row.attempt}" if row.attempt > 1 else ""
        if attempt and row.max_attempts:
            attempt += f" of {row.max_attempts}"
        note = row.remark
        if not is_due and row.next_at is not None and status == "retrying":
            note = f"in {(row.next_at - now).total_seconds():.0f}s: {note}"
        if row.text and row.ended is None:
            note = row.text.rstrip().rpartition("\n")[2]
        table.add_row(
            Text(mark, style=style) if mark else self._spinner,
            Text(("└ " if depth else "") + row.name, style="bold" if status == "running" else ""),
            Text(row.type, style="dim"),
            Text(status, style=style),
            Text("" if took is None or status == "skipped" else f"{took:.2f}s", style="dim"),
            Text(attempt, style="yellow"),
            Text(" ".join(spent(row.usage.tokens, row.usage.cost_usd)), style="dim"),
            Text(note, style="dim", overflow="ellipsis", no_wrap=True),
        )


def spent(tokens: int, cost_usd: float) -> list[str]:
    return [f"{tokens} tokens"] * bool(tokens) + [f"${cost_usd:.4f}"] * bool(cost_usd)


def said_wait(reason: str, queue: str | None = None) -> str:
    """What a run waits for, in words; for a worker, of which task queue."""
    words = {
        "no_worker": "waits: no worker polls the task queue" + (f" {queue}" if queue else ""),
        "starting": "queued: a worker is about to take it",
        "concurrency": "queued: as many runs as may be are under way",
    }
    return words.get(reason, f"waits: {reason}")


def remark(event: Event) -> str:
    """What an event says beside its type: an error's message, a reason."""
    error = event.data.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    meta = event.data.get("meta") or {}
    if "child_execution_id" in meta:
        return f"execution {meta['child_execution_id']}"
    if "progress" in meta:
        return said_progress(meta["progress"])
    if (waiting := meta.get("waiting") or {}).get("for") == "model":
        return f"waits for room at the model {waiting.get('model')}"
    if event.type is EventType.EXECUTION_WAITING and event.seq is None:
        return said_wait(str(event.data.get("reason", "")), event.data.get("queue"))
    return str(event.data.get("reason", ""))


def said_progress(progress: dict[str, Any]) -> str:
    """`3 of 10, 1 failed`."""
    total, failed = progress.get("total"), progress.get("failed")
    text = f"{progress.get('done', 0)}" + (f" of {total}" if total is not None else "")
    return f"{text}, {failed} failed" if failed else text


def _seconds(began: datetime | None, ended: datetime | None, now: datetime | None) -> float | None:
    until = ended or now
    if began is None or until is None:
        return None
    return max((until - began).total_seconds(), 0.0)
