"""Dify's conditions (`if-else`, a loop's end) as CEL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import literal, untranslated
from pilot.convert.dify.scope import Scope, number, rows_of
from pilot.convert.report import Source

_ORDER = {"=": "==", "≠": "!=", ">": ">", "<": "<", "≥": ">=", "≤": "<=", ">=": ">=", "<=": "<="}


def conjunction(case: Mapping[str, Any], scope: Scope, source: Source, field: str) -> str:
    """The conditions of a case, joined by its logical operator."""
    parts = [
        condition(one, scope, source, f"{field}.conditions[{index}]")
        for index, one in enumerate(rows_of(case.get("conditions")))
    ]
    joiner = " || " if case.get("logical_operator") == "or" else " && "
    if not parts:
        return "false"  # Dify takes a case without conditions as one that does not hold
    return parts[0] if len(parts) == 1 else joiner.join(f"({part})" for part in parts)


def condition(given: Mapping[str, Any], scope: Scope, source: Source, field: str) -> str:
    """One comparison as CEL. An operator on files is dropped with an error."""
    operator, kind = str(given.get("comparison_operator")), str(given.get("varType") or "")
    selector = given.get("variable_selector")
    if not isinstance(selector, list) or given.get("sub_variable_condition"):
        return _drop(operator, given, scope, source, field)
    is_list, is_number = kind.startswith("array"), kind in ("number", "integer", "float")
    missing = "null" if is_number or "null" in operator or "exist" in operator else '""'
    left = scope.value(selector, source, field, default="[]" if is_list else missing)
    right = _right(given.get("value"), scope, source, field, is_number=is_number)
    match operator:
        case "contains":
            return f"{right} in {left}" if is_list else f"{left}.contains({right})"
        case "not contains":
            return f"!({right} in {left})" if is_list else f"!{left}.contains({right})"
        case "start with":
            return f"{left}.startsWith({right})"
        case "end with":
            return f"{left}.endsWith({right})"
        case "is":
            return f"{left} == {right}"
        case "is not":
            return f"{left} != {right}"
        case "empty":
            return f'{left} in [null, "", [], {{}}]'
        case "not empty":
            return f'!({left} in [null, "", [], {{}}])'
        case "null" | "not exists":
            return f"{left} == null"
        case "not null" | "exists":
            return f"{left} != null"
        case "in" | "not in" if isinstance(given.get("value"), list):
            inside = f"{left} in {literal(given['value'])}"
            return inside if operator == "in" else f"!({inside})"
        case _ if operator in _ORDER and right is not None:
            return f"{left} {_ORDER[operator]} {right}"
    return _drop(operator, given, scope, source, field)


def _right(
    value: Any, scope: Scope, source: Source, field: str, *, is_number: bool
) -> str | None:
    if isinstance(value, bool):
        return literal(value)
    if is_number:
        found = number(value)
        if found is not None:
            return found
        text = str(value or "")
        inner = scope.template(text, source, field)
        return inner[1:-1] if inner.startswith("{") and inner.endswith("}") and "#" in text else None
    if isinstance(value, str) and "{{#" in value:
        return _concatenated(value, scope, source, field)
    return literal(value if value is not None else "")


def _concatenated(text: str, scope: Scope, source: Source, field: str) -> str:
    template = scope.template(text, source, field)
    if template.startswith("{") and template.count("{") == template.count("}") == 1:
        if template.endswith("}"):
            return template[1:-1]
    scope.account.dropped(
        "a text with several values in it cannot be compared",
        source,
        field,
        original=text,
        severity="error",
    )
    return untranslated(text)


def _drop(
    operator: str, given: Mapping[str, Any], scope: Scope, source: Source, field: str
) -> str:
    original = f"{given.get('variable_selector')} {operator} {given.get('value')}"
    scope.account.dropped(
        f"πlot has no comparison like {operator!r} of {given.get('varType') or 'this'}",
        source,
        field,
        original=original,
        severity="error",
    )
    return untranslated(original)
