"""The value of a compiled expression on the values of a run, as plain JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel

from pilot.errors import ExpressionError
from pilot.graph.expressions import Expression, Reference, path_text
from pilot.graph.values import from_cel, in_cel_range

MAX_COLLECTED_ITEMS = 3_000
"""Longest list that `map` and `filter` take: both copy their result at each step, so their
cost grows with its square (3,000 items take 125 ms, 10,000 take 4 s)."""


def evaluate(expression: Expression, values: Mapping[str, Any]) -> Any:
    """The expression's value as plain JSON data.

    `values` maps each root that the expression refers to, such as `input` or `execution.id`,
    to its value. Raises `ExpressionError`.
    """
    if expression.path is not None:
        return resolve_path(expression.path, values)
    for source in expression.collects:
        items = _try_path(source, values)
        if isinstance(items, list | dict) and len(items) > MAX_COLLECTED_ITEMS:
            raise ExpressionError(
                f"map and filter take at most {MAX_COLLECTED_ITEMS:,} items, and "
                f"{path_text(source)} has {len(items):,}: use a code node",
                code="list_too_long",
            )
    try:
        return from_cel(_run(expression, dict(values)))
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def _run(expression: Expression, values: dict[str, Any]) -> Any:
    try:
        result = expression.compiled.eval(data=values)
        if result.type() == cel.Type.ERROR and "out of range" in str(result.value()):
            # CEL's integers have 64 bits, JSON's any number: read larger ones as doubles
            result = expression.compiled.eval(data=in_cel_range(values))
        if result.type() != cel.Type.ERROR:
            return result.plain_value()
        message = str(result.value())
    except TypeError:
        # the one type that the binding cannot hand over
        message = "the expression gives an optional: end it with .orValue(...)"
    except (RuntimeError, OverflowError) as error:
        message = str(error)
    raise ExpressionError(_plain_failure(message))


def _plain_failure(text: str) -> str:
    text = re.sub(r"^[A-Z_]+: ", "", text.splitlines()[0] if text else "failed")[:500]
    missing = re.match(r'Key not found in map : "(.*)"', text)
    if missing:
        return f'no key "{missing[1]}" (test it with has(...), or read it with .?)'
    if text.startswith("No matching overloads found") and "int64" in text and "double" in text:
        return f"{text} (turn the integer into a double with double(...))"
    if text.startswith("Iteration budget exceeded"):
        return "too many steps in list macros: use a code node"
    return text


def _try_path(reference: Reference, values: Mapping[str, Any]) -> Any:
    try:
        return resolve_path(reference, values)
    except ExpressionError:
        return None


def resolve_path(reference: Reference, values: Mapping[str, Any]) -> Any:
    """Walks a plain path as CEL would. Raises `ExpressionError` where it breaks off."""
    value = values.get(reference.root)
    seen: str = reference.root
    for segment in reference.segments:
        if isinstance(value, dict) and isinstance(segment, str):
            if segment not in value:
                raise ExpressionError(
                    f'no key "{segment}" in {seen} (test it with has(...), or read it with .?)'
                )
            value = value[segment]
        elif isinstance(value, list) and isinstance(segment, int):
            if not 0 <= segment < len(value):
                raise ExpressionError(f"{seen} has {len(value)} items: no index {segment}")
            value = value[segment]
        else:
            raise ExpressionError(f"{seen} is {_kind(value)}: it has no {segment!r}")
        seen = f"{seen}.{segment}" if isinstance(segment, str) else f"{seen}[{segment}]"
    return value


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
