"""A graph that is being built, and the body of a loop or map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextvars import Token
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, JsonValue

from pilot.build.step import Ground, Step, ground
from pilot.convert.layers import draw
from pilot.errors import PilotError
from pilot.graph.issues import Issue
from pilot.graph.model import Graph as Model
from pilot.graph.model import SubGraph
from pilot.graph.validate import validate
from pilot.nodes import specs

NODE_SIZE = (200.0, 90.0)
"""About what a canvas draws."""


class Body:
    """Nodes and edges: use as `with Body() as body`, and give `body.graph` to the loop or map."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._edges: list[dict[str, Any]] = []
        self._before: list[Token[Ground | None]] = []

    def __enter__(self) -> Self:
        self._before.append(ground.set(self))
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        ground.reset(self._before.pop())

    def add(self, step: Step) -> None:
        """What the constructors do. Raises `PilotError` where the id is taken."""
        if step.id in self._steps:
            raise PilotError(f"there are two nodes {step.id!r}", code="duplicate_node_id")
        self._steps[step.id] = step

    def connect(
        self, source: Step, target: Step, handle: str | None = None, **more: JsonValue
    ) -> None:
        """What `>>` does; `more` are further fields that a canvas keeps."""
        if source.ground is not self or target.ground is not self:
            raise PilotError(
                f"{source.id!r} and {target.id!r} do not stand in the same graph",
                code="invalid_graph",
            )
        edge: dict[str, Any] = {"source": source.id, "target": target.id}
        if handle is not None:
            edge["source_handle"] = handle
        self._edges.append(edge | more)

    def arrange(self) -> Self:
        """Places the nodes that nobody placed, what is upstream to the left."""
        sizes = dict.fromkeys(self._steps, NODE_SIZE)
        drawing = draw(sizes, [(edge["source"], edge["target"]) for edge in self._edges])
        for node_id, (x, y) in drawing.places.items():
            self._steps[node_id].fields.setdefault("position", {"x": round(x), "y": round(y)})
        return self

    @property
    def graph(self) -> SubGraph:
        return SubGraph.model_validate(self._items())

    def _items(self) -> dict[str, Any]:
        return {"nodes": [_node(step) for step in self._steps.values()], "edges": self._edges}


class Graph(Body):
    """A workflow: use as `with Graph("Name") as graph`."""

    def __init__(
        self,
        name: str,
        description: str = "",
        *,
        timeout_s: float | None = None,
        max_parallel: int | None = None,
        tags: Sequence[str] = (),
        sample_input: JsonValue = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.description = description
        self._settings = {"timeout_s": timeout_s, "max_parallel": max_parallel}
        self._shown = {"tags": list(tags), "sample_input": sample_input}

    @property
    def graph(self) -> Model:
        """What the validator, the compiler and a run take."""
        return Model.model_validate(self._items() | _given(self._settings))

    def issues(self) -> list[Issue]:
        """What is wrong with it; a `severity` of `error` keeps it from running."""
        return validate(self.graph, specs())

    def to_json(self) -> dict[str, Any]:
        """The workflow as the API and `pilot run` take it."""
        shown = {name: value for name, value in self._shown.items() if value not in (None, [])}
        about = {"name": self.name, "description": self.description, **shown}
        return about | _given(self._settings) | self._items()

    def save(self, file: Path | str) -> None:
        """Writes it as `pilot run` reads it."""
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False)
        Path(file).write_text(text + "\n", encoding="utf-8")


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _node(step: Step) -> dict[str, Any]:
    """As a canvas sends it: what was not given is left out."""
    body: dict[str, Any] = {"id": step.id, "type": step.type}
    fields = {name: _plain(value) for name, value in step.fields.items()}
    if step.config is not None:
        config = _plain(step.config)
        if config:
            fields["config"] = config
    return body | fields


def _plain(value: Any) -> Any:
    """JSON of what was given. A whole number is written as one, whatever its field's type."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json", exclude_unset=True))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
