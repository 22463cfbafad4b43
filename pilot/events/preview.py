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
"""How much JSON the data of one event holds on the wire; over it, values become previews."""
MAX_VALUE_BYTES = 4 * 1024
PREVIEW_CHARS = 1_000


def trim(event: Event) -> Event:
    """The event, its large values replaced by previews when its data is over 16 KB of JSON.

    A value over 4 KB becomes the first 1,000 characters of its text (of its JSON, if it is no
    string), and `data.truncated` maps its key to its size in bytes of JSON. Small events are
    given back as they are. Idempotent.
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
    already = data.get("truncated")
    truncated: dict[str, int] = dict(already) if isinstance(already, dict) else {}
    kept: dict[str, Any] = {}
    room = MAX_DATA_BYTES
    for key, value in data.items():
        if key == "truncated":
            continue
        encoded = dumps(value)
        if len(encoded) > min(MAX_VALUE_BYTES, room):
            truncated[key] = len(encoded)
            kept[key] = preview(value, encoded)
        else:
            kept[key] = value
            room -= len(encoded)
    kept["truncated"] = truncated
    return kept


def preview(value: Any, encoded: bytes | None = None) -> str:
    """The first 1,000 characters of a string, or of any other value's JSON."""
    if isinstance(value, str):
        return value[:PREVIEW_CHARS]
    text = (dumps(value) if encoded is None else encoded)[: PREVIEW_CHARS * 4]
    return text.decode(errors="ignore")[:PREVIEW_CHARS]
