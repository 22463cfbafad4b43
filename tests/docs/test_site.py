"""The site is built without a warning: no dead link, no page left out of the menu."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pilot.nodes import BUILT_IN

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_and_has_each_type_s_reference(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    for spec in BUILT_IN:
        page = (tmp_path / "nodes" / spec.type / "index.html").read_text()
        reference = page.partition('id="reference"')[2]
        for field in spec.config.model_fields:
            assert f"<code>{field}</code>" in reference, (spec.type, field)
