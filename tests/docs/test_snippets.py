"""The commands of the documentation, run as they stand there, on a whole stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack import Stack, clean_environment

ROOT = Path(__file__).parents[2]
GUARD = 'curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }\n'
USER = "reader"
AS_IT_COMES = "http://127.0.0.1:8000"

ELSEWHERE = {
    "docs/cli.md": "a server elsewhere; tests/test_commands.py reads its examples",
    "docs/deploy.md": "containers and clusters; tests/deploy checks their files",
    "docs/retention.md": "tests of the commands themselves; needs sqlite3 and jq",
    "docs/supabase.md": "tests/store; needs a project of Supabase",
}
"""Pages whose commands are not run here, and why."""

Page = Callable[[Stack, httpx.Client, Path], dict[str, str]]
"""What a page takes for granted: makes it, and gives the variables that name it."""


def saved(client: httpx.Client, *nodes: dict[str, Any]) -> str:
    """The id of a new workflow: these nodes between a start and an output, in a row."""
    row = [{"id": "start", "type": "start"}, *nodes, {"id": "output", "type": "output"}]
    edges = [{"source": one["id"], "target": other["id"]} for one, other in pairwise(row)]
    answer = client.post("/api/v1/workflows", json={"name": "w", "nodes": row, "edges": edges})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def a_workflow(_stack: Stack, client: httpx.Client, _folder: Path) -> dict[str, str]:
    secret = client.post("/api/v1/secrets", json={"name": "GITHUB_HOOK", "value": "s" * 32})
    assert secret.status_code in (200, 201, 204), secret.text
    return {"ID": saved(client)}


def a_failed_run(_stack: Stack, client: httpx.Client, _folder: Path) -> dict[str, str]:
    workflow = saved(client, {"id": "code", "type": "code", "config": {"source": "1 / 0"}})
    run = client.post(f"/api/v1/workflows/{workflow}/execute?wait=30", json={"input": 1})
    assert run.json()["status"] == "failed", run.text
    return {"ID": run.json()["id"]}


def documents(_stack: Stack, _client: httpx.Client, folder: Path) -> dict[str, str]:
    samples = ROOT / "tests" / "convert" / "samples"
    shutil.copy(samples / "dify" / "support_chat.yml", folder / "support.yml")
    graph = json.loads((ROOT / "examples" / "simple_chatbot.json").read_text())
    flow = {
        "nodes": [{**node, "data": {}} for node in graph["nodes"]],
        "edges": [{"id": str(n), **edge} for n, edge in enumerate(graph["edges"])],
    }
    (folder / "flow.json").write_text(json.dumps(flow))
    return {}


def nothing(_stack: Stack, _client: httpx.Client, _folder: Path) -> dict[str, str]:
    return {}


PAGES: dict[str, Page] = {
    "README.md": nothing,
    "docs/index.md": nothing,
    "docs/retry.md": a_failed_run,
    "docs/triggers.md": a_workflow,
    "docs/import-export.md": documents,
}


def blocks(page: str) -> list[str]:
    return re.findall(r"^```(?:sh|bash)\n(.*?)^```", (ROOT / page).read_text(), re.S | re.M)


def run(script: str, stack: Stack, folder: Path, names: dict[str, str]) -> str:
    """What the script printed; it ends at its first error."""
    api = f"{stack.url}/api/v1"
    done = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            GUARD + script.replace(AS_IT_COMES, stack.url),
        ],
        cwd=folder,
        env=clean_environment(
            API=api,
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            AUTH=f"Authorization: Bearer {stack.token(USER)}",
            PILOT_SERVER=stack.url,
            PILOT_TOKEN=stack.token(USER),
            PILOT_DATA_DIR=str(stack.data_dir),
            **names,
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def reader(stack: Stack) -> httpx.Client:
    headers = {"Authorization": f"Bearer {stack.token(USER)}"}
    return httpx.Client(base_url=stack.url, headers=headers, timeout=60)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_s_commands_run(
    page: str, stack: Stack, reader: httpx.Client, tmp_path: Path
) -> None:
    names = PAGES[page](stack, reader, tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (tmp_path / ".pilot").symlink_to(stack.data_dir)
    variables = answer = ""
    for block in blocks(page):
        script = variables + (block if not answer else _filled(block, answer))
        answer = run(script, stack, tmp_path, names)
        variables += "".join(re.findall(r"^[A-Z]+=.*\n", block, re.M))


def _filled(block: str, answer: str) -> str:
    """The block with the id that its reader copies out of the answer before."""
    return re.sub(r"the-(?:workflow|execution)-s-id", lambda _: _id(answer), block)


def _id(answer: str) -> str:
    return str(json.loads(answer)["id"])


def test_no_page_is_left_out() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    names = [str(page.relative_to(ROOT)) for page in pages]
    with_commands = {name for name in names if blocks(name)}
    assert with_commands - PAGES.keys() - ELSEWHERE.keys() == set()
    assert PAGES.keys() | ELSEWHERE.keys() <= set(names)
