"""A workflow's JSON as the Python that builds it."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any
from unicodedata import normalize

from pydantic import BaseModel, ValidationError

from pilot.build.node import constructors
from pilot.build.step import Step
from pilot.graph.model import Edge, Graph, Node, SubGraph
from pilot.graph.spec import BODY, DEFAULT_HANDLE, ERROR_HANDLE, NodeConfig

WIDTH = 100
_POLICY = ("retry", "timeout_s", "on_error", "join", "on_cancel")
_TAKEN = {"Body", "Graph", "graph", "node", *keyword.kwlist, *dir(builtins)}
_STEP = {*dir(Step), "fields", "ground", "id", "type"}


def to_python(document: Mapping[str, Any]) -> str:
    """A module that builds the workflow and prints it. `document` is a workflow's file, of which
    every graph that the model takes is carried, checked or not."""
    graph = Graph.model_validate(document)
    writer = _Writer()
    name = str(document.get("name") or "")
    about = {
        "description": document.get("description") or None,
        **graph.settings,
        "tags": document.get("tags") or None,
        "sample_input": document.get("sample_input"),
    }
    said = {name: value for name, value in about.items() if value is not None}
    given = [_literal(name, 0), *_keywords(said, writer, 0)]
    body = list(writer.items(graph, "graph", 4)) or ["    pass"]
    lines = [
        f"with {_call('Graph', given, 0)} as graph:",
        *body,
        "",
        'if __name__ == "__main__":',
        "    print(json.dumps(graph.to_json(), indent=2, ensure_ascii=False))",
    ]
    title = json_text(" ".join(name.split()) or "A workflow")[1:-1]
    return "\n".join([f'"""{title}"""', "", *writer.imports(), "", *lines]) + "\n"


class _Writer:
    """Writes nodes and edges, and remembers what must be imported."""

    def __init__(self) -> None:
        self._models: dict[str, set[str]] = {"pilot.build": {"Graph", "node"}}
        self._constructors = constructors()
        self._names: set[str] = set(_TAKEN)

    def imports(self) -> Iterator[str]:
        yield "import json"
        yield ""
        for module in sorted(self._models):
            yield f"from {module} import {', '.join(sorted(self._models[module]))}"

    def use(self, model: type[BaseModel]) -> str:
        self._models.setdefault(model.__module__, set()).add(model.__name__)
        return model.__name__

    def items(self, graph: SubGraph, at: str, indent: int) -> Iterator[str]:
        names: dict[str, str] = {}
        for node in graph.nodes:
            names[node.id] = self._name(node.id)
            yield from self._node(node, names[node.id], indent)
        chain: list[str] = []
        last = ""
        for edge in graph.edges:
            source, target = names.get(edge.source), names.get(edge.target)
            if source is None or target is None or edge.model_extra or not self._has(graph, edge):
                yield from _chained(chain, indent)
                chain, last = [], ""
                yield from self._plain_edge(edge, at, names, indent)
                continue
            out = source + _handle(edge.source_handle)
            # `a >> b >> c`, where the one edge goes on from the other
            if out == last and len(" >> ".join([*chain, target])) < WIDTH - indent:
                chain.append(target)
            else:
                yield from _chained(chain, indent)
                chain = [out, target]
            last = target
        yield from _chained(chain, indent)

    def _node(self, node: Node, name: str, indent: int) -> Iterator[str]:
        pad = " " * indent
        made = self._constructors.get(node.type)
        config = _typed(node, None if made is None else made.spec.config)
        given: dict[str, Any] = {}
        inner = ""
        if config is not None:
            given = {field: getattr(config, field) for field in _in_order(node, config)}
            if isinstance(given.get(BODY), SubGraph):
                inner = self._name(f"{node.id}_body")
                self._models["pilot.build"].add("Body")
                yield f"{pad}with Body() as {inner}:"
                yield from list(self.items(given[BODY], inner, indent + 4)) or [f"{pad}    pass"]
        arguments = [json_text(node.id)]
        if config is None:
            arguments = [json_text(node.type), json_text(node.id)]
            arguments += [_literal(node.config, indent + 4)] if node.config else []
        for field, value in given.items():
            text = f"{inner}.graph" if inner and field == BODY else self.value(value, indent + 4)
            arguments.append(f"{field}={text}")
        call = "node.other" if config is None else f"node.{node.type}"
        text = f"{name} = {_call(call, arguments, indent, len(name) + 3)}"
        yield f"{pad}{text}{self._beside(node, indent)}"

    def _beside(self, node: Node, indent: int) -> str:
        """What follows the constructor: `.at(...)`, `.policy(...)` and `.more(...)`."""
        given = node.model_dump(mode="json", exclude_unset=True)
        rest = {name: given[name] for name in given if name not in ("id", "type")}
        if node.config:
            del rest["config"]
        text = ""
        position = rest.get("position")
        if isinstance(position, dict) and set(position) == {"x", "y"}:
            text = f".at({position['x']!r}, {position['y']!r})"
            del rest["position"]
        policy = {name: getattr(node, name) for name in _POLICY if rest.get(name) is not None}
        for chosen in policy:
            del rest[chosen]
        if policy:
            text += _call(".policy", _keywords(policy, self, indent), indent, WIDTH // 2)
        if rest:
            odd = [name for name in rest if not _is_name(name)]
            more = [f"{name}={_literal(rest[name], indent)}" for name in rest if name not in odd]
            more += [f"**{_literal({name: rest[name] for name in odd}, indent)}"] if odd else []
            text += _call(".more", more, indent, WIDTH // 2)
        return text

    def _has(self, graph: SubGraph, edge: Edge) -> bool:
        """Whether the source's type is known to have the edge's handle."""
        node = next(one for one in graph.nodes if one.id == edge.source)
        made = self._constructors.get(node.type)
        config = _typed(node, None if made is None else made.spec.config)
        handle = edge.source_handle
        if handle is None:
            return True
        if made is None or config is None:
            return handle != DEFAULT_HANDLE
        if handle == ERROR_HANDLE and node.on_error == "branch":
            return True
        return handle != DEFAULT_HANDLE and handle in made.spec.handles(config)

    def _plain_edge(self, edge: Edge, at: str, names: dict[str, str], indent: int) -> Iterator[str]:
        """An edge that `>>` cannot say."""
        if edge.source not in names or edge.target not in names:
            yield f"{' ' * indent}# left out, an edge of no node: {edge.source} to {edge.target}"
            return
        arguments = [names[edge.source], names[edge.target]]
        if edge.source_handle is not None:
            arguments.append(f"handle={json_text(edge.source_handle)}")
        extra = edge.model_extra or {}
        arguments += [f"**{_literal(extra, indent)}"] if extra else []
        yield " " * indent + _call(f"{at}.connect", arguments, indent)

    def _name(self, text: str) -> str:
        name = re.sub(r"\W", "_", text, flags=re.ASCII) or "step"
        name = f"_{name}" if name[0].isdigit() else name
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def value(self, value: Any, indent: int) -> str:
        """Any value of a configuration, models by their constructors."""
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in value.model_fields_set}
            ordered = {name: fields[name] for name in type(value).model_fields if name in fields}
            return _call(self.use(type(value)), _keywords(ordered, self, indent), indent, 12)
        if isinstance(value, list) and any(isinstance(item, BaseModel) for item in value):
            return _bracketed("[", [self.value(item, indent + 4) for item in value], "]", indent)
        if isinstance(value, dict) and any(isinstance(item, BaseModel) for item in value.values()):
            items = [
                f"{json_text(name)}: {self.value(item, indent + 4)}" for name, item in value.items()
            ]
            return _bracketed("{", items, "}", indent)
        return _literal(value, indent)


def _typed(node: Node, model: type[NodeConfig] | None) -> NodeConfig | None:
    """None where the type is unknown, or the configuration is not of its model."""
    try:
        return None if model is None else model.model_validate(node.config)
    except ValidationError:
        return None


def _in_order(node: Node, config: NodeConfig) -> list[str]:
    return [name for name in node.config if name in config.model_fields_set]


def _keywords(fields: Mapping[str, Any], writer: _Writer, indent: int) -> list[str]:
    return [f"{name}={writer.value(value, indent + 4)}" for name, value in fields.items()]


def _chained(chain: list[str], indent: int) -> Iterator[str]:
    if chain:
        yield " " * indent + " >> ".join(chain)


def _is_name(text: str) -> bool:
    """Whether it is a name in Python that Python leaves as it is written: it reads µ as μ."""
    return text.isidentifier() and not keyword.iskeyword(text) and normalize("NFKC", text) == text


def _handle(handle: str | None) -> str:
    if handle is None:
        return ""
    if _is_name(handle) and handle not in _STEP:
        return f".{handle}" if not handle.startswith("_") else f"[{json_text(handle)}]"
    return f"[{json_text(handle)}]"


def _call(name: str, arguments: list[str], indent: int, before: int = 0) -> str:
    return _bracketed(f"{name}(", arguments, ")", indent, before)


def _bracketed(opening: str, parts: list[str], closing: str, indent: int, before: int = 0) -> str:
    """On one line where it fits, else a line a part."""
    line = f"{opening}{', '.join(parts)}{closing}"
    if "\n" not in line and indent + before + len(line) <= WIDTH - 12:
        return line
    pad = " " * (indent + 4)
    return "\n".join([opening, *(f"{pad}{part}," for part in parts), " " * indent + closing])


def _literal(value: Any, indent: int) -> str:
    """JSON as Python."""
    if isinstance(value, str):
        lines = value.splitlines(keepends=True)
        if len(lines) < 2:
            return json_text(value)
        pad = " " * (indent + 4)
        return "\n".join(["(", *(f"{pad}{json_text(line)}" for line in lines), " " * indent + ")"])
    if isinstance(value, dict):
        items = [f"{json_text(name)}: {_literal(value[name], indent + 4)}" for name in value]
        return _bracketed("{", items, "}", indent, 16)
    if isinstance(value, list | tuple):
        return _bracketed("[", [_literal(item, indent + 4) for item in value], "]", indent, 16)
    if isinstance(value, float) and value.is_integer():
        return repr(int(value))
    return repr(value)


def json_text(text: str) -> str:
    """A string literal with double quotes: JSON's is Python's, but for what no one can see."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(one if one.isprintable() else _escaped(one) for one in shown)


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
