"""Large outputs by reference: a node's output that no row would hold is written to the payload
store inside of its attempt, and the run passes on where it lies (`pilot.payloads.values`).

So a run holds it nowhere: not in its workflow, not in its events, not in what is written to the
store. A node that refers to it is given it whole, inside of its own attempt; an output node that
gives it as it is passes the reference on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson
from temporalio import activity

from activities import resources
from activities.patience import through_outage
from pilot.events.preview import preview
from pilot.graph.task import NodeResult, NodeTask, Scope
from pilot.payloads.driver import execution_of
from pilot.payloads.spool import Spool
from pilot.payloads.values import ROW_BYTES, Kept, Values
from pilot.store import json_text

_WHOLE = re.compile(r"\{\s*(?:(input)|nodes\.([A-Za-z_]\w*)\.output)\s*\}", re.ASCII)
"""A template that is a whole value and nothing else."""


def passed_on(task: NodeTask) -> Kept | None:
    """What an output node gives as it is, where that is a reference."""
    if task.type != "output" or not task.keeps or task.config.get("output_schema") is not None:
        return None
    found = _WHOLE.fullmatch(str(task.config.get("value", "{input}")))
    if found is None:
        return None
    node = task.scope.nodes.get(found[2] or "", {})
    return Kept.of(task.scope.input if found[1] else node.get("output"), task.execution_id)


async def whole(scope: Scope, limit_s: float) -> Scope:
    """The scope with the values themselves. A store that is away is waited for, for `limit_s`.

    Raises `PayloadStoreError` and `PayloadGoneError`.
    """
    execution_id, values = execution_of(activity.info().workflow_id or ""), _values()
    if execution_id is None or values is None:
        return scope
    input = await _whole(values, scope.input, execution_id, limit_s)
    nodes = {
        node_id: {
            name: await _whole(values, part, execution_id, limit_s) if name == "output" else part
            for name, part in parts.items()
        }
        for node_id, parts in scope.nodes.items()
    }
    return replace(scope, input=input, nodes=nodes)


async def _whole(values: Values, value: Any, execution_id: str, limit_s: float) -> Any:
    """References stand alone, or in maps by node id; such a map may be passed on in another."""
    if not isinstance(value, dict):
        return value
    if Kept.of(value, execution_id) is not None:
        return await through_outage(lambda: values.whole(value, execution_id), limit_s)
    if not any(isinstance(one, dict) for one in value.values()):
        return value
    return {name: await _whole(values, one, execution_id, limit_s) for name, one in value.items()}


class Large:
    """An output as its JSON, of which `beginning` is what a preview shows."""

    def __init__(self, execution_id: str, text: bytes | Spool, beginning: str) -> None:
        self._execution_id = execution_id
        self._text = text
        self._beginning = beginning
        self._kept: Kept | None = None

    def __len__(self) -> int:
        return len(self._text)

    async def keep(self) -> Kept:
        """Writes it to the payload store, once. Raises `PayloadStoreError`."""
        values = _values()
        assert values is not None
        if self._kept is None:
            self._kept = await values.keep(self._execution_id, self._text, self._beginning)
        return self._kept

    def value(self) -> Any:
        text = self._text.read() if isinstance(self._text, Spool) else self._text
        return json_text.loads(text.decode())


def may_keep(task: NodeTask) -> bool:
    """Whether the node's output is kept where it is large."""
    return task.keeps and _values() is not None


def large(task: NodeTask, result: NodeResult, size: int) -> Large | None:
    """The output of a result with so many bytes of JSON, where it is one that is kept."""
    ends = result.follow is None and not result.tool_calls
    if not (ends and size > ROW_BYTES and may_keep(task)):
        return None
    found = Large(task.execution_id, _encoded(result.output), preview(result.output))
    return found if len(found) > ROW_BYTES else None


def _encoded(output: Any) -> bytes:
    if isinstance(output, str):  # at once, without a text between
        return orjson.dumps(output)
    return json_text.dumps(output).encode()


def _values() -> Values | None:
    """Those of the process, where it has a payload store."""
    if not resources.is_open():
        return None
    shared = resources.current()
    return None if shared.store is None or shared.objects is None else shared.store.values
