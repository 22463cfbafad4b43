"""An execution as one message: where a watcher begins who has seen nothing yet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.executions.schemas import ExecutionOut
from api.live.delivery import Delivery
from pilot.events.model import Event, EventType, rfc3339
from pilot.events.preview import MAX_DATA_BYTES, preview
from pilot.events.wire import dumps


def snapshot(shown: ExecutionOut, seq: int) -> Delivery:
    """The message `snapshot`: `data` is the execution as `GET` shows it, `seq` the last event
    that is surely in it. Values over 16 KB give way to a preview and `truncated: true`."""
    data: dict[str, Any] = shown.model_dump(mode="json")
    for part in (data, *data["nodes"]):
        _cut(part)
    event = Event(
        EventType.SNAPSHOT,
        shown.id,
        shown.workflow_id,
        rfc3339(datetime.now(UTC)),
        seq=seq,
        status=shown.status.value,
        data=data,
    )
    return Delivery(event)


def _cut(part: dict[str, Any]) -> None:
    for name in ("input", "output", "meta"):
        value = part.get(name)
        if value is not None and len(dumps(value)) > MAX_DATA_BYTES:
            part[name] = {} if name == "meta" else preview(value)
            part["truncated"] = True
