"""Files that call other files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilot.companions import files_named, read_with_companions, resolved
from pilot.graphfile import FileError


def calling(*names: str, **config: Any) -> dict[str, Any]:
    nodes = [
        {"id": f"n{at}", "type": "workflow", "config": {"workflow_id": name, **config}}
        for at, name in enumerate(names)
    ]
    return {"nodes": nodes, "edges": []}


def write(folder: Path, **graphs: dict[str, Any]) -> None:
    for name, graph in graphs.items():
        (folder / f"{name}.json").write_text(json.dumps(graph))


def test_what_is_called_comes_first_and_once(tmp_path: Path) -> None:
    each = {"id": "each", "type": "map", "config": {"body": calling("file:c.json")}}
    a = calling("file:b.json", "file:c.json", "5b6f1c0e", "file:b.json")
    write(tmp_path, a=a, b={"nodes": [each], "edges": []}, c={"nodes": [], "edges": []})
    files = read_with_companions(tmp_path / "a.json")
    assert list(files) == ["c.json", "b.json", "a.json"]
    inner = resolved(files["b.json"].body, {"c.json": ("id-c", 3)})
    assert inner["nodes"][0]["config"]["body"]["nodes"][0]["config"] == {
        "workflow_id": "id-c",
        "version": 3,
    }
    assert files["b.json"].body["nodes"] == [each]  # as it was
    outer = resolved(files["a.json"].body, {"b.json": ("id-b", None), "c.json": ("id-c", 3)})
    assert [one["config"] for one in outer["nodes"]] == [
        {"workflow_id": "id-b"},
        {"workflow_id": "id-c", "version": 3},
        {"workflow_id": "5b6f1c0e"},
        {"workflow_id": "id-b"},
    ]


def test_a_version_that_is_named_stays() -> None:
    found = resolved(calling("file:b.json", version="published"), {"b.json": ("id", 7)})
    assert found["nodes"][0]["config"] == {"workflow_id": "id", "version": "published"}


@pytest.mark.parametrize(
    "name",
    ["../b.json", "/etc/b.json", "b.txt", "", ".b.json", "x/b.json", "..\\b.json", "b.json\n"],
)
def test_a_file_is_looked_for_beside_the_other_and_nowhere_else(name: str) -> None:
    with pytest.raises(FileError, match="beside"):
        files_named(calling(f"file:{name}"))


def test_circles_and_chains_without_end_are_refused(tmp_path: Path) -> None:
    write(tmp_path, a=calling("file:b.json"), b=calling("file:a.json"), c=calling("file:c.json"))
    with pytest.raises(FileError, match=r"a\.json → b\.json → a\.json"):
        read_with_companions(tmp_path / "a.json")
    with pytest.raises(FileError, match=r"c\.json → c\.json"):
        read_with_companions(tmp_path / "c.json")
    write(tmp_path, **{f"d{at}": calling(f"file:d{at + 1}.json") for at in range(11)})
    write(tmp_path, d11={"nodes": [], "edges": []})
    with pytest.raises(FileError, match="at most 10"):
        read_with_companions(tmp_path / "d0.json")
    assert len(read_with_companions(tmp_path / "d1.json")) == 11


def test_a_file_that_is_not_there_and_two_of_one_name_are_said(tmp_path: Path) -> None:
    write(tmp_path, a=calling("file:b.json"))
    with pytest.raises(FileError, match=r"b\.json: No such file"):
        read_with_companions(tmp_path / "a.json")
    write(tmp_path, a={**calling("file:b.json"), "name": "b"}, b={"nodes": [], "edges": []})
    with pytest.raises(FileError, match="both named 'b'"):
        read_with_companions(tmp_path / "a.json")


@pytest.mark.parametrize("nodes", [5, [5], [{"type": "workflow", "config": [1]}], "ab", [None]])
def test_what_is_no_graph_names_no_file(nodes: Any) -> None:
    assert files_named({"nodes": nodes}) == []
    inside = {"type": "map", "config": {"body": {"nodes": nodes}}}
    assert files_named({"nodes": [inside]}) == []
