"""The Dockerfile: linted, and in step with what it builds."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from pilot.settings import Settings
from tests.deploy.tools import ROOT, TOOLS, needs_tools, run

DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text().replace("\\\n", " ")
INSTRUCTIONS = [line.split(None, 1) for line in TEXT.splitlines() if line[:1].isalpha()]
HADOLINT = str(TOOLS / "bin" / "hadolint")


def all_of(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


@needs_tools
def test_hadolint_finds_nothing() -> None:
    assert run(HADOLINT, str(DOCKERFILE)) == ""


@needs_tools
def test_hadolint_would(tmp_path: Path) -> None:
    worse = tmp_path / "Dockerfile"
    worse.write_text(DOCKERFILE.read_text().replace("python:3.11-slim-bookworm", "python"))
    with pytest.raises(AssertionError, match="DL3006"):
        run(HADOLINT, str(worse))


def test_base_images_have_versions() -> None:
    images = [image.split()[0] for image in all_of("FROM")]
    web, *ours = images
    assert re.fullmatch(r"node:\d+[\w.-]*", web)
    assert len(ours) == 2
    assert all(re.fullmatch(r"python:3\.11[\w.-]*", image) for image in ours), ours


def test_it_runs_as_nobody_in_particular() -> None:
    assert all_of("USER") == ["10001:10001"]
    assert "--uid 10001" in TEXT


def test_it_installs_by_hash() -> None:
    assert "pip install --require-hashes -r requirements.runtime.lock" in TEXT
    assert (ROOT / "requirements.runtime.lock").read_text().count("--hash=sha256:") > 100


def test_signals_reach_the_program() -> None:
    [entry], [command] = all_of("ENTRYPOINT"), all_of("CMD")
    assert json.loads(entry) == ["tini", "--", "pilot"], "no shell in between"
    assert json.loads(command) == ["api"]


def test_all_that_a_wheel_needs_is_copied() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {word for rest in all_of("COPY") for word in rest.split()[:-1]}
    packed = {path.partition("/")[0] for path in wheel["force-include"]}
    assert {*wheel["only-include"], *packed, "README.md", "LICENSE"} <= copied
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert not copied & ignored
    assert {".env", ".git", ".venv", ".pilot"} <= ignored


def test_its_settings_are_ours() -> None:
    [first, last] = all_of("ENV")
    assert "PIP_" in first
    names = {pair.split("=")[0] for pair in last.split() if pair.startswith("PILOT_")}
    assert names
    assert {name.lower() for name in names} <= set(Settings.model_fields)
