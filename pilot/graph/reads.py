"""Where a graph's templates and expressions read the outputs of its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from pilot.graph.expressions import CompileError
from pilot.graph.spec import Specs
from pilot.graph.templates import (
    FieldText,
    TemplateSyntaxError,
    expressions,
    position,
    texts,
)


@dataclass(frozen=True, slots=True)
class Read:
    """A place that reads `nodes.<target>.output.<path>`, the part of the path that is literal and
    must be there. `line` and `column` count from 1."""

    node_id: str
    field: str
    line: int
    column: int
    target: str
    path: tuple[str | int, ...]


def reads(nodes: Iterable[dict[str, Any]], specs: Specs) -> Iterator[Read]:
    """Of nodes as they are stored, without those in their bodies. What cannot be read is left
    out: the validator tells of it."""
    for node in nodes:
        spec = specs.get(str(node.get("type")))
        if spec is None:
            continue
        try:
            config: BaseModel = spec.config.model_validate(node.get("config") or {})
        except ValidationError:
            continue
        for text in texts(config):
            yield from _reads(str(node.get("id")), text)


def _reads(node_id: str, text: FieldText) -> Iterator[Read]:
    try:
        found = expressions(text)
    except (CompileError, TemplateSyntaxError):
        return
    for expression, offset in found:
        tested = [one.segments for one in expression.references if one.tested]
        for reference in expression.references:
            steps = reference.segments
            if reference.root != "nodes" or len(steps) < 3 or steps[1] != "output":
                continue
            is_safe = reference.tested or reference.optional_at is not None
            if is_safe or any(steps[: len(path)] == path for path in tested):
                continue
            line, column = position(text.text, offset + reference.offset)
            yield Read(node_id, f"config.{text.path}", line, column, str(steps[0]), steps[2:])
