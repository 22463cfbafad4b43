"""Payloads as Temporal keeps them: JSON, in which what a node's task, result and plan do not say
is left out.

Nine in ten fields of a node's argument have their default. Written out they were a third of what
a run's history held; left out, they are what they were when the argument is read.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

from pilot.graph.plan import PlanNode, References
from pilot.graph.task import NodeResult, NodeTask, Scope, ToolCall

LEAN = frozenset({NodeResult, NodeTask, PlanNode, References, Scope, ToolCall})
"""The types of which defaults are left out: none of them may ever get another default. A policy's
are not among them; they are the plan's own, whatever a later release has for them."""

_REQUIRED = object()


def lean(value: Any) -> Any:
    """A value as it is written: dataclasses as dictionaries, of those in `LEAN` without the
    fields that have their default. Anything else is as it was."""
    if isinstance(value, list):
        return [lean(one) for one in value] if value and is_dataclass(value[0]) else value
    defaults = _defaults(value.__class__)
    if defaults is None:
        return value
    written: dict[str, Any] = {}
    for name, default in defaults:
        field = getattr(value, name)
        if default is _REQUIRED or field != default:
            written[name] = lean(field)
    return written


@cache
def _defaults(kind: Hashable) -> tuple[tuple[str, Any], ...] | None:
    """The fields of a dataclass, each with the default that is left out; None for other types."""
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None
    found = []
    for field in fields(kind):
        default: Any = _REQUIRED
        if kind in LEAN and field.default is not MISSING:
            default = field.default
        elif kind in LEAN and field.default_factory is not MISSING:
            default = field.default_factory()
        found.append((field.name, default))
    return tuple(found)


class LeanJSONConverter(PydanticJSONPlainPayloadConverter):
    """Reads as pydantic does. Temporal makes a converter for each run, and so would make each run
    build the readers of our types anew (12 ms for its argument): they are shared."""

    def to_payload(self, value: Any) -> Payload | None:
        return super().to_payload(lean(value))

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        if getattr(type_hint, "__module__", "").partition(".")[0] in _OURS:
            return _reader(type_hint).validate_json(payload.data)
        return super().from_payload(payload, type_hint)


_OURS = frozenset({"pilot", "workflows_def"})
"""What the sandbox loads once. Types of other modules are other ones in each run, which a shared
cache would keep."""


@cache
def _reader(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # type: ignore[arg-type]


class LeanPayloadConverter(CompositePayloadConverter):
    """Temporal's default, with its JSON in the place of which stands the lean one."""

    def __init__(self) -> None:
        json = LeanJSONConverter()
        super().__init__(
            *(
                json if isinstance(one, JSONPlainPayloadConverter) else one
                for one in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )
