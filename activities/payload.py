"""What fits into a Temporal payload: JSON, under two megabytes (with a payload store: what the
operator allows), at most 100 levels deep.

Temporal refuses a payload over 2 MB by failing the whole workflow task; the data converter
writes NaN as a token that is not JSON, and writes 250 levels where it reads back 200. All of
that is found here, in the attempt, where it is an error of that node alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson
from pydantic_core import from_json

from pilot.errors import NodeError
from pilot.graph.task import NodeResult
from pilot.payloads.sizes import TEMPORAL_BYTES, Sizes

MAX_RESULT_BYTES = TEMPORAL_BYTES
NO_STORE = Sizes()
MAX_DEPTH = 100
MAX_FAILURE_META_BYTES = 32_000
LARGE_CHARS = 100_000

# How deep pydantic's JSON parser goes before it refuses.
_PARSER_DEPTH = 200
_NOT_JSON = (ValueError, TypeError, RecursionError)


def check_result(result: NodeResult, sizes: Sizes = NO_STORE) -> int:
    """The size of its JSON in bytes. Raises `NodeError`: `output_not_json`, `output_too_large`,
    `output_too_deep`."""
    body = {"output": result.output, "meta": result.meta, "vars": result.vars}
    if result.tool_calls:
        calls = [asdict(call) for call in result.tool_calls]
        body |= {"tool_calls": calls, "messages": result.messages}
    if result.follow is not None:
        body["follow"] = result.follow
    large, output = 0, result.output
    try:
        if isinstance(output, str) and len(output) > LARGE_CHARS:
            # by itself and at once: the whole would be three copies of it
            body["output"], large = "", len(_encode_text(output))
        text = encoded(body)
    except _NOT_JSON:
        raise NodeError(
            f"the result is not JSON: {_first_problem(body)}", code="output_not_json"
        ) from None
    size = len(text) + large
    if size > sizes.payload:
        body["output"] = output
        parts = ", ".join(
            f"{name} {_megabytes(len(encoded(part)))}" for name, part in body.items() if part
        )
        raise too_large(f"{_megabytes(size)} of JSON ({parts})", sizes)
    if is_too_deep(text):
        raise NodeError(
            f"the result is nested more than {MAX_DEPTH} levels deep", code="output_too_deep"
        )
    return size


def too_large(what: str, sizes: Sizes) -> NodeError:
    """Of a result that is so much."""
    return NodeError(
        f"the result is {what}; at most {sizes.text} fit into a run. Keep large data elsewhere "
        "and pass its address on.",
        code="output_too_large",
    )


def bounded_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """The meta of a failure, without its largest entries where it is over 32 KB."""
    sizes: list[tuple[int, str]] = []
    for name, value in meta.items():
        try:
            sizes.append((len(encoded({name: value})), name))
        except _NOT_JSON:
            continue
    kept: dict[str, Any] = {}
    room = MAX_FAILURE_META_BYTES
    for size, name in sorted(sizes):
        room -= size
        if room < 0:
            break
        kept[name] = meta[name]
    return kept


def _encode_text(text: str) -> bytes:
    try:
        return orjson.dumps(text)
    except TypeError:  # half of a surrogate pair: whose error says so
        return encoded(text)


def encoded(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"


def is_too_deep(text: bytes, most: int = MAX_DEPTH) -> bool:
    """Whether the JSON nests deeper than `most`: it is parsed inside so many brackets
    that the parser's own limit falls there. Texts with few brackets need no parse."""
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    around = _PARSER_DEPTH - most
    try:
        from_json(b"[" * around + text + b"]" * around)
    except ValueError:
        return True
    return False


def _first_problem(body: dict[str, Any]) -> str:
    """Where the first value stands that JSON does not know, and what it is."""
    stack: list[tuple[str, Any, int]] = [(name, part, 0) for name, part in body.items()]
    stack.reverse()
    while stack:
        path, value, depth = stack.pop()
        if depth > MAX_DEPTH:
            return f"{path[:200]} is nested too deeply or holds itself"
        problem = _problem(value)
        if problem:
            return f"{path} {problem}"
        stack.extend((f"{path}{step}", item, depth + 1) for step, item in _children(value))
    return "it cannot be written"


def _problem(value: Any) -> str | None:
    match value:
        case None | bool() | int() | list() | tuple():
            return None
        case float():
            return None if math.isfinite(value) else f"is {value}"
        case str():
            halves = any("\ud800" <= character <= "\udfff" for character in value)
            return "holds half of a surrogate pair" if halves else None
        case dict():
            keys = [key for key in value if not isinstance(key, str)]
            return f"has the key {keys[0]!r}, which is no string" if keys else None
        case _:
            return f"is of type {type(value).__name__}"


def _children(value: Any) -> Iterable[tuple[str, Any]]:
    """A container's items with their path steps, last first."""
    if isinstance(value, dict):
        return ((f".{key}", item) for key, item in reversed(value.items()))
    if isinstance(value, list | tuple):
        last = len(value) - 1
        return ((f"[{last - index}]", item) for index, item in enumerate(reversed(value)))
    return ()
