"""JSON of events on the bus and to watchers.

Encoding is orjson's; what that refuses (integers over 64 bits, which a graph may well
compute) goes through the standard library, byte for byte the same JSON. Decoding is the
standard library's throughout: orjson would read such an integer as a float.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from pilot.events.edition import UNKNOWN, begins_after
from pilot.events.model import Envelope, Event


def dumps(value: Any) -> bytes:
    """Compact JSON. Lone surrogates are escaped, NaN and infinities become null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return _dumps_slowly(value)


def _dumps_slowly(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    """The value with NaN and infinities made null, as orjson does it."""
    match value:
        case float():
            return value if value - value == 0 else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def encode(envelope: Envelope) -> bytes:
    """One line of the bus, without its newline."""
    body = {"user_id": envelope.user_id, "event": envelope.event.to_json()}
    if envelope.edition:
        body["edition"] = envelope.edition
    return dumps(body)


def decode(line: bytes) -> Envelope:
    """The envelope of a line; `ValueError` for anything that is none."""
    try:
        body = json.loads(line)
        user_id = body["user_id"]
        event = Event.from_json(body["event"])
        edition = body.get("edition", UNKNOWN)
        begins_after(edition)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ValueError("not an envelope") from error
    if not isinstance(user_id, str) or not isinstance(event.execution_id, str):
        raise ValueError("not an envelope")
    return Envelope(user_id, event, edition)
