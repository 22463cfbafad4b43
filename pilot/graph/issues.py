"""What is wrong with a graph, said so that a canvas can point at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class EdgeRef:
    """An edge as an issue names it."""

    source: str
    target: str
    source_handle: str | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a graph.

    An `error` stops execution, a `warning` stops nothing. `field` is a path such as
    `config.url` or `config.messages[0].content`; `line` and `column` count from 1 inside
    that field's text, in characters.

    `container` names the loops and maps around what the issue points at, the outermost first,
    joined by slashes (which no id holds); None: it is not inside of any.
    """

    code: str
    message: str
    severity: Severity = "error"
    node_id: str | None = None
    edge: EdgeRef | None = None
    field: str | None = None
    line: int | None = None
    column: int | None = None
    container: str | None = None


def errors(issues: Iterable[Issue]) -> list[Issue]:
    """The issues that stop execution."""
    return [issue for issue in issues if issue.severity == "error"]
