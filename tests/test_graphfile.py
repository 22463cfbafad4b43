"""Workflows in files, and their issues as lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot.graph.issues import EdgeRef, Issue
from pilot.graphfile import FileError, describe, parse_graph, read_graph_file


def test_a_file_has_a_name_of_its_own_or_the_files(tmp_path: Path) -> None:
    file = tmp_path / "my-flow.json"
    file.write_text('{"nodes": [], "viewport": {"zoom": 2}}')
    read = read_graph_file(file)
    assert (read.name, read.description) == ("my-flow", "")
    assert read.body == {"nodes": [], "edges": []}
    file.write_text('{"name": "Mine", "description": "d", "nodes": [], "edges": []}')
    assert read_graph_file(file).name == "Mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{\n  "nodes": [,\n', ":2:13: not JSON"),
        (b"[]", "is an object"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b" " * 5_000_001, "larger than"),
    ],
)
def test_what_is_no_workflow_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(FileError, match=said):
        read_graph_file(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="directory"):
        read_graph_file(tmp_path)


def test_structure_is_told_by_place() -> None:
    graph, issues = parse_graph({"nodes": [{"id": "a"}], "edges": "none"})
    assert graph is None
    assert [issue.field for issue in issues] == ["nodes[0].type", "edges"]


def test_an_issue_is_one_line() -> None:
    issue = Issue("x", "wrong", node_id="llm", field="config.prompt_template", line=2, column=7)
    assert describe(issue) == "error: llm config.prompt_template 2:7: wrong [x]"
    edge = Issue("y", "odd", severity="warning", edge=EdgeRef("a", "b", "true"))
    assert describe(edge) == "warning: a → b (true): odd [y]"
    inside = Issue("x", "wrong", node_id="a", container="each/line")
    assert describe(inside) == "error: in each/line: a: wrong [x]"
    assert describe(Issue("z", "no nodes")) == "error: no nodes [z]"
