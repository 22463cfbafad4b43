"""`pilot import`, `export` and `graph`: files, exit codes, the report as a table."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pilot.cli import app

SAMPLES = Path(__file__).parent / "convert" / "samples"
EXAMPLE = Path(__file__).parents[1] / "examples" / "simple_chatbot.json"


def pilot(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.stdout, done.stderr


def test_a_file_is_converted_and_its_losses_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    code, out, err = pilot("import", str(SAMPLES / "dify/lost.yml"), "--output", str(file))
    assert (code, out) == (1, "")
    assert "dify: 4 nodes carried" in err
    assert "not carried" in err
    assert json.loads(file.read_text())["name"] == "Lost"
    code, out, _ = pilot("validate", str(file))
    assert code == 2
    assert "unknown_node_type" in out


def test_what_is_carried_whole_exits_0_and_goes_to_stdout() -> None:
    code, out, err = pilot("import", str(SAMPLES / "dify/word_work.yml"))
    assert code == 0
    assert [node["type"] for node in json.loads(out)["nodes"]][:2] == ["start", "code"]
    assert "0 dropped" in err
    code, out, _ = pilot("import", str(SAMPLES / "dify/word_work.yml"), "--json")
    body = json.loads(out)
    assert body["report"]["format"] == "dify"
    assert len(body["report"]["carried"]) == len(body["workflow"]["nodes"])


def test_a_file_goes_out_and_comes_back(tmp_path: Path) -> None:
    code, flow, _ = pilot("export", str(EXAMPLE), "--format", "reactflow")
    assert code == 0
    file = tmp_path / "flow.json"
    file.write_text(flow)
    code, back, _ = pilot("import", str(file))
    was = json.loads(EXAMPLE.read_text())
    assert (code, json.loads(back)["nodes"]) == (0, was["nodes"])


def test_a_graph_is_drawn() -> None:
    code, out, _ = pilot("graph", str(EXAMPLE), "--mermaid")
    assert code == 0
    assert "flowchart LR" in out
    assert out == pilot("export", str(EXAMPLE), "--format", "mermaid")[1]


def test_what_is_wrong_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.json")
    for arguments in (
        ("import", missing),
        ("import", str(EXAMPLE), "--format", "word"),
        ("import", str(EXAMPLE), "--format", "mermaid"),
        ("export", str(EXAMPLE), "--format", "dify"),
        ("import", str(EXAMPLE), "--format", "dify"),
    ):
        assert pilot(*arguments)[0] != 0, arguments
