"""πlot's own functions in CEL: JSON, and what the extensions lack for lists.

All are pure, cost no more than their data (sorting: n log n), and give what a list of it can
hold; so an expression that uses them may be evaluated in place.
"""

from __future__ import annotations

import json
import math
from typing import Any

from cel_expr_python import cel

from pilot.graph.values import from_cel

MAX_JSON_DEPTH = 90


def _encode(value: Any) -> str:
    # CEL's maps have no order of their own: a text must not change from run to run
    return json.dumps(from_cel(value), ensure_ascii=False, sort_keys=True, allow_nan=False)


def _decode(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels") from None
    if _depth(value) > MAX_JSON_DEPTH:
        raise ValueError(f"JSON nested deeper than {MAX_JSON_DEPTH} levels")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_JSON_DEPTH:
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        depth += 1
    return depth


def _sort(items: list[Any]) -> list[Any]:
    kinds = {str if isinstance(item, str) else float for item in items}
    if any(isinstance(item, bool) or not isinstance(item, int | float | str) for item in items):
        raise ValueError("sort() takes a list of numbers or of strings")
    if len(kinds) > 1:
        raise ValueError("sort() cannot order numbers among strings")
    return sorted(items)


def _distinct(items: list[Any]) -> list[Any]:
    """The first of each: 1 and 1.0 are one, as in CEL."""
    seen: dict[str, Any] = {}
    for item in items:
        whole = isinstance(item, float) and item.is_integer()
        seen.setdefault(_encode(int(item) if whole else item), item)
    return list(seen.values())


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (item if isinstance(item, list) else (item,))]


def _sum(items: list[Any]) -> Any:
    if any(isinstance(item, bool) or not isinstance(item, int | float) for item in items):
        raise ValueError("sum() takes a list of numbers")
    if any(isinstance(item, float) for item in items):
        return math.fsum(items)
    return sum(items)


def _of_lists(name: str, returns: cel.Type, function: Any) -> cel.FunctionDecl:
    overload = cel.Overload(
        f"pilot_list_{name}",
        return_type=returns,
        parameters=[cel.Type.List(cel.Type.DYN)],
        is_member=True,
        impl=function,
    )
    return cel.FunctionDecl(name, [overload])


def declarations() -> list[cel.FunctionDecl]:
    """`json.encode(value)`, `json.decode(text)`, and on lists `sort()`, `distinct()`,
    `flatten()` (one level) and `sum()`."""
    dyn, text = cel.Type.DYN, cel.Type.STRING
    # an overload for `dyn` is found when compiling, but not when evaluating
    encodable = {
        "map": cel.Type.Map(dyn, dyn),
        "list": cel.Type.List(dyn),
        "string": text,
        "int": cel.Type.INT,
        "uint": cel.Type.UINT,
        "double": cel.Type.DOUBLE,
        "bool": cel.Type.BOOL,
        "null": cel.Type.NULL,
    }
    return [
        cel.FunctionDecl(
            "json.encode",
            [
                cel.Overload(
                    f"pilot_json_encode_{name}", return_type=text, parameters=[kind], impl=_encode
                )
                for name, kind in encodable.items()
            ],
        ),
        cel.FunctionDecl(
            "json.decode",
            [cel.Overload("pilot_json_decode", return_type=dyn, parameters=[text], impl=_decode)],
        ),
        _of_lists("sort", cel.Type.List(dyn), _sort),
        _of_lists("distinct", cel.Type.List(dyn), _distinct),
        _of_lists("flatten", cel.Type.List(dyn), _flatten),
        _of_lists("sum", dyn, _sum),
    ]
