"""Outputs that are too large for a row: they lie in the payload store, and the row has a preview.

A node's output, and an execution's, of more than `ROW_BYTES` of JSON is written to the payload
store before its row is, and stands there as `{"$kept": {...}}`: where it is, how many bytes it has,
and how it begins. It is read from there by the piece, so that nobody has to hold it whole.

With keys, an object is a row of pieces of `PIECE_BYTES`, each sealed and bound to its place in its
value: a part of it can be read alone, and none can be moved, left out or put in from elsewhere.
Who reads one says whose it has to be: a node's output that only looks like a reference leads
nowhere but to what its own execution has.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from pilot.crypto import Binding, Keyring
from pilot.errors import CiphertextError, PayloadGoneError
from pilot.events.model import Event
from pilot.events.preview import KEPT as MARK
from pilot.events.preview import preview
from pilot.keys import payload_keyring
from pilot.payloads.objects import Objects, execution_in
from pilot.payloads.sizes import TEMPORAL_BYTES
from pilot.payloads.spool import Spool
from pilot.settings import Settings
from pilot.store import json_text

ROW_BYTES = TEMPORAL_BYTES
"""What fits here fitted into a run before there was a payload store, and stays in its row."""
PIECE_BYTES = 256 * 1024
MAX_BYTES = 1 << 31
OUTPUT = "output"

_PURPOSE = "value"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a value of so many `bytes` of JSON is. `digest` is the first half of its SHA-256 in
    hex, `piece` the length of a sealed piece in bytes, 0 where nothing is sealed."""

    key: str
    bytes: Annotated[int, Field(ge=0, le=MAX_BYTES)]
    digest: str
    piece: Annotated[int, Field(ge=0, le=2 * PIECE_BYTES)]
    preview: str

    def to_json(self) -> dict[str, Any]:
        return {MARK: asdict(self)}

    @classmethod
    def of(cls, value: Any, execution_id: str) -> Kept | None:
        """What a row of the execution refers to; None: the value is itself."""
        if not isinstance(value, dict) or value.keys() != {MARK}:
            return None
        try:
            found: Kept = _KEPT.validate_python(value[MARK])
        except ValidationError:
            return None
        return found if execution_in(found.key) == execution_id else None


_KEPT = TypeAdapter(Kept)


class Values:
    """Those of the settings; without a payload store everything stays where it is."""

    def __init__(self, objects: Objects | None = None, keyring: Keyring | None = None) -> None:
        self._objects = objects
        self._keyring = keyring

    @classmethod
    def open(cls, settings: Settings) -> Values:
        """Raises `SettingsError`."""
        return cls(Objects.open(settings), payload_keyring(settings))

    async def aside(self, execution_id: str, events: Sequence[Event]) -> list[Event]:
        """The events, whose large outputs have been kept. Raises `PayloadStoreError`."""
        if self._objects is None:
            return list(events)
        return [await self._aside(execution_id, event) for event in events]

    async def _aside(self, execution_id: str, event: Event) -> Event:
        output = event.data.get(OUTPUT)
        if not isinstance(output, str | list | dict) or event.seq is None:
            return event
        text = json_text.dumps(output).encode()
        if len(text) <= ROW_BYTES or Kept.of(output, execution_id) is not None:
            return event
        kept = await self.keep(execution_id, text, preview(output, text))
        return replace(event, data={**event.data, OUTPUT: kept.to_json()})

    async def keep(
        self, execution_id: str, text: bytes | Spool, beginning: str, digest: str | None = None
    ) -> Kept:
        """Writes a value's JSON, of which it holds a few pieces at a time. The same one is kept
        once. `digest` is `digest_of` the text, where it is known."""
        assert self._objects is not None
        if digest is None:
            digest = await asyncio.to_thread(digest_of, text)
        sealing = _Sealing(self._keyring, execution_id, digest, text)
        name = await asyncio.to_thread(sealing.name)
        key = await self._objects.put_pieces(execution_id, name, sealing.pieces)
        return Kept(key, len(text), digest, sealing.piece_bytes, beginning)

    async def read(
        self, kept: Kept, begin: int = 0, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes from `begin` to before `end`, some at a time.

        Raises `PayloadStoreError` and `PayloadGoneError`.
        """
        if self._objects is None:
            raise PayloadGoneError("the value is in a payload store, and none is configured here")
        end = kept.bytes if end is None else min(end, kept.bytes)
        for at in range(begin // PIECE_BYTES, _count(end)):
            first = at * PIECE_BYTES
            piece = await self._piece(kept, at)
            yield piece[max(begin - first, 0) : end - first]

    async def _piece(self, kept: Kept, at: int) -> bytes:
        assert self._objects is not None
        length = kept.piece or PIECE_BYTES
        body = await self._objects.part(kept.key, at * length, (at + 1) * length)
        if not kept.piece:
            return body
        if self._keyring is None:
            raise PayloadGoneError("the value is encrypted, and PILOT_ENCRYPTION_KEY is not set")
        owner = execution_in(kept.key) or ""
        binding = _binding(owner, kept.digest, at, _count(kept.bytes))
        try:
            return await asyncio.to_thread(self._keyring.open, body, binding)
        except CiphertextError as error:
            raise PayloadGoneError(f"the value cannot be read: {error.message}") from None

    async def whole(self, value: Any, execution_id: str) -> Any:
        """A row's value, as it was before it was kept. Raises as `read` does."""
        kept = Kept.of(value, execution_id)
        if kept is None:
            return value
        text = bytearray()
        async for piece in self.read(kept):
            text += piece
        return json_text.loads(text.decode())


NO_VALUES = Values()


class _Sealing:
    """A text as the pieces of its object. They are made anew each time they are asked for, as
    all of them would be as much as the text."""

    def __init__(
        self, keyring: Keyring | None, execution_id: str, digest: str, text: bytes | Spool
    ) -> None:
        self._keyring = keyring
        self._owner = execution_id
        self._digest = digest
        self._text = text
        self._count = _count(len(text))
        self.piece_bytes = 0 if keyring is None else len(self.piece(0))

    def name(self) -> str:
        """The SHA-256 of them all."""
        found = hashlib.sha256()
        for at in range(self._count):
            found.update(self.piece(at))
        return found.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        for at in range(self._count):
            yield await asyncio.to_thread(self.piece, at)

    def piece(self, at: int) -> bytes:
        piece = _piece_of(self._text, at)
        if self._keyring is None:
            return piece
        binding = _binding(self._owner, self._digest, at, self._count)
        return self._keyring.seal(piece, binding, repeatable=True)


def digest_of(text: bytes | Spool) -> str:
    found = hashlib.sha256()
    for at in range(_count(len(text))):
        found.update(_piece_of(text, at))
    return found.hexdigest()[:32]


def _piece_of(text: bytes | Spool, at: int) -> bytes:
    begin, end = at * PIECE_BYTES, (at + 1) * PIECE_BYTES
    return text.read(begin, end) if isinstance(text, Spool) else text[begin:end]


def _count(size: int) -> int:
    """Of pieces."""
    return max(-(-size // PIECE_BYTES), 1)


def _binding(execution_id: str, digest: str, at: int, count: int) -> Binding:
    return Binding(_PURPOSE, execution_id, f"{digest}/{at}/{count}")
