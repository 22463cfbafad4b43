"""Large values of events cut down to a preview, so that one output stalls no watcher.

The whole value stays where it belongs: in the workflow's own list, in the execution's and
the node's row of the store, and so in `GET /api/v1/executions/{id}`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pilot.events.model import Event
from pilot.events.wire import dumps

MAX_DATA_BYTES = 16 * 1024
"""How much JSON the data of one event holds on the wire; over it, values are cut."""
MAX_FIELD_BYTES = 2 * 1024
PREVIEW_CHARS = 2_000
MAX_TEXT_CHARS = 500
_LARGE_FIELDS = ("output", "input")


def trim(event: Event) -> Event:
    """The event, cut where its data is over 16 KB of JSON, and then with `truncated: true`.

    As in the store's list of events, `output` and `input` give way to `preview`, the first
    2,000 characters of the value (of its JSON, where it is no text); other fields keep what of
    them is small. Small events are given back as they are.
    """
    return trim_measured(event)[0]


def trim_measured(event: Event) -> tuple[Event, int]:
    """`trim`, and the size of the event's whole data in bytes of JSON."""
    if not event.data:
        return event, 0
    size = len(dumps(event.data))
    if size <= MAX_DATA_BYTES:
        return event, size
    return dataclasses.replace(event, data=_trim_data(event.data)), size


def _trim_data(data: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if name not in _LARGE_FIELDS or len(encoded := dumps(value)) <= MAX_FIELD_BYTES:
            kept[name] = value
        else:
            kept["preview"] = preview(value, encoded)
    # a preview of 2,000 characters is at most 12,000 bytes of JSON (escapes)
    rest = _bounded({k: v for k, v in kept.items() if k != "preview"}, MAX_FIELD_BYTES)
    head = {"preview": kept["preview"]} if "preview" in kept else {}
    return {**rest, **head, "truncated": True}


def _bounded(value: Any, limit: int) -> Any:
    """The value where its JSON is within `limit` bytes; else those parts of it that are."""
    if len(dumps(value)) <= limit:
        return value
    if isinstance(value, str):
        return value[: min(MAX_TEXT_CHARS, limit // 6)]
    if not isinstance(value, dict):
        return None
    kept: dict[str, Any] = {}
    parts = {name: _bounded(part, limit // 2) for name, part in value.items()}
    sizes = {name: len(dumps({name: part})) for name, part in parts.items()}
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
