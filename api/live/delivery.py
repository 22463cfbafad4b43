"""An event on its way out, made into text and frames once, whatever the number of watchers."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from pilot.events.model import Event
from pilot.events.wire import dumps

WINDOW_BITS = 12
MEM_LEVEL = 5
MIN_DEFLATED_BYTES = 256
"""Deflate alone makes less of no shorter message."""
DEFLATE = PerMessageDeflate(
    remote_no_context_takeover=True,
    local_no_context_takeover=True,
    remote_max_window_bits=WINDOW_BITS,
    local_max_window_bits=WINDOW_BITS,
    compress_settings={"memLevel": MEM_LEVEL},
)
"""Without context between messages: a frame is the same for every connection, and an idle
connection holds no window."""


class Message(Protocol):
    """What a WebSocket is sent: its JSON, and its frame with and without deflate."""

    @property
    def text(self) -> str: ...

    def frame(self, *, deflated: bool) -> bytes: ...


class Text:
    """A message of one connection alone, such as an answer."""

    def __init__(self, text: str) -> None:
        self.text = text

    def frame(self, *, deflated: bool) -> bytes:
        return _frame(self.text.encode(), deflated)


class Delivery:
    """An event as a message. Its JSON and its frames are made when they are first asked for."""

    def __init__(self, event: Event) -> None:
        self.event = event

    @cached_property
    def json(self) -> bytes:
        return dumps(self.event.to_json())

    @cached_property
    def text(self) -> str:
        return self.json.decode()

    @property
    def size(self) -> int:
        """Bytes of JSON."""
        return len(self.json)

    def frame(self, *, deflated: bool) -> bytes:
        return self._deflated if deflated else self._plain

    @cached_property
    def _plain(self) -> bytes:
        return _frame(self.json, deflated=False)

    @cached_property
    def _deflated(self) -> bytes:
        return _frame(self.json, deflated=True)


class Joined:
    """Frames of messages in one piece. Watchers of one user are sent the same in turn, so the
    last piece is kept."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._deflated = False
        self._frames = b""

    def __call__(self, messages: list[Message], *, deflated: bool) -> bytes:
        if messages != self._messages or deflated is not self._deflated:
            self._messages, self._deflated = messages, deflated
            self._frames = b"".join([one.frame(deflated=deflated) for one in messages])
        return self._frames


def _frame(data: bytes, deflated: bool) -> bytes:
    extensions = [DEFLATE] if deflated and len(data) >= MIN_DEFLATED_BYTES else []
    return Frame(Opcode.TEXT, data).serialize(mask=False, extensions=extensions)
