"""`pilot list`, `show`, `logs` and others against a server, as people and programs use them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pilot.cli import app
from tests.stack import Stack, execute, finished, pilot, save

GRAPH = {
    "name": "speaks",
    "description": "Prints, and fails where it is asked to.",
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "say",
            "type": "code",
            "config": {"source": "def main(x):\n    print('heard', x)\n    return 1 / x\n"},
        },
        {"id": "output", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "say"}, {"source": "say", "target": "output"}],
}
USER = ("--user", "commander")


@pytest.fixture(scope="module")
async def runs(stack: Stack) -> dict[str, str]:
    """A workflow, a run of it that succeeded, and one that failed."""
    async with stack.client("commander") as client:
        workflow = await save(client, GRAPH)
        good = await execute(client, workflow, 4)
        bad = await execute(client, workflow, 0)
        await asyncio.gather(finished(client, good), finished(client, bad))
    return {"workflow": workflow, "good": good, "bad": bad}


async def answered(stack: Stack, path: str) -> Any:
    async with stack.client("commander") as client:
        return (await client.get(f"/api/v1{path}")).json()


def said(stack: Stack, *arguments: str) -> Any:
    """What a command that asks the server says; in this process, since Python takes a second to
    start here."""
    folder = ("--data-dir", str(stack.data_dir))
    return CliRunner().invoke(app, [*arguments, *folder, *USER])


def parsed(stack: Stack, *arguments: str) -> Any:
    done = said(stack, *arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return json.loads(done.stdout)


async def test_json_is_the_apis_own(stack: Stack, runs: dict[str, str]) -> None:
    workflow, good = runs["workflow"], runs["good"]
    for arguments, path in (
        (("list",), "/workflows"),
        (("list", "executions", "--workflow", workflow), f"/executions?workflow_id={workflow}"),
        (("show", good), f"/executions/{good}"),
        (("waits", good), f"/executions/{good}/waits"),
        (("show", workflow), f"/workflows/{workflow}"),
        (("versions", workflow), f"/workflows/{workflow}/versions"),
        (("diff", workflow, "1", "draft"), f"/workflows/{workflow}/versions/diff?from=1&to=draft"),
        (("approvals",), "/approvals"),
        (("schedule", "list"), "/triggers?kind=schedule"),
    ):
        printed = await asyncio.to_thread(parsed, stack, *arguments)
        assert printed == await answered(stack, path), arguments


def test_a_list_is_cut_and_gone_on_with(stack: Stack, runs: dict[str, str]) -> None:
    both = parsed(stack, "list", "executions", "--workflow", runs["workflow"])["items"]
    assert {one["id"] for one in both} == {runs["good"], runs["bad"]}
    first = parsed(stack, "list", "executions", "--workflow", runs["workflow"], "--limit", "1")
    cursor = first["next_cursor"]
    rest = parsed(stack, "list", "executions", "--workflow", runs["workflow"], "--cursor", cursor)
    assert [*first["items"], *rest["items"]] == both
    failed = parsed(stack, "list", "executions", "--status", "failed")["items"]
    assert [one["id"] for one in failed] == [runs["bad"]]


def test_people_are_shown_tables_and_trees(stack: Stack, runs: dict[str, str]) -> None:
    listed = said(stack, "list").stdout
    assert runs["workflow"] in listed
    assert "speaks" in listed
    executions = said(stack, "list", "executions").stdout
    assert "✗ failed" in executions
    good = said(stack, "show", runs["good"]).stdout
    assert "3 of 3 nodes" in good
    assert "0.25" in good
    bad = said(stack, "show", runs["bad"]).stdout
    assert "failed at say" in bad
    graph = said(stack, "show", runs["workflow"]).stdout
    assert [line.split()[0] for line in graph.splitlines()[2:5]] == ["start", "say", "output"]


def test_what_is_copied_from_a_narrow_terminal_is_whole(
    stack: Stack, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [line.split() for line in said(stack, "list", "executions").stdout.splitlines()[1:]]
    assert {runs["good"], runs["bad"]} <= {row[0] for row in rows}
    assert {(row[2], row[3]) for row in rows} >= {
        ("succeeded", runs["workflow"].partition("-")[0]),
        ("failed", runs["workflow"].partition("-")[0]),
    }
    shown = said(stack, "show", runs["good"]).stdout.splitlines()
    assert any(line.startswith("in Temporal: http") and runs["good"] in line for line in shown)


def test_logs_are_what_nodes_printed_and_how_they_failed(
    stack: Stack, runs: dict[str, str]
) -> None:
    printed = said(stack, "logs", runs["good"])
    assert printed.stdout.split() == ["say", "|", "heard", "4"]
    assert said(stack, "logs", runs["good"], "--node", "start").stdout == ""
    lines = said(stack, "logs", runs["bad"], "--json", "--follow").stdout.splitlines()
    assert [json.loads(line)["stream"] for line in lines][-1] == "error"
    assert "division" in json.loads(lines[-1])["text"]


async def test_logs_follow_a_run(stack: Stack) -> None:
    slow = {
        **GRAPH,
        "name": "slow",
        "nodes": [
            GRAPH["nodes"][0],
            {"id": "pause", "type": "wait", "config": {"signal": "go"}},
            GRAPH["nodes"][1],
            GRAPH["nodes"][2],
        ],
        "edges": [
            {"source": "start", "target": "pause"},
            {"source": "pause", "target": "say"},
            {"source": "say", "target": "output"},
        ],
    }
    async with stack.client("commander") as client:
        workflow = await save(client, slow)
        execution = await execute(client, workflow, 2)
        following = asyncio.create_task(
            asyncio.to_thread(said, stack, "logs", execution, "--follow")
        )
        await asyncio.sleep(1)
        signal = await client.post(
            f"/api/v1/executions/{execution}/signals/go", json={"payload": 2}
        )
        assert signal.status_code < 300, signal.text
        done = await following
    assert done.stdout.count("heard") == 1, done.output


async def test_a_program_signs_in_with_an_api_key(stack: Stack, tmp_path: Path) -> None:
    async with stack.client("commander") as client:
        made = await client.post("/api/v1/api-keys", json={"name": "cli", "role": "editor"})
        assert made.status_code == 201, made.text
    file = tmp_path / "speaks.json"
    file.write_text(json.dumps({**GRAPH, "name": "by key"}))
    signed_in = {"PILOT_SERVER": stack.url, "PILOT_API_KEY": made.json()["key"]}
    run = pilot("run", str(file), "--input", "2", cwd=tmp_path, environment=signed_in)
    assert (run.returncode, run.stdout) == (0, "0.5\n"), run.stderr
    listed = pilot("list", "--json", cwd=tmp_path, environment=signed_in)
    assert "by key" in [one["name"] for one in json.loads(listed.stdout)["items"]]
    refused = pilot("list", cwd=tmp_path, environment={**signed_in, "PILOT_API_KEY": "pk_wrong"})
    assert refused.returncode == 3
    assert "PILOT_API_KEY" in refused.stderr
    assert not (tmp_path / ".pilot").exists()


def test_what_is_imported_can_be_saved(stack: Stack) -> None:
    sample = Path(__file__).parents[1] / "convert/samples/dify/word_work.yml"
    done = said(stack, "import", str(sample), "--save", "--json")
    assert done.exit_code == 0, done.output
    saved = json.loads(done.stdout)["saved"]
    exported = said(stack, "export", saved["id"])
    assert json.loads(exported.stdout)["nodes"] == json.loads(done.stdout)["workflow"]["nodes"]


def test_cancelling_what_has_ended_is_refused(stack: Stack, runs: dict[str, str]) -> None:
    done = stack.pilot("cancel", runs["good"], "--json", *USER)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_a_project_runs(stack: Stack, tmp_path: Path) -> None:
    assert pilot("init", "flows", cwd=tmp_path).returncode == 0
    graph = str(tmp_path / "flows" / "graph.json")
    done = stack.pilot("run", graph, "--input", '{"message": "Hi"}', *USER)
    assert done.returncode == 0, done.stderr
    assert "Hi" in done.stdout
