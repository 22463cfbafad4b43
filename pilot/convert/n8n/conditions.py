"""n8n's conditions (If, Filter, Switch) as CEL."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import untranslated
from pilot.convert.n8n.build import Build, N8nNode, rows_of

_EMPTY = '{0} in [null, "", [], {{}}]'
_OPERATIONS: Mapping[str, str] = {
    "equals": "{0} == {1}",
    "notEquals": "{0} != {1}",
    "equal": "{0} == {1}",
    "notEqual": "{0} != {1}",
    "contains": "{0}.contains({1})",
    "notContains": "!{0}.contains({1})",
    "startsWith": "{0}.startsWith({1})",
    "notStartsWith": "!{0}.startsWith({1})",
    "endsWith": "{0}.endsWith({1})",
    "notEndsWith": "!{0}.endsWith({1})",
    "gt": "{0} > {1}",
    "gte": "{0} >= {1}",
    "lt": "{0} < {1}",
    "lte": "{0} <= {1}",
    "larger": "{0} > {1}",
    "largerEqual": "{0} >= {1}",
    "smaller": "{0} < {1}",
    "smallerEqual": "{0} <= {1}",
    "true": "{0} == true",
    "false": "{0} == false",
    "empty": _EMPTY,
    "notEmpty": f"!({_EMPTY})",
    "isEmpty": _EMPTY,
    "isNotEmpty": f"!({_EMPTY})",
    "lengthEquals": "size({0}) == {1}",
    "lengthNotEquals": "size({0}) != {1}",
    "lengthGt": "size({0}) > {1}",
    "lengthLt": "size({0}) < {1}",
    "lengthGte": "size({0}) >= {1}",
    "lengthLte": "size({0}) <= {1}",
}
_LISTS: Mapping[str, str] = {"contains": "{1} in {0}", "notContains": "!({1} in {0})"}
_FIELD = re.compile(r"[\w.]+\.\w+")
_ONE_SIDED = ("true", "false", "empty", "notEmpty", "isEmpty", "isNotEmpty")


def filter_expression(given: Any, node: N8nNode, build: Build, field: str) -> str:
    """The conditions of a filter (version 2), joined by its combinator."""
    given = given if isinstance(given, dict) else {}
    options = given.get("options")
    fold = isinstance(options, dict) and options.get("caseSensitive") is False
    parts = [
        _condition(one, node, build, f"{field}[{index}]", fold=fold)
        for index, one in enumerate(rows_of(given, "conditions"))
    ]
    return _joined(parts, "||" if given.get("combinator") == "or" else "&&")


def old_expression(given: Any, joiner: str, node: N8nNode, build: Build, field: str) -> str:
    """The conditions of version 1: lists by type, each {value1, operation, value2}."""
    defaults = {"string": "equal", "number": "smaller", "boolean": "equal", "dateTime": "after"}
    parts = []
    for kind, default in defaults.items():
        for index, one in enumerate(rows_of(given, kind)):
            operation = str(one.get("operation") or default)
            at = f"{field}.{kind}[{index}]"
            second = one.get("value2", "" if kind == "string" else 0 if kind == "number" else False)
            first = one.get("value1")
            parts.append(written(operation, kind, first, second, node, build, at))
    return _joined(parts, "||" if joiner == "any" else "&&")


def _joined(parts: list[str], joiner: str) -> str:
    if not parts:
        return "true"
    return parts[0] if len(parts) == 1 else f" {joiner} ".join(f"({part})" for part in parts)


def _condition(
    one: Mapping[str, Any], node: N8nNode, build: Build, field: str, *, fold: bool
) -> str:
    operator = one.get("operator")
    operator = operator if isinstance(operator, dict) else {}
    kind, operation = str(operator.get("type")), str(operator.get("operation"))
    if operation in ("exists", "notExists"):
        return _exists(one.get("leftValue"), operation, node, build, field)
    if fold and kind == "string":
        build.account.approximated(
            "upper and lower case are told apart here",
            node.source,
            field,
            action="compare by lowerAscii()",
        )
    return written(operation, kind, one.get("leftValue"), one.get("rightValue"), node, build, field)


def written(
    operation: str, kind: str, first: Any, second: Any, node: N8nNode, build: Build, field: str
) -> str:
    """One comparison. Of a kind that is none of CEL's (dates) it is dropped with an error."""
    pattern = _LISTS.get(operation) if kind == "array" else None
    pattern = pattern or _OPERATIONS.get(operation)
    if pattern is None or kind == "dateTime":
        original = f"{first} {operation} {second}"
        build.account.dropped(
            f"πlot has no comparison like {operation!r} of {kind}",
            node.source,
            field,
            original=original,
            severity="error",
            action="write the comparison as CEL, or as a code node",
        )
        return untranslated(original)
    left = build.value(first, node, field).text
    if operation in _ONE_SIDED:
        return pattern.format(left)
    return pattern.format(left, build.value(_constant(second, kind), node, field).text)


def _constant(value: Any, kind: str) -> Any:
    """A constant as what the comparison takes it for: n8n keeps what was typed as a text."""
    if not isinstance(value, str) or value.startswith("="):
        return value
    if kind in ("number", "array"):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() else number if math.isfinite(number) else value
    if kind == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _exists(left: Any, operation: str, node: N8nNode, build: Build, field: str) -> str:
    text = build.value(left, node, field).text
    found = f"{text} != null"
    if _FIELD.fullmatch(text):
        found = f"has({text}) && {found}"
    return found if operation == "exists" else f"!({found})"
