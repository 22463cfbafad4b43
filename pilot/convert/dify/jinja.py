"""The Jinja2 of Dify's templates, as far as it is texts with values in them.

A name, its parts, and the filters of which πlot has the same, are translated. Blocks, macros and
all other filters are not: the template is then left as it is, as an error to see to.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pilot.convert.cel import braced, literal, path_text, slot

MAX_TAG_CHARS = 500
_OPENING = re.compile(r"\{[{%#]")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_PATH = re.compile(
    r"""\s*([A-Za-z_]\w*)((?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:\d+|'[^'\\]*'|"[^"\\]*")\s*\])*)"""
    r"""\s*(?:\|\s*(\w+)\s*(?:\(\s*('[^'\\]*'|"[^"\\]*")\s*\))?)?\s*"""
)
_STEP = re.compile(r"""\.\s*([A-Za-z_]\w*)|\[\s*(?:(\d+)|'([^'\\]*)'|"([^"\\]*)")\s*\]""")

Lookup = Callable[[str], str | None]
"""CEL of a template variable; None: there is none of the name."""


def template_of(text: str, lookup: Lookup) -> str | None:
    """The template that gives the same text, or None where there is none."""
    parts: list[str] = []
    at = 0
    while match := _OPENING.search(text, at):
        parts.append(braced(text[at : match.start()]))
        end = text.find(_CLOSING[match[0]], match.end())
        if match[0] == "{%" or end < 0:
            return None
        inner, at = text[match.end() : end], end + 2
        if match[0] == "{#":
            continue
        if inner.startswith("-") or inner.endswith("-"):
            return None
        expression = _expression(inner, lookup)
        if expression is None:
            return None
        parts.append(slot(expression))
    # Jinja drops one newline at the very end
    parts.append(braced(text[at:].removesuffix("\n")))
    return "".join(parts)


def _expression(text: str, lookup: Lookup) -> str | None:
    match = _PATH.fullmatch(text.strip()) if len(text) <= MAX_TAG_CHARS else None
    if match is None:
        return None
    value = lookup(match[1])
    if value is None:
        return None
    for step in _STEP.finditer(match[2]):
        name, index, single, double = step.groups()
        segment = int(index) if index is not None else name or single or double or ""
        value += path_text(("", segment))
    argument = literal(match[4][1:-1]) if match[4] else None
    match match[3], argument:
        case None, None:
            return value
        case "length" | "count", None:
            return f"size({value})"
        case "trim", None:
            return f"{value}.trim()"
        case "tojson", None:
            return f"json.encode({value})"
        case "join", str(separator):
            return f"{value}.map(item_, string(item_)).join({separator})"
    return None
