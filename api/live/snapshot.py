"""An execution as one message: where a watcher begins who has seen nothing yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from api.executions.schemas import ExecutionOut
from api.live.delivery import Delivery
from pilot.events.model import Event, EventType, rfc3339
from pilot.events.preview import MAX_DATA_BYTES, preview
from pilot.events.wire import dumps

MAX_VALUES_BYTES = 1024 * 1024
"""Of all values in a snapshot together; the nodes that come after are shown without theirs."""


def snapshot(shown: ExecutionOut, seq: int) -> Delivery:
    """The message `snapshot`: `data` is the execution as `GET` shows it, `seq` the last event
    that is surely in it. Values over 16 KB give way to a preview and `truncated: true`."""
    data: dict[str, Any] = shown.model_dump(mode="json")
    left = MAX_VALUES_BYTES
    for part in (data, *data["nodes"]):
        left -= _cut(part, left)
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


def gap(execution_id: str, workflow_id: str, after_seq: int, before_seq: int) -> Delivery:
    """The message `gap`: the durable events between the two cannot be had."""
    return Delivery(
        Event(
            EventType.GAP,
            execution_id,
            workflow_id,
            rfc3339(datetime.now(UTC)),
            data={"after_seq": after_seq, "before_seq": before_seq},
        )
    )


def going_on_before(shown: Delivery, seq: int) -> Delivery:
    """The snapshot for a watcher whose next event, behind a gap, has that `seq`."""
    return Delivery(replace(shown.event, seq=seq - 1))


def _cut(part: dict[str, Any], left: int) -> int:
    """Cuts the values of an execution or a node; their bytes of JSON."""
    used = 0
    for name in ("input", "output", "meta"):
        value = part.get(name)
        if not value:
            continue
        size = len(dumps(value))
        if size > MAX_DATA_BYTES or used + size > left:
            cut = preview(value) if name != "meta" and used + size <= left else None
            part[name] = {} if name == "meta" else cut
            part["truncated"] = True
            size = 0 if cut is None else len(dumps(cut))
        used += size
    return used
