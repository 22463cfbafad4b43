"""Workflows that come together: a graph in a file calls another one by that one's file.

Its `workflow` node says `"workflow_id": "file:other.json"`, a file in the same folder. Where the
graph is saved, by `pilot run` or from the gallery, what it calls is saved first, and the node is
given the id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pilot.calls import TYPE, calls_of, levels
from pilot.graphfile import FileError, GraphFile, read_graph_file
from pilot.nodes.workflow import MAX_DEPTH

SCHEME = "file:"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}\.json")
"""No folder: what a file names is looked for beside it and nowhere else."""


def files_named(graph: Mapping[str, Any]) -> list[str]:
    """The files that a graph calls, each once. Raises `FileError` for what is no file's name."""
    called = (call.workflow_id for call in calls_of(dict(graph)))
    names = [one.removeprefix(SCHEME) for one in called if one.startswith(SCHEME)]
    for name in names:
        if not _NAME.fullmatch(name):
            raise FileError(f"{SCHEME}{name:.100}: write the name of a .json file beside this one")
    return list(dict.fromkeys(names))


def in_order(name: str, calls: Callable[[str], Iterable[str]]) -> list[str]:
    """The file and all that it calls, each once and after what it calls itself. Raises `FileError`
    where they call each other in a circle, or too deep."""
    done: dict[str, None] = {}

    def visit(one: str, path: tuple[str, ...]) -> None:
        if one in path:
            raise FileError(f"the files call each other: {' → '.join([*path, one])}")
        if len(path) > MAX_DEPTH:
            raise FileError(f"{' → '.join(path)}: at most {MAX_DEPTH} call each other in a row")
        if one not in done:
            for below in calls(one):
                visit(below, (*path, one))
            done[one] = None

    visit(name, ())
    return list(done)


def read_with_companions(path: Path) -> dict[str, GraphFile]:
    """The workflow of a file, which comes last, and those that it calls, by their files' names.

    Raises `FileError`, also where two of them have the same name: a workflow is saved by it.
    """
    files: dict[str, GraphFile] = {}

    def calls(name: str) -> list[str]:
        files[name] = read_graph_file(path.parent / name)
        return files_named(files[name].body)

    ordered = {name: files[name] for name in in_order(path.name, calls)}
    names: dict[str, str] = {}
    for name, file in ordered.items():
        if file.name in names:
            raise FileError(f"{names[file.name]} and {name} are both named {file.name!r}")
        names[file.name] = name
    return ordered


def resolved(
    graph: Mapping[str, Any], saved: Mapping[str, tuple[str, int | None]]
) -> dict[str, Any]:
    """A copy of the graph that calls, in place of files, the workflows (id, version) that they are
    saved as. The version is for those of its nodes that say none; None leaves them so."""
    copy = deepcopy(dict(graph))
    for nodes, _ in levels(copy):
        for node in nodes:
            config = node.get("config")
            if node.get("type") != TYPE or not isinstance(config, dict):
                continue
            called = config.get("workflow_id")
            if isinstance(called, str) and called.startswith(SCHEME):
                config["workflow_id"], version = saved[called.removeprefix(SCHEME)]
                if version is not None and config.get("version") is None:
                    config["version"] = version
    return copy
