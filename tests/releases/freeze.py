"""Keeps the worker's code of a release, so that tests can run it beside the code of today.

`python -m tests.releases.freeze RELEASE [ROOT]` writes `tests/releases/<RELEASE>.zip` from the
working tree at ROOT [this one]. One that is there is never written again: it is what runs in
flight were begun on. The same files give the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("activities", "pilot", "workflows_def")
MODULE = "worker.py"
MADE_AT = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can tell


def archive(release: str) -> Path:
    """Where the code of a release is kept."""
    return HERE / f"{release}.zip"


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


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    freeze(Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT, archive(sys.argv[1]))
