"""`pilot` without a server: help, examples, docs/cli.md, what is said where nothing answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from typer.testing import CliRunner

from pilot.cli import app
from pilot.commands.options import PANELS
from pilot.commands.reference import pages
from pilot.exits import CLIENT_VARIABLES
from pilot.gallery import templates
from pilot.store.migrations import HEAD

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = Path(__file__).parents[1] / "examples"
ROOT: Any = typer.main.get_command(app)
COMMANDS = {
    f"{name} {inner}".strip(): command
    for name, outer in ROOT.commands.items()
    for inner, command in getattr(outer, "commands", {"": outer}).items()
}
SAMPLES = [
    pytest.param(line.strip(), id=f"{name}-{index}")
    for name, command in COMMANDS.items()
    for index, line in enumerate(command.help.partition("**Examples**")[2].strip().splitlines())
]


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*CLIENT_VARIABLES, "PILOT_DATA_DIR", "CLERK_JWT_ISSUER", "PILOT_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def pilot(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_the_page_is_what_help_says() -> None:
    made = "python -m pilot.commands.reference > docs/cli.md"
    assert (DOCS / "cli.md").read_text() == pages(), f"make it anew: {made}"


def test_every_command_has_a_panel_examples_and_explained_options() -> None:
    for name, command in ROOT.commands.items():
        assert command.rich_help_panel in PANELS, name
    for name, command in COMMANDS.items():
        assert "**Examples**" in command.help, name
        for parameter in command.params:
            assert parameter.help or parameter.name in ("schedule",), (name, parameter.name)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_each_example_on_a_line_of_its_own(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"COLUMNS": "200"}).stdout
    lines = [line.strip() for line in shown.splitlines()]
    for sample in COMMANDS[name].help.partition("**Examples**")[2].strip().splitlines():
        assert sample.strip() in lines


@pytest.mark.parametrize("line", SAMPLES)
def test_every_example_is_a_command(line: str) -> None:
    Path("graph.json").write_text("{}")
    commands = list(calls(line))
    assert commands, line
    for words in commands:
        group = ROOT
        while hasattr(group, "commands"):
            group = group.commands[words.pop(0)]
        group.make_context("x", words)  # raises where it is none


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each `pilot` of a command line."""
    for inner in re.findall(r"\$\((pilot [^)]*)\)", line):
        yield from calls(inner)
    words: list[str] = []
    for word in [*shlex.split(line), "&&"]:
        if word in ("&&", "|", ">", ">>"):
            while words and re.match(r"[A-Z_]+=", words[0]):
                words = words[1:]
            if words and words[0] == "pilot":
                yield words[1:]
            words = []
        else:
            words.append(word)


def test_what_is_wrong_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import pilot.cli

    def ended(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["pilot", *arguments])
        with pytest.raises(SystemExit) as end:
            pilot.cli.main()
        return int(end.value.code or 0)

    nowhere = "http://127.0.0.1:9"
    for arguments, code in (
        (("list",), 4),
        (("show", "x", "--server", nowhere), 3),
        (("list", "executions", "--server", "127.0.0.1:9"), 2),
        (("graph", "none.json"), 2),
        (("graph", str(EXAMPLES / "refine.json"), "--svg", "--mermaid"), 2),
        (("no-such-command",), 2),
        (("list", "--workflow", "x"), 2),
    ):
        assert ended(*arguments) == code, arguments


def test_the_way_to_a_server_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pilot.cli

    def said(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["pilot", *arguments])
        with pytest.raises(SystemExit):
            pilot.cli.main()
        out, err = capsys.readouterr()
        assert out == ""
        assert len(err.splitlines()) == 1
        return err

    assert "`pilot dev` starts one" in said("list")
    monkeypatch.setenv("PILOT_SERVER", "http://127.0.0.1:9")
    assert "PILOT_API_KEY" in said("list", "--json")
    monkeypatch.setenv("PILOT_API_KEY", "pk_x")
    monkeypatch.setattr("pilot.client.transport.MAX_TRIES", 1)
    assert "no πlot answers at http://127.0.0.1:9" in said("list")


def test_a_project_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "flows"
    done = pilot("init", str(folder), "--json")
    assert done.exit_code == 0, done.output
    names = ["graph.json", "graph.schema.json", ".env", ".gitignore", "README.md"]
    assert json.loads(done.stdout)["files"] == names
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    graph = json.loads((folder / "graph.json").read_text())
    schema = json.loads((folder / graph["$schema"]).read_text())
    jsonschema.validate(graph, schema)
    assert pilot("validate", str(folder / "graph.json")).exit_code == 0
    before = {file: file.read_text() for file in folder.iterdir()}
    (folder / "graph.json").unlink()
    again = pilot("init", str(folder))
    assert again.exit_code != 0
    assert "has graph.schema.json" in str(again.exception)
    assert not (folder / "graph.json").exists()
    assert all(file.read_text() == text for file, text in before.items() if file.exists())


@pytest.mark.parametrize("template", sorted(templates()))
def test_a_project_of_every_template_is_valid(template: str) -> None:
    assert pilot("init", "x", "--template", template).exit_code == 0
    assert pilot("validate", "x/graph.json").exit_code == 0
    tree = pilot("graph", "x/graph.json")
    assert tree.exit_code == 0
    for node in templates()[template].graph.nodes:
        assert node.id in tree.stdout


def test_what_a_file_calls_is_validated_with_it() -> None:
    assert pilot("init", "x", "--template", "moderated_answer").exit_code == 0
    done = pilot("validate", "x/graph.json")
    assert done.exit_code == 0
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "x/moderation.json",
        "x/graph.json",
    ]
    called = Path("x/moderation.json")
    body = json.loads(called.read_text())
    body["edges"].append({"source": "nobody", "target": "rules"})
    called.write_text(json.dumps(body))
    assert pilot("validate", "x/graph.json").exit_code == 2
    done = pilot("validate", "x/graph.json", "--json")
    assert done.exit_code == 2
    assert {one["file"] for one in json.loads(done.stdout)["issues"]} == {"moderation.json"}


def test_completion_knows_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PILOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "pilot re")
    monkeypatch.setenv("COMP_CWORD", "1")
    done = CliRunner().invoke(app, [], prog_name="pilot")
    assert {"retry", "restore"} <= set(done.stdout.split()), done.output


def test_migrate_says_what_it_found_and_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    made = pilot("migrate", "--database-url", url, "--json")
    assert (made.exit_code, json.loads(made.stdout)) == (0, {"from": None, "to": HEAD})
    again = pilot("migrate", "--database-url", url)
    assert (again.exit_code, again.stdout) == (0, f"the tables are the newest ({HEAD})\n")
    printed = pilot("migrate", "--supabase", "--json")
    assert "CREATE TABLE" in json.loads(printed.stdout)["sql"].upper()
