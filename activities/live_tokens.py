"""The pieces of a model's answer on their way to those who watch."""

from __future__ import annotations

import asyncio
from typing import Any

from activities.attempt import Attempt
from pilot.events.model import EventType
from pilot.nodes.llm import LlmConfig

# Tokens go out in batches: a person sees no difference, and a bus carries twenty times fewer.
BATCH_S = 0.05
BATCH_TOKENS = 20
MAX_CHARS = 2_000
"""Of one event: its JSON stays well below the size from which an event's data is cut."""


class LiveTokens:
    """Gathers an answer's pieces and sends them as `llm.token` events.

    `labels` tell a watcher where the text begins anew: `model` for a fallback, `repair` for a
    mended answer, `round` for what follows tool calls.
    """

    def __init__(self, attempt: Attempt[LlmConfig], **labels: Any) -> None:
        self._attempt = attempt
        self._labels = labels
        self._pieces: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        self._pieces.append(text)
        if len(self._pieces) >= BATCH_TOKENS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_S, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pieces:
            text = "".join(self._pieces)
            self._pieces.clear()
            for start in range(0, len(text), MAX_CHARS):
                piece = text[start : start + MAX_CHARS]
                self._attempt.emit_live(EventType.LLM_TOKEN, {"text": piece, **self._labels})
