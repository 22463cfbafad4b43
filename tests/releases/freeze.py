"""Keeps the worker's code of a release, so that tests can run it beside the code of today, and what
its API took and gave, which today's is held to.

`python -m tests.releases.freeze RELEASE ROOT` writes `tests/releases/<RELEASE>.zip` and
`openapi-<RELEASE>.json` from ROOT, a clean checkout of that release. What is there is never written
again: it is what runs in flight were begun on. The same files give the same bytes.
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGES = ("activities", "pilot", "workflows_def")
MODULE = "worker.py"
MADE_AT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can tell
WORDS = ("description", "summary", "title", "examples", "links")
"""What a program that talks to the API does not read."""


def archive(release: str) -> Path:
    """Where the code of a release is kept."""
    return HERE / f"{release}.zip"


def interface(release: str) -> Path:
    """Where its OpenAPI document is kept."""
    return HERE / f"openapi-{release}.json"


def released() -> list[str]:
    """The releases whose code is kept."""
    return sorted(path.stem for path in HERE.glob("*.zip"))


def unpack(release: str, folder: Path) -> Path:
    """The code of a release in a folder of its own, for PYTHONPATH."""
    target = folder / f"release-{release}"
    with zipfile.ZipFile(archive(release)) as kept:
        kept.extractall(target)
    return target


def freeze(root: Path, target: Path) -> None:
    """Writes what a worker of the working tree `root` runs. Raises `FileExistsError`."""
    files = [root / MODULE]
    for package in PACKAGES:
        files += [
            path
            for path in (root / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
    with zipfile.ZipFile(target, "x") as kept:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), MADE_AT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            kept.writestr(entry, path.read_bytes(), compresslevel=9)


def without_words(part: Any, *, are_names: bool = False) -> Any:
    """An OpenAPI document without what is only read by people; `are_names` where the keys of
    `part` are names that somebody gave."""
    if isinstance(part, list):
        return [without_words(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: without_words(one, are_names=key in ("properties", "schemas") and not are_names)
        for key, one in part.items()
        if are_names or key not in WORDS
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    name, root = sys.argv[1], Path(sys.argv[2])
    freeze(root, archive(name))
    told = without_words(json.loads((root / "docs" / "openapi.json").read_text()))
    with interface(name).open("x") as kept:
        json.dump(told, kept, sort_keys=True, separators=(",", ":"))
