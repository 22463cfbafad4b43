"""What the list of events keeps of an event's data.

Full outputs stand once, with the node or the execution. The list is read again for every
watcher that comes back, so an event's data is bounded there.
"""

from __future__ import annotations

from typing import Any

from pilot.events.preview import cut, previewed
from pilot.store import json_text

MAX_DATA_BYTES = 8_192


def event_data(data: dict[str, Any]) -> str:
    """The JSON text of an event's data, of 8 KB at most (`pilot.events.preview.cut`).

    Raises `ValueError` for what JSON cannot hold.
    """
    data = previewed(data)
    text = json_text.dumps(data)
    if len(text.encode()) <= MAX_DATA_BYTES:
        return text
    return json_text.dumps(cut(data, MAX_DATA_BYTES, lambda value: json_text.dumps(value).encode()))
