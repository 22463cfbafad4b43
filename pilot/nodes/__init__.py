"""The node types' specs: one file a type. Others ship theirs by the entry-point group
`pilot.nodes`, each entry point being a `NodeSpec`."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from types import MappingProxyType

from pilot.errors import PilotError
from pilot.graph.spec import NodeSpec, Specs
from pilot.nodes import (
    approval,
    code,
    condition,
    http,
    llm,
    loop,
    map,
    merge,
    output,
    start,
    switch,
    variable,
    wait,
    workflow,
)

ENTRY_POINT_GROUP = "pilot.nodes"

BUILT_IN = (
    start.SPEC,
    llm.SPEC,
    condition.SPEC,
    code.SPEC,
    http.SPEC,
    variable.SPEC,
    wait.SPEC,
    switch.SPEC,
    merge.SPEC,
    approval.SPEC,
    map.SPEC,
    loop.SPEC,
    workflow.SPEC,
    output.SPEC,
)


@lru_cache(maxsize=1)
def specs() -> Specs:
    """All installed node types by name. Two of the same name are an error, not a shadow."""
    found: dict[str, NodeSpec] = {spec.type: spec for spec in BUILT_IN}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        spec = entry_point.load()
        if not isinstance(spec, NodeSpec):
            raise PilotError(f"entry point {entry_point.value} is not a NodeSpec")
        if spec.type in found:
            raise PilotError(f"node type {spec.type!r} is defined twice ({entry_point.value})")
        found[spec.type] = spec
    return MappingProxyType(found)
