"""What models had said when a watcher came, on its way to him."""

from __future__ import annotations

from collections.abc import Iterable

from pilot.events.model import Event, EventType
from pilot.events.texts import SILENCING, NodeKey, Place, SoFar, node_key, place


class TextsSoFar:
    """What models had said when the watcher came: said to him as late as possible, so that all
    that he is told of before comes before it."""

    def __init__(self) -> None:
        self._ends: dict[NodeKey, Place] = {}
        self.waiting: dict[NodeKey, SoFar] = {}

    def begin(self, texts: Iterable[SoFar]) -> None:
        self.waiting = {text.key: text for text in texts}
        self._ends = {key: text.end for key, text in self.waiting.items()}

    def has(self, event: Event) -> bool:
        """Whether it is a token that was said already."""
        end, at = self._ends.get(node_key(event)), place(event)
        return end is not None and at is not None and at < end

    def before(self, event: Event) -> SoFar | None:
        """The text on which a token follows. One that counts no longer after the event is let
        go."""
        if event.type is EventType.LLM_TOKEN:
            text = self.waiting.pop(node_key(event), None)
            return None if event.data.get("anew") else text
        text = self.waiting.get(node_key(event))
        if text is not None and event.type in SILENCING:
            is_of_before = (event.attempt or 1) < text.end.attempt
            if not (event.type is EventType.NODE_RETRYING and is_of_before):
                del self.waiting[text.key]
        return None

    def take(self) -> list[SoFar]:
        """Those that still wait."""
        waiting, self.waiting = list(self.waiting.values()), {}
        return waiting
