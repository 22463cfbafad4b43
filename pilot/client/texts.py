"""What models say, each piece once, over as many connections as it takes."""

from __future__ import annotations

from dataclasses import replace

from pilot.events.model import Event, EventType
from pilot.events.texts import MAX_TEXT_CHARS, NODE_ENDS, NodeKey, node_key


class HeardTexts:
    """The server tells a watcher that comes back the text so far; of it, passes on what is new."""

    def __init__(self) -> None:
        self._texts: dict[NodeKey, str] = {}
        self._attempts: dict[NodeKey, int] = {}

    def new_of(self, event: Event) -> Event | None:
        """The event, or of a token what was not heard before; None where that is nothing."""
        key = node_key(event)
        is_over = event.type in NODE_ENDS or (
            # of an attempt that died with its worker, it may come when the next one speaks
            event.type is EventType.NODE_RETRYING
            and (event.attempt or 1) >= self._attempts.get(key, 1)
        )
        if is_over:
            self._texts.pop(key, None)
            self._attempts.pop(key, None)
        if event.type is not EventType.LLM_TOKEN:
            return event
        self._attempts[key] = event.attempt or 1
        text, heard = str(event.data.get("text", "")), self._texts.get(key, "")
        if not event.data.get("anew"):
            self._keep(key, heard + text)
            return event
        self._keep(key, text)
        if not heard or event.data.get("truncated") or not text.startswith(heard):
            return event
        if len(text) == len(heard):
            return None
        data = {name: value for name, value in event.data.items() if name != "anew"}
        return replace(event, data={**data, "text": text[len(heard) :]})

    def _keep(self, key: NodeKey, text: str) -> None:
        # a longer one comes back without its beginning, and is told anew
        if len(text) <= MAX_TEXT_CHARS:
            self._texts[key] = text
        else:
            self._texts.pop(key, None)
