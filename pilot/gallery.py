"""The gallery: graphs to start from, shipped with the package (`examples/` of the repository)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pilot.companions import files_named, in_order
from pilot.errors import PilotError
from pilot.graph.model import Graph

_PACKAGED = Path(__file__).parent / "gallery_graphs"
_CHECKED_OUT = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True, slots=True)
class Template:
    """A graph to start from; `id` is its file's name. `sample_input` shows what it takes."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    sample_input: Any
    graph: Graph
    calls: tuple[str, ...] = ()
    """The templates that it calls, by id: the files of the folder that its graph names."""


@lru_cache(maxsize=1)
def templates() -> dict[str, Template]:
    """All of them by id, in the order of their names. Raises `PilotError` where the installation
    has none."""
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT
    found = [_read(file) for file in folder.glob("*.json")]
    if not found:
        raise PilotError(f"this installation of πlot has no {folder}")
    return {one.id: one for one in sorted(found, key=lambda one: (one.name, one.id))}


def _read(file: Path) -> Template:
    body = json.loads(file.read_text("utf-8"))
    return Template(
        id=file.stem,
        name=body["name"],
        description=body["description"],
        tags=tuple(body.get("tags", ())),
        sample_input=body.get("sample_input"),
        graph=Graph.model_validate(body),
        calls=tuple(Path(name).stem for name in files_named(body)),
    )


def with_companions(template: Template) -> list[Template]:
    """The template, which comes last, and those that it calls."""
    known = templates()
    return [known[id] for id in in_order(template.id, lambda id: known[id].calls)]
