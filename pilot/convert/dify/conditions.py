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
    found = _written(operator, left, right, is_list=is_list)
    if operator in ("in", "not in") and isinstance(given.get("value"), list):
        found = f"{left} in {literal(given['value'])}"
        found = found if operator == "in" else f"!({found})"
    if found is None:
        return _drop(operator, given, scope, source, field)
    return found


def _written(operator: str, left: str, right: str | None, *, is_list: bool) -> str | None:
    empty = f'{left} in [null, "", [], {{}}]'
    inside = f"{right} in {left}" if is_list else f"{left}.contains({right})"
    simple = {
        "contains": inside,
        "not contains": f"!({inside})",
        "start with": f"{left}.startsWith({right})",
        "end with": f"{left}.endsWith({right})",
        "is": f"{left} == {right}",
        "is not": f"{left} != {right}",
        "empty": empty,
        "not empty": f"!({empty})",
        "null": f"{left} == null",
        "not exists": f"{left} == null",
        "not null": f"{left} != null",
        "exists": f"{left} != null",
    }
    if operator in _ORDER and right is not None:
        return f"{left} {_ORDER[operator]} {right}"
    return simple.get(operator)


def _right(value: Any, scope: Scope, source: Source, field: str, *, is_number: bool) -> str | None:
    if isinstance(value, bool):
        return literal(value)
    if is_number:
        found = number(value)
        if found is not None:
            return found
        text = str(value or "")
        inner = scope.template(text, source, field)
        return (
            inner[1:-1] if inner.startswith("{") and inner.endswith("}") and "#" in text else None
        )
    if isinstance(value, str) and "{{#" in value:
        return _concatenated(value, scope, source, field)
    return literal(value if value is not None else "")


def _concatenated(text: str, scope: Scope, source: Source, field: str) -> str:
    template = scope.template(text, source, field)
    whole = template.startswith("{") and template.endswith("}")
    if whole and template.count("{") == template.count("}") == 1:
        return template[1:-1]
    scope.account.dropped(
        "a text with several values in it cannot be compared",
        source,
        field,
        original=text,
        severity="error",
        action="put the text into a variable first, and compare that",
    )
    return untranslated(text)


def _drop(operator: str, given: Mapping[str, Any], scope: Scope, source: Source, field: str) -> str:
    original = f"{given.get('variable_selector')} {operator} {given.get('value')}"
    scope.account.dropped(
        f"πlot has no comparison like {operator!r} of {given.get('varType') or 'this'}",
        source,
        field,
        original=original,
        severity="error",
        action="write the comparison as CEL, or as a code node",
    )
    return untranslated(original)
