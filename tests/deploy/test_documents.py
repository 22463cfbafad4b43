"""docs/deploy.md and .env.example: every setting, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pilot.settings import Settings
from tests.deploy.tools import ROOT

PAGE = ROOT / "docs" / "deploy.md"
SETTINGS = {name.upper() for name in Settings.model_fields}
OF_COMPOSE = {"POSTGRES_PASSWORD", "SUPABASE_JWKS"}


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_example_has_every_setting_once() -> None:
    names = re.findall(r"^([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) == SETTINGS | OF_COMPOSE


def test_the_example_sets_nothing() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and line[0] != "#" and line[-1] != "="] == []


def test_the_table_has_every_setting_once() -> None:
    _, _, table = PAGE.read_text().partition("## All settings\n")
    named = re.findall(r"`([A-Z][A-Z0-9_]*)`", table)
    assert len(named) == len(set(named))
    assert set(named) == SETTINGS, "in docs/deploy.md, under All settings"


@pytest.mark.parametrize(
    "target",
    sorted(t for t in set(re.findall(r"\]\(([^)]+)\)", PAGE.read_text())) if ":" not in t),
)
def test_its_links_lead_somewhere(target: str) -> None:
    path, _, anchor = target.partition("#")
    page = PAGE.parent / path if path else PAGE
    assert page.exists()
    assert not anchor or anchor in anchors(page)
