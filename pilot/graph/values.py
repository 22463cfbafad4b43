"""Plain JSON values, and the way between them and CEL's."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_INT64 = range(-(2**63), 2**63)


def from_cel(value: Any) -> Any:
    """A CEL value as JSON: bytes as base64, timestamps in RFC 3339, durations in seconds with
    an `s`, as protobuf's JSON mapping has them. Raises ValueError for NaN and infinities."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a JSON number")
            return value
        case list():
            return [from_cel(item) for item in value]
        case dict():
            return {_key(key): from_cel(item) for key, item in value.items()}
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"{value.total_seconds():g}s"
    raise ValueError(f"a {type(value).__name__} is not JSON")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def in_cel_range(value: Any) -> Any:
    """The value with integers beyond 64 bits turned into doubles."""
    match value:
        case bool():
            return value
        case int():
            return value if value in _INT64 else float(value)
        case list():
            return [in_cel_range(item) for item in value]
        case Mapping():
            return {key: in_cel_range(item) for key, item in value.items()}
    return value


def as_text(value: Any) -> str:
    """A value where text must stand, inside a template or because a lone `{expression}` kept
    its type: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def deeper_than(value: Any, limit: int) -> bool:
    """Whether JSON nests deeper than `limit` levels of arrays and objects."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        level = [
            part
            for item in level
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]
        if not level:
            return False
    return True
