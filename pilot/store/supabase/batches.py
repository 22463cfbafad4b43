"""A batch of events as the parameters of `pilot_append_events`."""

from __future__ import annotations

from typing import Any

from pilot.store import json_text, rows
from pilot.store.append import Batch
from pilot.store.projection import ExecutionChange, fold
from pilot.store.rows import json_or_null
from pilot.store.supabase.records import record
from pilot.store.values import plain

_TEXTS = ("node_id", "path", "status", "type", "reason", "at")


def batch_params(batch: Batch) -> dict[str, Any]:
    return {
        "id": plain(batch.execution_id),
        "events": [_plain(row) for row in batch.event_rows],
        "nodes": [_plain(row) for row in batch.node_rows],
        "change": _change(batch.change),
    }


def made_again(execution_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the events that stay come to, as the function asked for it."""
    ids = {"execution_id": execution_id, "workflow_id": asked["workflow_id"]}
    left = fold(rows.event(record(row, **ids)) for row in asked["events"])
    return {
        "guard": asked["guard"],
        "nodes": [_plain(rows.node_row(execution_id, node)) for node in left.nodes.values()],
        "change": _change(left.execution),
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    cleaned = {name: plain(row[name]) for name in _TEXTS if row.get(name) is not None}
    return {**row, **cleaned, "execution_id": None}


def _change(change: ExecutionChange) -> dict[str, Any]:
    return {
        "last_seq": change.last_seq,
        "started_at": change.started_at,
        "status": change.status,
        "status_seq": change.status_seq,
        "finished_at": change.finished_at,
        "error": json_or_null(change.error),
        "output": json_or_null(change.output),
        "usage": _usage(change.usage),
    }


def _usage(said: dict[str, Any]) -> dict[str, Any]:
    """What a run said that it used, taken apart for `pilot.settled`: the database compares the
    three numbers with the run's calls, and need not parse the rest, which may be anything."""
    numbers = ("prompt_tokens", "completion_tokens", "cost_usd")
    return {
        "whole": json_text.dumps(said),
        "rest": json_text.dumps({k: v for k, v in said.items() if k not in numbers}),
        "cost": json_text.dumps(said["cost_usd"]) if "cost_usd" in said else None,
        **{name: _number(said.get(name)) for name in numbers},
    }


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
