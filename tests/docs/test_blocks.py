"""Every block of code in the documentation is run, or at least read by what would run it.

`tests/docs/test_snippets.py` runs shell commands, `test_node_pages.py` graphs and expressions.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml

from pilot.cli import app
from pilot.graph.model import Graph
from pilot.graph.validate import validate
from pilot.nodes import specs
from pilot.settings import Settings
from tests.stack import Stack, clean_environment, pilot

from .pages import ROOT, Block, blocks

WEB = ROOT / "web"
BIN = Path(sys.executable).parent
NODE = BIN / "node"
USER = "reader"

READ_BY = {
    "sh": "test_snippets.py, and test_commands_are_such_as_there_are",
    "bash": "as sh",
    "console": "test_a_console_shows_what_comes",
    "python": "test_python_runs",
    "ts": "test_typescript_has_the_api_s_types",
    "js": "test_a_browser_s_lines_hear_of_runs",
    "json": "test_json_is_json; `json graph` by test_node_pages.py, and `json node` here",
    "cel": "test_node_pages.py",
    "yaml": "test_a_chart_s_values_are_such_as_it_has",
    "toml": "test_entry_points_are_those_of_the_example",
    "ini": "test_settings_are_such_as_there_are",
    "sql": "test_sql_fits_the_tables",
    "mermaid": "nothing: the site draws it in the reader's browser",
    "text": "nothing: it is no code, but the shape of something",
}
"""What reads a block, by its language."""


def params(language: str) -> Any:
    return pytest.mark.parametrize("block", blocks(language), ids=str)


def test_every_block_has_a_language_that_something_reads() -> None:
    assert [str(block) for block in blocks() if block.language not in READ_BY] == []
    assert {block.language for block in blocks()} == READ_BY.keys()


# shell

_TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
_COMMANDS: Any = typer.main.get_command(app)


@pytest.mark.parametrize("block", [*blocks("sh"), *blocks("bash")], ids=str)
def test_commands_are_such_as_there_are(block: Block) -> None:
    """What no test can run (clusters, other people's servers) is read by the shell and by ours."""
    read = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    for line in block.text.replace("\\\n", " ").splitlines():
        called = re.match(r"(?:[A-Z_]+=\S+ )*(make|pilot) (.*)", line)
        words = shlex.split(called[2], comments=True) if called else []
        words = list(itertools.takewhile(lambda word: word not in (">", "|"), words))
        if called and called[1] == "make":
            assert set(words) <= set(_TARGETS)
        elif called:
            _parse(words)


def _parse(words: list[str]) -> None:
    """Raises where there is no such command, or option."""
    command, name = _COMMANDS, "pilot"
    while hasattr(command, "commands"):
        name, words = words[0], words[1:]
        command = command.commands[name]
    options = {text for each in command.params for text in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert given <= options, name


@pytest.fixture
def reader(stack: Stack) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.token(USER)}"}
    return httpx.Client(base_url=stack.url, headers=headers, timeout=60)


def saved(client: httpx.Client) -> str:
    """The id of a workflow that answers with its input."""
    nodes = [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}]
    edges = [{"source": "start", "target": "output"}]
    answer = client.post("/api/v1/workflows", json={"name": "w", "nodes": nodes, "edges": edges})
    return str(answer.json()["id"])


@params("console")
def test_a_console_shows_what_comes(block: Block, stack: Stack) -> None:
    token = stack.pilot("token").stdout.strip()
    reader = httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"})
    command, _, shown = block.text.removeprefix("$ ").partition("\n")
    ran = reader.post(f"/api/v1/workflows/{saved(reader)}/execute?wait=30", json={"input": 1})
    script = command.replace("localhost:8000", stack.url.removeprefix("http://"))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=clean_environment(
            ID=ran.json()["id"],
            PATH=f"{BIN}:{os.environ['PATH']}",
            PILOT_DATA_DIR=str(stack.data_dir),
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first = [line.partition(":")[0] for line in shown.splitlines()]
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[: len(first)]] == first


# Python

PYTHON: dict[str, Callable[[Stack, httpx.Client], dict[str, Any]]] = {
    "docs/api-clients.md": lambda stack, client: {"workflow_id": saved(client)},
    "docs/live.md": lambda stack, client: {
        "url": stack.url,
        "get_token": lambda: stack.token(USER),
        "graph": {
            "nodes": [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}],
            "edges": [{"source": "start", "target": "output"}],
        },
    },
    "docs/nodes/own.md": lambda stack, client: _of_the_example(),
}
"""What a page's lines take for granted."""


