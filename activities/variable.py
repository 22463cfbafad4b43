"""variable: sets variables from templates."""

from __future__ import annotations

from typing import Any

from activities.attempt import Attempt, node_activity
from activities.evaluation import render
from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.nodes.variable import Operation, VariableConfig


@node_activity("variable", VariableConfig)
async def variable(attempt: Attempt[VariableConfig]) -> NodeResult:
    scope = attempt.task.scope
    config = await render(attempt.config, scope)
    return NodeResult(
        vars={
            name: _apply(name, config.operations.get(name, "set"), scope.vars.get(name), value)
            for name, value in config.assignments.items()
        }
    )


def _apply(name: str, operation: Operation, before: Any, value: Any) -> Any:
    """The variable's new value; `before` is None where it was not set."""
    match operation:
        case "set":
            return value
        case "append":
            return [*_expect(name, before, list, "a list", []), value]
        case "merge":
            if not isinstance(value, dict):
                raise _mismatch(name, "merge takes an object", value)
            return {**_expect(name, before, dict, "an object", {}), **value}
        case "increment":
            if not _is_number(value):
                raise _mismatch(name, "increment takes a number", value)
            return _expect(name, before, int | float, "a number", 0) + value


def _expect(name: str, before: Any, type: Any, what: str, empty: Any) -> Any:
    if before is None:
        return empty
    if not isinstance(before, type) or isinstance(before, bool):
        raise _mismatch(name, f"it must be {what} for this operation", before)
    return before


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mismatch(name: str, expected: str, value: Any) -> NodeError:
    return NodeError(f"the variable {name!r}: {expected}, not {value!r:.100}", code="type_mismatch")
