"""YAML from strangers: plain JSON values, within bounds.

A few hundred bytes of aliases can stand for gigabytes ("billion laughs"), so what a document
would be with every alias written out is counted from its events before anything is built.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import yaml

from pilot.convert.document import YamlError

MAX_VALUES = 100_000
MAX_DEPTH = 100

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(text: str) -> Any:
    """The document's value. Raises `YamlError`, with line and column where it knows them."""
    try:
        _measure(text)
        # the loader builds plain values only: no tag of it makes an object
        return _plain(yaml.load(text, Loader=_Loader))  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise YamlError(f"not YAML: {error.problem}{where}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(f"not YAML: {str(error).splitlines()[0]}") from None


def _measure(text: str) -> None:
    """Counts values as if every alias were written out. Raises `YamlError` past the bounds."""
    sizes: dict[str, int] = {}
    depths: dict[str, int] = {}
    # of each open collection: its anchor, its values so far, how deep they go
    stack: list[tuple[str | None, int, int]] = [(None, 0, 0)]
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise YamlError("not one YAML document, but several")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                stack.append((event.anchor, 1, 0))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                anchor, size, depth = stack.pop()
                _add(stack, size, depth + 1)
                if anchor is not None:
                    sizes[anchor], depths[anchor] = size, depth + 1
            case yaml.ScalarEvent():
                _add(stack, 1, 1)
                if event.anchor is not None:
                    sizes[event.anchor], depths[event.anchor] = 1, 1
            case yaml.AliasEvent():
                if event.anchor not in sizes:
                    # unknown, or of a collection that is still open: a value inside itself
                    raise YamlError(f"the alias *{event.anchor} stands before its value's end")
                _add(stack, sizes[event.anchor], depths[event.anchor])
        if len(stack) - 1 + stack[-1][2] > MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels")
        if stack[-1][1] > MAX_VALUES:
            raise YamlError(f"more than {MAX_VALUES:,} values")


def _add(stack: list[tuple[str | None, int, int]], size: int, depth: int) -> None:
    anchor, values, deepest = stack[-1]
    stack[-1] = (anchor, values + size, max(deepest, depth))


def _plain(value: Any) -> Any:
    """JSON: times become their text, keys texts."""
    match value:
        case dict():
            return {_key(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case datetime() | date():
            return value.isoformat()
        case None | bool() | int() | float() | str():
            return value
    raise YamlError(f"a YAML {type(value).__name__} is no JSON")


def _key(key: Any) -> str:
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case None | int() | float():
            return str(key)
    raise YamlError("a key is no text")
