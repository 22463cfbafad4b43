"""Dify's list operator, as the Python that does the same.

Filter, extract, order, limit, in this order: api/core/workflow/nodes/list_operator of Dify.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilot.convert.cel import AT_SOURCE
from pilot.convert.dify.build import Build, DifyNode
from pilot.convert.dify.scope import number, rows_of
from pilot.nodes.code import SCOPE_NAMES

_STRINGS = {
    "contains": "{0} in x",
    "not contains": "{0} not in x",
    "start with": "x.startswith({0})",
    "end with": "x.endswith({0})",
    "is": "x == {0}",
    "is not": "x != {0}",
    "in": "x in {0}",
    "not in": "x not in {0}",
    "empty": "x == ''",
    "not empty": "x != ''",
}
_NUMBERS = {"=": "==", "≠": "!=", "<": "<", "≤": "<=", ">": ">", "≥": ">="}


def list_operator(node: DifyNode, build: Build) -> None:
    data = node.data
    selector = data.get("variable")
    place = build.scope.place(selector) if isinstance(selector, list) else None
    kind = str(data.get("item_var_type") or data.get("var_type") or "").removeprefix("array[")
    kind = kind.rstrip("]")
    steps = _steps(data, kind)
    if place is None or place.path[0] == "secrets" or steps is None:
        build.placeholder(
            node,
            "a list of files, or one that is compared with another node's value, is not carried",
            action="write it as a code node",
        )
        return
    root = str(place.path[0])
    scope = root if root in SCOPE_NAMES else ""
    lines = "\n".join(f"        {line}" for line in steps)
    source = (
        f"{AT_SOURCE}\n\ndef main({scope}):\n"
        f"    found = list({place.python} or [])\n"
        f"    if found:\n{lines or '        pass'}\n"
        "    return {\n        'result': found,\n"
        "        'first_record': found[0] if found else None,\n"
        "        'last_record': found[-1] if found else None,\n    }\n"
    )
    build.add(node, "code", {"source": source})


def _steps(data: Mapping[str, Any], kind: str) -> list[str] | None:
    """Lines that change `found`; None where one of them is not to be had."""
    steps: list[str] = []
    filter_by, extract_by = _part(data, "filter_by"), _part(data, "extract_by")
    for one in rows_of(filter_by.get("conditions")) if filter_by else ():
        test = _test(str(one.get("comparison_operator")), one.get("value"), kind)
        if test is None or one.get("key"):
            return None
        steps.append(f"found = [x for x in found if {test}]")
    if extract_by:
        serial = number(extract_by.get("serial"))
        if serial is None or not serial.isdigit() or int(serial) < 1:
            return None
        steps.append(f"found = [found[{int(serial) - 1}]]")
    order_by, limit = _part(data, "order_by"), _part(data, "limit")
    if order_by:
        if order_by.get("key"):
            return None
        steps.append(f"found = sorted(found, reverse={order_by.get('value') == 'desc'})")
    if limit:
        size = limit.get("size", 10)
        if not isinstance(size, int):
            return None
        steps.append(f"found = found[:{size}]")
    return steps


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    given = data.get(name)
    return given if isinstance(given, dict) and given.get("enabled") else None


def _test(operator: str, value: Any, kind: str) -> str | None:
    if isinstance(value, str) and "{{#" in value:
        return None
    if operator in _NUMBERS and kind in ("number", "integer", "float", ""):
        found = number(value)
        return None if found is None else f"x {_NUMBERS[operator]} {found}"
    if operator in _STRINGS and kind in ("string", "") and isinstance(value, str | None):
        return _STRINGS[operator].format(repr(value or ""))
    return None
