"""`pilot graph`: a workflow's file as a tree, as Mermaid, as a picture, or as Python."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pilot.build.source import to_python
from pilot.convert.mermaid import to_mermaid
from pilot.convert.svg import to_svg
from pilot.graph.model import Graph
from pilot.graphfile import FileError, GraphFile, parse_graph, read_graph_file
from pilot.overview import graph_tree


def drawn(file: Path, language: str) -> str:
    """The file in `mermaid`, `svg` or `python`."""
    read, graph = _read(file)
    if language == "svg":
        return to_svg(read.name, graph)
    if language == "python":
        return to_python(json.loads(file.read_text(encoding="utf-8")))
    return to_mermaid(read.name, graph)


def show_tree(file: Path) -> None:
    read, graph = _read(file)
    console = Console()
    console.print(Text(read.name, "bold"))
    console.print(graph_tree(graph))


def _read(file: Path) -> tuple[GraphFile, Graph]:
    read = read_graph_file(file)
    graph, issues = parse_graph(read.body)
    if graph is None:
        raise FileError(f"{file}: {issues[0].field}: {issues[0].message}")
    return read, graph
