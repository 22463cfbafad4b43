"""Payloads as Temporal keeps them: JSON, in which what a node's task, result and plan do not say
is left out.

Nine in ten fields of a node's argument have their default. Written out they were a third of what
a run's history held; left out, they are what they were when the argument is read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)

from pilot.graph.plan import Plan, PlanEdge, PlanNode, References
from pilot.graph.spec import Policy, Retry
from pilot.graph.stretch import Stretch, StretchNode, StretchResult
from pilot.graph.task import NodeResult, NodeTask, Scope, ToolCall
from workflows_def.messages import RecordRequest, RecordResult, RunInput

LEAN = frozenset(
    {
        *(NodeResult, NodeTask, Scope, ToolCall),
        *(Plan, PlanEdge, PlanNode, Policy, References, Retry, RunInput),
        *(Stretch, StretchNode, StretchResult),
        *(RecordRequest, RecordResult),
    }
)
"""The types of which defaults are left out: none of them may ever get another default. What a later
release has for a type of node stands in its spec."""

_REQUIRED = object()
_PLAIN = frozenset({str, int, float, bool, type(None), dict})


def lean(value: Any) -> Any:
    """A value as it is written: dataclasses as dictionaries, of those in `LEAN` without the
    fields that have their default. Anything else is as it was."""
    if isinstance(value, list):
        known = _fields(value[0].__class__) if value else None
        return value if known is None else [lean(one) for one in value]
    known = _fields(value.__class__)
    if known is None:
        return value
    names, defaults, values = known
    return {
        name: one if one.__class__ in _PLAIN else lean(one)
        for name, default, one in zip(names, defaults, values(value), strict=True)
        if one is not default and (default is _REQUIRED or one != default)
    }


@cache
def _fields(
    kind: Hashable,
) -> tuple[tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]] | None:
    """A dataclass's fields, with the default of each that is left out, and what reads them all;
    None for other types."""
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return None
    defaults: list[Any] = []
    for field in fields(kind):
        default: Any = _REQUIRED
        if kind in LEAN and field.default is not MISSING:
            default = field.default
        elif kind in LEAN and field.default_factory is not MISSING:
            default = field.default_factory()
        defaults.append(default)
    names = tuple(field.name for field in fields(kind))
    if len(names) > 1:
        return names, tuple(defaults), attrgetter(*names)
    return names, tuple(defaults), lambda one: tuple(getattr(one, name) for name in names)


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


_JSON = LeanJSONConverter()
_CONVERTERS = tuple(
    _JSON if isinstance(one, JSONPlainPayloadConverter) else one
    for one in DefaultPayloadConverter.default_encoding_payload_converters
)


class LeanPayloadConverter(CompositePayloadConverter):
    """Temporal's default, with its JSON in the place of which stands the lean one. The SDK makes
    several for each activation of a run; none of their parts has a state."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)
