"""The canvas: its component tests, its types of the API, and what its packages are pinned by."""

from __future__ import annotations

import json

from api.app import create_app
from pilot.settings import Settings

from .conftest import WEB, Npm


def test_its_components(npm: Npm) -> None:
    ran = npm("test")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_its_types_are_the_apis(npm: Npm) -> None:
    app = create_app(Settings(_env_file=None, pilot_env="development"))
    document = app.openapi()
    ran = npm("api", "--check", stdin=json.dumps(document, sort_keys=True))
    assert ran.returncode == 0, ran.stderr
    document["paths"]["/api/v1/me"]["delete"]["description"] = "Another one."
    assert npm("api", "--check", stdin=json.dumps(document, sort_keys=True)).returncode == 1


def test_its_packages_are_pinned_by_hash_and_by_no_address() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    packages = {name: about for name, about in lock["packages"].items() if name}
    assert len(packages) > 100
    for name, about in packages.items():
        assert about["integrity"].startswith("sha512-"), name
        assert "resolved" not in about, name
