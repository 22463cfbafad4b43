"""The data folder of a development stack: its lock, its `pilot.json`, its log files."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pilot.errors import PilotError

STATE_FILE = "pilot.json"
LOCK_FILE = "pilot.lock"


@dataclass(frozen=True, slots=True)
class ApiState:
    url: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class WorkerState:
    pid: int | None


@dataclass(frozen=True, slots=True)
class TemporalState:
    address: str
    ui: str
    pid: int | None


@dataclass(frozen=True, slots=True)
class StackState:
    """What runs on a data folder: the content of `pilot.json`."""

    api: ApiState
    worker: WorkerState
    temporal: TemporalState


def write_state(data_dir: Path, state: StackState) -> None:
    """Replaces `pilot.json` in one step: a reader sees the old one or the new one."""
    path = data_dir / STATE_FILE
    draft = path.with_suffix(".json.new")
    draft.write_text(json.dumps(asdict(state), indent=2) + "\n")
    draft.replace(path)


def remove_state(data_dir: Path) -> None:
    (data_dir / STATE_FILE).unlink(missing_ok=True)


def read_state(data_dir: Path) -> StackState | None:
    """The stack that runs on a data folder; None where there is none."""
    try:
        body = json.loads((data_dir / STATE_FILE).read_text())
        return StackState(
            ApiState(**body["api"]),
            WorkerState(**body["worker"]),
            TemporalState(**body["temporal"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Makes the folder and holds it: two stacks on one database would ruin each other's runs.

    The kernel drops the lock with the process, so no stale one is ever left. Raises
    `PilotError` where another stack holds it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data_dir / LOCK_FILE).open("a+")
    except OSError as error:
        raise PilotError(f"the data folder {data_dir} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise PilotError(
                f"`pilot dev` runs on {data_dir} already (pid {holder}): end it, or choose "
                "another folder with --data-dir",
                code="data_dir_in_use",
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
