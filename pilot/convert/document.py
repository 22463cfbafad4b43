"""What every importer takes and gives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pilot.convert.report import Report
from pilot.errors import PilotError
from pilot.graph.model import SETTINGS, Graph

MAX_NODES, MAX_EDGES = 10_000, 40_000
"""What a graph may have: more is refused before any work on it."""
MAX_NUMBER = 2.0**53
"""Over it a number is not exact any more."""
MAX_NAME_CHARS = 200
MAX_DESCRIPTION_CHARS = 10_000


class NotConvertibleError(PilotError):
    """A document that is nothing of the format that it was said to be."""

    code = "not_convertible"


class YamlError(PilotError):
    """A text that is no YAML, is more than one document, or would grow over the bounds."""

    code = "invalid_yaml"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A graph from elsewhere, and the account of what became of its parts. The graph is a draft:
    what could not be carried is an issue of the validator too."""

    name: str
    description: str
    graph: Graph
    report: Report


def rows(body: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list. Raises `NotConvertibleError` where it is no list of objects."""
    given = body.get(field, [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise NotConvertibleError(f"`{field}` is no list of objects")
    limit = MAX_NODES if field == "nodes" else MAX_EDGES
    if len(given) > limit:
        raise NotConvertibleError(f"more than {limit:,} {field}")
    return iter(given)


def settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """What our own documents have beside nodes and edges."""
    return {name: body[name] for name in SETTINGS if body.get(name) is not None}


def named(body: Mapping[str, Any], fallback: str) -> tuple[str, str]:
    """A document's name and description, within the bounds of a workflow's."""
    name, description = body.get("name"), body.get("description")
    return (
        (name if isinstance(name, str) and name else fallback)[:MAX_NAME_CHARS],
        (description if isinstance(description, str) else "")[:MAX_DESCRIPTION_CHARS],
    )


def real(value: Any, default: float) -> float:
    """A number of a document, however it is written; the default for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return default
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return default
    return number if math.isfinite(number) and abs(number) < MAX_NUMBER else default


def whole(value: Any, default: int) -> int:
    return int(real(value, default))


def graph_of(body: Mapping[str, Any]) -> Graph:
    """Raises `NotConvertibleError`, which names the field that is wrong."""
    try:
        return Graph.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise NotConvertibleError(f"{at}: {first['msg']}") from None
