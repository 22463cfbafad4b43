"""A process as the container has it, without a container engine: no root, no privilege, a
read-only root, and one folder of its own to write to.

That takes Linux, root, and `unshare` and `setpriv` of util-linux.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.tools import ROOT

UID = 10001
_SCRIPT = (
    'mount -o remount,ro,bind / && mount -t tmpfs -o mode=1777 tmpfs "$0" && {shown}'
    f"exec setpriv --reuid {UID} --regid {UID} --clear-groups --bounding-set=-all "
    '--inh-caps=-all --no-new-privs --pdeathsig KILL "$@"'
)
# A second exec, as `pilot api` does it: privileges end with the first.
_PROBE = (
    "import os, sys; os.execv(sys.executable, [sys.executable, '-P', '-c', 'import pilot.cli'])"
)


class Confinement:
    """`prefix` goes before a command; `environment` says where it may write. Both are empty
    where this machine cannot do it. `data_dir` stands for the image's /data."""

    def __init__(self, tmp: Path) -> None:
        self.data_dir = tmp / "data"
        script = _SCRIPT.format(shown=_shown(tmp))
        prefix = ["unshare", "--mount", "--", "/bin/sh", "-ec", script, str(tmp)]
        self.is_on = _can(prefix)
        self.prefix = prefix if self.is_on else []
        self.environment = {"TMPDIR": str(tmp)} if self.is_on else {}


@contextmanager
def confinement() -> Iterator[Confinement]:
    # not pytest's folder, which is for its user alone
    folder = Path(tempfile.mkdtemp(prefix="pilot-tmp-"))
    folder.chmod(0o755)
    try:
        yield Confinement(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shown(tmp: Path) -> str:
    """Commands that leave of each folder for its owner alone (such as root's own) what our
    programs need: Python and the sources. Others of this machine see nothing of it."""
    private = {path: _private(path) for path in (Path(sys.base_prefix), ROOT, Path(sys.prefix))}
    kept = {path: f"{tmp}/.kept-{i}" for i, path in enumerate(private) if private[path]}
    commands = [
        *(
            f"mkdir {_word(at)} && mount --bind {_word(path)} {_word(at)}"
            for path, at in kept.items()
        ),
        *(
            f"mount -t tmpfs -o mode=755 tmpfs {_word(at)}"
            for at in {private[path] for path in kept}
        ),
        *(
            f"mkdir -p {_word(path)} && mount --bind {_word(at)} {_word(path)}"
            for path, at in kept.items()
        ),
    ]
    return "".join(f"{command} && " for command in commands)


def _private(path: Path) -> Path | None:
    """The outermost folder above it that only its owner may enter."""
    return next((up for up in reversed(path.parents) if not up.stat().st_mode & 0o001), None)


def _word(path: Path | str | None) -> str:
    return shlex.quote(str(path))


def _can(prefix: list[str]) -> bool:
    """Whether a process may be started so, and finds Python and our sources."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    probe = [sys.executable, "-P", "-c", _PROBE]
    return subprocess.run([*prefix, *probe], capture_output=True, check=False).returncode == 0


def status(pid: int) -> dict[str, str]:
    """What the kernel says of a process (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def can_write(pid: int, path: str) -> bool:
    """Whether the process's mount of `path` takes writes (proc_pid_mountinfo(5))."""
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    [options] = [mount[5] for mount in mounts if mount[4] == path][-1:]
    return "rw" in options.split(",")
