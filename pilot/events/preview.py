"""Large values of events cut down to a preview, so that one output stalls no watcher.

The whole value stays where it belongs: in the workflow's own list, in the execution's and
the node's row of the store, and so in `GET /api/v1/executions/{id}`. On the wire and in the
store's list of events, which is read again for every watcher that comes back, an event's data
is bounded, in the same way to two sizes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import islice
from typing import Any

from pilot.events.model import Event
from pilot.events.wire import dumps

MAX_DATA_BYTES = 16 * 1024
"""How much JSON the data of one event holds on the wire; over it, values are cut."""
PREVIEW_CHARS = 2_000
MAX_FIELD_BYTES = 1_500
MAX_TEXT_CHARS = 500
MAX_PARTS = 100
KEPT = "$kept"
"""The only name in an output that is kept elsewhere (`pilot.payloads.values`)."""
_LARGE_FIELDS = ("output", "input")

Encode = Callable[[Any], bytes]
"""A value's JSON."""


def trim(event: Event) -> Event:
    """The event, cut where its data is over 16 KB of JSON, and then with `truncated: true`.
    Small events are given back as they are."""
    return trim_measured(event)[0]


def trim_measured(event: Event) -> tuple[Event, int]:
    """`trim`, and the size of the event's whole data in bytes of JSON."""
    if not event.data:
        return event, 0
    data = previewed(event.data)
    size = len(dumps(event.data))
    if size > MAX_DATA_BYTES:
        data = cut(data, MAX_DATA_BYTES, dumps)
    return event if data is event.data else dataclasses.replace(event, data=data), size


def previewed(data: dict[str, Any]) -> dict[str, Any]:
    """An event's data as the list of events has it: with a preview, and a mark, in the place of an
    output that is kept elsewhere."""
    output = data.get("output")
    kept = output[KEPT] if isinstance(output, dict) and output.keys() == {KEPT} else None
    if not isinstance(kept, dict) or "preview" not in kept:
        return data
    rest = {name: value for name, value in data.items() if name != "output"}
    return {**rest, "preview": kept["preview"], "truncated": True}


def cut(data: dict[str, Any], max_bytes: int, encode: Encode) -> dict[str, Any]:
    """An event's large data, cut to at most `max_bytes` of JSON and a mark, `truncated: true`.

    `output` and `input` give way to `preview`, the first 2,000 characters of that value (of its
    JSON, where it is no text); other fields keep what of them is small.
    """
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if name not in _LARGE_FIELDS:
            kept[name] = _bounded(value, MAX_FIELD_BYTES, encode)
        elif len(encoded := encode(value)) <= PREVIEW_CHARS:
            kept[name] = value
        else:
            kept["preview"] = preview(value, encoded)
    mark = {"truncated": True}
    return {**_bounded(kept, max_bytes - len(encode(mark)), encode), **mark}


def _bounded(value: Any, limit: int, encode: Encode, depth: int = 2) -> Any:
    """The value where its JSON is within `limit` bytes; else its small parts."""
    if len(encode(value)) <= limit:
        return value
    if isinstance(value, str):
        return value[: min(MAX_TEXT_CHARS, limit)]
    if not isinstance(value, dict) or depth == 0:
        return None
    parts = {
        name: _bounded(part, MAX_FIELD_BYTES, encode, depth - 1)
        for name, part in islice(value.items(), MAX_PARTS)
    }
    sizes = {name: len(encode({name: part})) for name, part in parts.items()}
    kept: dict[str, Any] = {}
    for name in sorted(sizes, key=sizes.__getitem__):
        limit -= sizes[name]
        if limit < 0:
            break
        kept[name] = parts[name]
    return kept


def preview(value: Any, encoded: bytes | None = None) -> str:
    """The first 2,000 characters of a string, or of any other value's JSON."""
    if isinstance(value, str):
        return value[:PREVIEW_CHARS]
    text = (dumps(value) if encoded is None else encoded)[: PREVIEW_CHARS * 4]
    return text.decode(errors="ignore")[:PREVIEW_CHARS]
