"""What the list of events keeps of an event's data.

Full outputs stand once, with the node or the execution. The list is read again for every
watcher that comes back, so an event's data is bounded there.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from pilot.store import json_text

MAX_DATA_CHARS = 8_192
PREVIEW_CHARS = 2_000
MAX_FIELD_CHARS = 1_500
MAX_TEXT_CHARS = 500
MAX_PARTS = 100
_LARGE_FIELDS = ("output", "input")


def event_data(data: dict[str, Any]) -> str:
    """The JSON text of an event's data, of about 8 KB at most.

    Data that is larger loses `output` and `input` for `preview`, the first 2,000 characters of
    that value (of its JSON, where it is no text), keeps its other fields as far as they are
    small, and says `truncated: true`.
    """
    text = json_text.dumps(data)
    if len(text) <= MAX_DATA_CHARS:
        return text
    kept: dict[str, Any] = {}
    for name, value in data.items():
        if name not in _LARGE_FIELDS:
            kept[name] = _bounded(value, MAX_FIELD_CHARS)
        elif len(encoded := json_text.dumps(value)) <= PREVIEW_CHARS:
            kept[name] = value
        else:
            kept["preview"] = (value if isinstance(value, str) else encoded)[:PREVIEW_CHARS]
    return json_text.dumps({**_bounded(kept, MAX_DATA_CHARS), "truncated": True})


def _bounded(value: Any, limit: int, depth: int = 2) -> Any:
    """The value where its JSON is within `limit` characters; else its small parts."""
    if len(json_text.dumps(value)) <= limit:
        return value
    if isinstance(value, str):
        return value[:MAX_TEXT_CHARS]
    if not isinstance(value, dict) or depth == 0:
        return None
    parts = {
        name: _bounded(part, MAX_FIELD_CHARS, depth - 1)
        for name, part in islice(value.items(), MAX_PARTS)
    }
    sizes = {name: len(name) + len(json_text.dumps(part)) for name, part in parts.items()}
    kept: dict[str, Any] = {}
    for name in sorted(sizes, key=sizes.__getitem__):
        limit -= sizes[name]
        if limit < 0:
            break
        kept[name] = parts[name]
    return kept
