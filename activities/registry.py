"""The activities of all installed node types, and the resources they share.

Others ship theirs by the entry-point group `pilot.activities`, each entry point being what
`node_activity` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from temporalio import activity

from activities.approval import approval
from activities.code import code
from activities.condition import condition
from activities.http import http
from activities.llm import llm
from activities.loop import loop, loop_condition
from activities.map import map, map_stop
from activities.merge import merge
from activities.output import output
from activities.resources import Resources, resources
from activities.start import start
from activities.switch import switch
from activities.variable import variable
from activities.wait import wait
from activities.workflow import workflow
from pilot.errors import PilotError

__all__ = ["Resources", "node_activities", "resources"]

ENTRY_POINT_GROUP = "pilot.activities"

BUILT_IN: tuple[Callable[..., Any], ...] = (
    start,
    llm,
    condition,
    code,
    http,
    variable,
    workflow,
    output,
    wait,
    switch,
    merge,
    approval,
    map,
    loop,
)

ITERATING: tuple[Callable[..., Any], ...] = (map_stop, loop_condition)
"""What loops and maps ask at each of their iterations."""


@lru_cache(maxsize=1)
def _activities() -> tuple[Callable[..., Any], ...]:
    found = {_name(function): function for function in (*BUILT_IN, *ITERATING)}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        function = entry_point.load()
        name = _name(function)
        if name in found:
            raise PilotError(f"the activity {name!r} is defined twice ({entry_point.value})")
        found[name] = function
    return tuple(found.values())


def _name(function: Callable[..., Any]) -> str:
    definition = activity._Definition.from_callable(function)
    if definition is None or definition.name is None:
        raise PilotError(f"{function!r} is not an activity: make it with `node_activity`")
    return definition.name


def node_activities() -> list[Callable[..., Any]]:
    """Every node type's activity, built in or installed, and what loops and maps ask between.
    Two of one name are an error."""
    return list(_activities())
