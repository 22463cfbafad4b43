"""Pieces of CEL, templates and Python, written from values and paths."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Segment = str | int

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ]
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value of the source stands in πlot's names: `("nodes", "ask", "output", "text")`.

    `setter` is the node that must have run for it to be there.
    """

    path: tuple[Segment, ...]
    setter: str | None = None
    as_json: bool = False
    """Whether the source has it as a text of JSON, where πlot has the value."""

    def under(self, *segments: Segment) -> Place:
        return Place((*self.path, *segments), self.setter)

    @property
    def cel(self) -> str:
        text = path_text(self.path)
        return f"json.encode({text})" if self.as_json else text

    @property
    def present(self) -> str:
        """CEL that is true where the setter ran."""
        return f"has({path_text(self.path[: 3 if self.path[0] == 'nodes' else 2])})"

    @property
    def python(self) -> str:
        """Python that gives the value in a code node, None where it is not there; `_at` is
        `AT_SOURCE`."""
        root, *rest = self.path
        inner = f"_at({', '.join([str(root), *(repr(part) for part in rest)])})"
        return f"json.dumps({inner}, ensure_ascii=False)" if self.as_json else inner


AT_SOURCE = """\
def _at(value, *path):
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value
"""


def path_text(path: tuple[Segment, ...]) -> str:
    text = str(path[0])
    for segment in path[1:]:
        if isinstance(segment, str) and _NAME.fullmatch(segment) and segment not in _RESERVED:
            text += f".{segment}"
        else:
            text += f"[{literal(segment)}]"
    return text


def literal(value: Any) -> str:
    """A JSON value as CEL: JSON's own syntax, but that numbers keep their kind."""
    return json.dumps(value, ensure_ascii=False)


def braced(text: str) -> str:
    """A text that a template gives back as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def braced_json(value: Any) -> Any:
    """JSON that its templates give back as it is."""
    match value:
        case str():
            return braced(value)
        case list():
            return [braced_json(item) for item in value]
        case dict():
            return {key: braced_json(item) for key, item in value.items()}
    return value


def slot(expression: str) -> str:
    """An expression in a template; a blank keeps a map's brace from doubling the slot's."""
    return f"{{ {expression} }}" if expression.startswith("{") else f"{{{expression}}}"


def untranslated(original: str) -> str:
    """An expression that holds what could not be translated, and that the validator refuses: a
    graph with it is a draft until somebody has written what is meant."""
    return f"untranslated({literal(original)})"
