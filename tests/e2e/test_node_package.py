"""The example package of a node type: built, installed and run by processes of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack, execute, finished, pilot, save

PACKAGE = Path(__file__).parents[2] / "examples" / "node-package"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    shutil.copytree(PACKAGE, source)
    target: Path = folder / "site"
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", target, source],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return target


@pytest.fixture(scope="module")
def stack_with_package(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        running = Stack(tmp_path_factory.mktemp("stack"))
    yield running
    running.stop()


def graph() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PACKAGE / "graph.json").read_text())
    return {key: loaded[key] for key in ("nodes", "edges")}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("One. Two three.", {"short": "Only 3 words."}),
        ("a b c d e f g h", {"long": "8 words: take 2 s for it."}),
    ],
)
async def test_a_graph_runs_the_other_packages_node(
    stack_with_package: Stack, text: str, output: Any
) -> None:
    async with stack_with_package.client() as client:
        execution = await finished(
            client, await execute(client, await save(client, graph()), {"text": text})
        )
    assert execution["status"] == "succeeded", execution
    assert execution["output"] == output


async def test_the_palette_and_the_validator_know_it(stack_with_package: Stack) -> None:
    async with stack_with_package.client() as client:
        types = (await client.get("/api/v1/node-types")).json()["items"]
        [found] = [each for each in types if each["type"] == "text_stats"]
        assert found["handles"] == ["long", "short"]
        assert found["config"]["properties"]["words_per_minute"]["maximum"] == 1000
        broken = graph()
        broken["nodes"][1]["config"] = {"text": "always", "words_per_minute": 1}
        answer = (await client.post("/api/v1/workflows/validate", json=broken)).json()
        assert not answer["valid"]
        assert answer["issues"][0]["field"] == "config.words_per_minute"


async def test_its_errors_have_their_code(stack_with_package: Stack) -> None:
    wrong = graph()
    wrong["nodes"][1]["config"]["text"] = "{input}"
    async with stack_with_package.client() as client:
        execution = await finished(
            client, await execute(client, await save(client, wrong), {"text": "x"})
        )
    assert execution["status"] == "failed"
    assert execution["error"]["code"] == "text_stats_no_text"


def test_without_the_package_the_graph_is_refused(tmp_path: Path) -> None:
    answer = pilot("validate", str(PACKAGE / "graph.json"), cwd=tmp_path)
    assert answer.returncode != 0
    assert "no node type 'text_stats'" in answer.stdout + answer.stderr
