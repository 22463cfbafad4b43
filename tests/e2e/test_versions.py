"""Versions by the command line and by the clients for programs, on the real stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilot.client import ApiError, Client, Workflow
from pilot.graph.diff import Change
from tests.stack import Stack, pilot

USER = "versioner"


def graph(text: str) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "output", "type": "output", "config": {"value": text}},
        ],
        "edges": [{"source": "start", "target": "output"}],
    }


@pytest.fixture
def client(stack: Stack) -> Any:
    with Client(stack.url, lambda: stack.token(USER)) as opened:
        yield opened


def with_versions(client: Client, name: str, *texts: str) -> Workflow:
    saved = client.workflows.create(name, graph(texts[0]))
    for text in texts[1:]:
        saved = client.workflows.update(saved.id, name, graph(text), version=saved.version)
    return saved


def ran(stack: Stack, tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    where = ("--data-dir", str(stack.data_dir), "--user", USER)
    done = pilot(*arguments, *where, cwd=tmp_path, environment={"COLUMNS": "200"})
    return done.returncode, done.stdout.strip(), done.stderr


def test_the_command_line_publishes_compares_and_rolls_back(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    workflow = with_versions(client, "shell", "one", "two")

    def run(*arguments: str) -> tuple[int, str]:
        code, output, _ = ran(stack, tmp_path, *arguments)
        return code, output

    assert run("run", workflow.id) == (0, "two")
    assert run("run", workflow.id, "--version", "1") == (0, "one")
    assert run("publish", workflow.id, "--version", "1", "--note", "go") == (
        0,
        "version 1 is published",
    )
    assert run("run", workflow.id) == (0, "one")
    assert run("run", workflow.id, "--version", "draft") == (0, "two")
    code, table = run("versions", workflow.id)
    assert code == 0
    [two] = [line for line in table.splitlines() if " 2 " in line]
    [one] = [line for line in table.splitlines() if "1 (published)" in line]
    assert "published" not in two
    assert one.count(USER) == 2
    assert "go" in one
    assert run("diff", workflow.id) == (
        0,
        'version 1 → 2\n~ node output (output)\n    ~ /config/value: "one" → "two"',
    )
    moved = graph("two")
    moved["nodes"][0]["position"] = {"x": 1, "y": 2}
    client.workflows.update(workflow.id, "shell", moved, version=2)
    assert run("diff", workflow.id, "2")[1].endswith("(--cosmetic shows the rest)")
    shown = run("diff", workflow.id, "2", "draft", "--cosmetic")[1]
    assert shown.splitlines()[1:] == [
        "  node start",
        '    + /position: {"x": 1, "y": 2}',
    ]
    assert run("diff", workflow.id, "2", "2") == (0, "version 2 → 2\nno difference")
    assert run("restore", workflow.id, "1") == (0, "version 4 is as version 1 was")
    assert run("unpublish", workflow.id)[0] == 0
    code, _, said = ran(stack, tmp_path, "run", workflow.id)
    assert code == 2
    assert "offline" in said
    assert run("publish", workflow.id) == (0, "version 4 is published")


def test_a_file_is_run_as_it_is_whatever_is_published(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "filed.json"

    def run(text: str, *more: str) -> tuple[int, str, str]:
        file.write_text(json.dumps({"name": "filed", **graph(text)}))
        return ran(stack, tmp_path, "run", str(file), *more)

    assert run("one")[:2] == (0, "one")
    [workflow] = [one for one in client.workflows.list() if one.name == "filed"]
    client.versions.publish(workflow.id)
    code, output, said = run("two")
    assert (code, output) == (0, "two")
    assert "filed (version 2)" in said
    assert ran(stack, tmp_path, "run", workflow.id)[:2] == (0, "one")
    for wrong in ("1", "newest"):
        code, _, said = run("two", "--version", wrong)
        assert code == 2
        assert "version" in said


def test_what_is_inside_a_node_is_compared_too(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    def each(*nodes: str) -> dict[str, Any]:
        body = {"nodes": [{"id": name, "type": "code"} for name in nodes], "edges": []}
        return {"nodes": [{"id": "each", "type": "map", "config": {"body": body}}], "edges": []}

    made = client.workflows.create("inside", each("a", "b"))
    client.workflows.update(made.id, "inside", each("b", "c"), version=1)
    [body] = client.versions.diff(made.id, 1).bodies
    assert (body.container, [node["id"] for node in body.nodes_added]) == ("each", ["c"])
    code, output, _ = ran(stack, tmp_path, "diff", made.id, "1")
    assert (code, output.splitlines()[1:]) == (
        0,
        ["inside each:", "+ node c (code)", "- node a (code)"],
    )


def test_what_cannot_be_published_is_told_with_its_issues(
    stack: Stack, client: Client, tmp_path: Path
) -> None:
    broken = {"nodes": [{"id": "odd", "type": "nonsense"}], "edges": []}
    workflow = client.workflows.create("broken", broken)
    code, _, said = ran(stack, tmp_path, "publish", workflow.id)
    assert code == 2
    assert "odd" in said


def test_a_program_does_the_same(client: Client) -> None:
    workflow = with_versions(client, "program", "one", "two")
    assert (workflow.published_version, workflow.publication, workflow.etag) == (None, 0, '"2"')
    published = client.versions.publish(workflow.id, 1, "go", if_match=workflow.etag)
    assert (published.version, published.note, published.published_by) == (1, "go", USER)
    now = client.workflows.get(workflow.id)
    assert (now.published_version, now.etag) == (1, '"2.1"')
    assert client.execute(workflow.id, wait=30).output == "one"
    assert client.execute(workflow.id, version="draft", wait=30).output == "two"
    [second, first] = client.versions.list(workflow.id)
    assert (second.version, second.is_published, first.is_published) == (2, False, True)
    assert first.graph is None
    whole = client.versions.get(workflow.id, 1)
    assert whole.graph == graph("one")
    assert whole.content_hash == first.content_hash
    found = client.versions.diff(workflow.id)
    [node] = found.items.nodes_changed
    assert (node.id, node.changes) == ("output", [Change("/config/value", "one", "two")])
    with pytest.raises(ApiError) as stale:
        client.versions.restore(workflow.id, 1, if_match='"1"')
    assert (stale.value.status, stale.value.current_etag) == (409, '"2.1"')
    assert client.versions.restore(workflow.id, 1, if_match=now.etag).version == 3
    assert client.versions.unpublish(workflow.id, "why").version is None
    with pytest.raises(ApiError) as offline:
        client.execute(workflow.id)
    assert offline.value.code == "not_published"