def _of_the_example() -> dict[str, Any]:
    """The names that the example's own files import."""
    source = (ROOT / "examples/node-package/pilot_text_stats/activity.py").read_text()
    names: dict[str, Any] = {"TextStatsConfig": dict}
    for line in re.findall(r"^from (?:activities|pilot)\b.*$", source, re.M):
        exec(line, names)
    return names


@params("python")
def test_python_runs(
    block: Block,
    stack: Stack,
    reader: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names = PYTHON[block.page](stack, reader) if block.page in PYTHON else {}
    text = block.text.replace("https://pilot.example.com", stack.url)
    text = text.replace("pk_…", stack.token(USER))
    exec(compile(text, str(block), "exec"), {"__name__": "example", **names})
    if block.page == "docs/live.md":
        assert capsys.readouterr().out == "{'name': 'Ada'}\n"
    for made in tmp_path.glob("*.json"):
        assert validate(Graph.model_validate(json.loads(made.read_text())), specs()) == []


# JavaScript

node = pytest.mark.skipif(not NODE.exists(), reason="there is no Node")


@node
@params("js")
def test_a_browser_s_lines_hear_of_runs(
    block: Block, stack: Stack, reader: httpx.Client, tmp_path: Path
) -> None:
    names = {"user": USER, "userId": USER, "token": stack.token(USER)}
    before = "".join(f"const {name} = {json.dumps(value)}\n" for name, value in names.items())
    text = re.sub(r"(?:127\.0\.0\.1|localhost):8000", stack.url.removeprefix("http://"), block.text)
    script = f"{before}const getToken = async () => token\n{text}"
    workflow, said = saved(reader), tmp_path / "said.txt"
    with said.open("wb") as output:
        running = subprocess.Popen(
            [NODE, "--input-type=module", "--eval", script],
            stdout=output,
            stderr=output,
            start_new_session=True,  # PyPI's node is one process that starts the other
        )
        try:
            for _ in range(20):  # until it has connected
                reader.post(f"/api/v1/workflows/{workflow}/execute?wait=5", json={"input": 1})
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(1)
                    break  # it has ended by itself
                if "execution.succeeded" in said.read_text():
                    break
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert "execution.succeeded" in said.read_text()


@node
@params("ts")
def test_typescript_has_the_api_s_types(block: Block, tmp_path: Path) -> None:
    if not (WEB / "node_modules" / "typescript").exists():
        pytest.skip("web/node_modules is not there")
    (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
    (tmp_path / "pilot.d.ts").write_text((WEB / "src/api/schema.d.ts").read_text())
    names = "declare const token: string\ndeclare const workflow_id: string\n"
    (tmp_path / "example.ts").write_text(names + block.text)
    options = "--noEmit --strict --skipLibCheck --target es2023 --module esnext"
    done = subprocess.run(
        [
            NODE,
            WEB / "node_modules/typescript/bin/tsc",
            *options.split(),
            *("--moduleResolution", "bundler", "example.ts"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# data


@params("json")
def test_json_is_json(block: Block) -> None:
    value = json.loads(block.text)
    if block.info == "json node":
        nodes = [{"id": "start", "type": "start"}, value, {"id": "output", "type": "output"}]
        edges = [
            {"source": "start", "target": value["id"]},
            {"source": value["id"], "target": "output"},
        ]
        graph = Graph.model_validate({"nodes": nodes, "edges": edges})
        assert [one for one in validate(graph, specs()) if one.severity == "error"] == []


@params("yaml")
def test_a_chart_s_values_are_such_as_it_has(block: Block) -> None:
    has = yaml.safe_load((ROOT / "deploy/helm/pilot/values.yaml").read_text())
    values = yaml.safe_load(block.text)
    for name in values.pop("settings"):
        assert name.lower() in Settings.model_fields
    _within(values, has, "")


def _within(given: dict[str, Any], has: dict[str, Any], where: str) -> None:
    for name, value in given.items():
        assert name in has or not has, f"{where}{name}"
        if isinstance(value, dict) and isinstance(has.get(name), dict):
            _within(value, has[name], f"{where}{name}.")


@params("toml")
def test_entry_points_are_those_of_the_example(block: Block) -> None:
    example = tomllib.loads((ROOT / "examples/node-package/pyproject.toml").read_text())
    assert tomllib.loads(block.text)["project"].items() <= example["project"].items()


@params("ini")
def test_settings_are_such_as_there_are(block: Block) -> None:
    for line in block.text.splitlines():
        assert line.partition("=")[0].lower() in Settings.model_fields


@params("sql")
def test_sql_fits_the_tables(block: Block, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    made = pilot("migrate", "--database-url", url, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    with sqlite3.connect(tmp_path / "pilot.db") as database:
        database.execute(f"EXPLAIN {block.text}")
