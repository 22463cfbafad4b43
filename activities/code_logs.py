"""What a program prints: kept up to a cap, counted beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Stream = Literal["stdout", "stderr"]

MAX_PRINTED_BYTES = 16_000_000
"""What a run may print in all, kept or not: the rest of an endless loop of prints costs the
worker's time, so it is killed here instead of by its time limit."""

# How much of what a failed run printed goes with its error: the end, where the fault shows.
MAX_FAILED_LOG_CHARS = 16_000


class Logs:
    """What a run printed: kept up to a cap, counted beyond it.

    `write` is called from the pool's threads; so are `on_text`, for what is kept, and
    `on_flood`, once, when too much was printed in all.
    """

    def __init__(
        self,
        cap: int,
        on_text: Callable[[Stream, str], None],
        on_flood: Callable[[], None],
    ) -> None:
        self._room = cap
        self._on_text = on_text
        self._on_flood = on_flood
        self._kept: list[tuple[Stream, str]] = []
        self._printed = 0
        self.truncated = False
        self.flooded = False

    def write(self, stream: Stream, text: str) -> None:
        encoded = text.encode()
        self._printed += len(encoded)
        if self._room >= len(encoded):
            self._keep(stream, text, len(encoded))
            return
        if not self.truncated:
            self.truncated = True
            self._keep(stream, encoded[: self._room].decode(errors="ignore"), self._room)
        if self._printed > MAX_PRINTED_BYTES and not self.flooded:
            self.flooded = True
            self._on_flood()

    def _keep(self, stream: Stream, text: str, size: int) -> None:
        self._room -= size
        if text:
            self._kept.append((stream, text))
            self._on_text(stream, text)

    def to_meta(self, max_chars: int | None = None) -> dict[str, Any]:
        """`logs` [{stream, text}], neighbours of one stream joined; with `max_chars` only
        their end. `logs_truncated` says that something is missing."""
        joined: list[tuple[Stream, list[str]]] = []
        for stream, text in self._kept:
            if joined and joined[-1][0] == stream:
                joined[-1][1].append(text)
            else:
                joined.append((stream, [text]))
        logs = [{"stream": stream, "text": "".join(parts)} for stream, parts in joined]
        truncated = self.truncated
        if max_chars is not None:
            kept, room = [], max_chars
            for log in reversed(logs):
                if room <= 0:
                    truncated = True
                    break
                truncated = truncated or len(log["text"]) > room
                kept.append({**log, "text": log["text"][-room:]})
                room -= len(log["text"])
            logs = kept[::-1]
        meta: dict[str, Any] = {"logs": logs} if logs else {}
        if truncated:
            meta["logs_truncated"] = True
        return meta
