"""What docs/import-export.md and docs/templates.md list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from pilot.convert.dify.app import CONVERTERS as DIFY
from pilot.convert.dify.containers import KINDS
from pilot.convert.n8n.expression import _CALLS, _FUNCTIONS
from pilot.convert.n8n.workflow import CONVERTERS as N8N
from pilot.gallery import templates

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "import-export.md").read_text()


def test_every_type_that_is_carried_is_on_the_page() -> None:
    dify, n8n = PAGE.split("## Dify")[1].split("## n8n")
    for kind in (*DIFY, *KINDS):
        assert f"`{kind}`" in dify, kind
    for kind in N8N:
        assert f"`{kind}`" in n8n, kind
    for name in (*_CALLS, *(name for owner, name in _FUNCTIONS if not owner)):
        assert f"`{name}`" in n8n, name


def test_every_template_on_the_page_is_there() -> None:
    text = (DOCS / "templates.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)
    assert len(listed) >= 12
    assert {name: templates()[name].description for name, _ in listed} == dict(listed)


def test_links_lead_somewhere() -> None:
    for page in ("import-export.md", "templates.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (DOCS / page).read_text()):
            assert (DOCS / target).exists(), (page, target)
