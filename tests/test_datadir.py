"""The data folder's state file and lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot.datadir import (
    ApiState,
    StackState,
    TemporalState,
    WorkerState,
    locked,
    read_state,
    remove_state,
    write_state,
)
from pilot.errors import PilotError

STATE = StackState(
    ApiState("http://127.0.0.1:8000", 1),
    WorkerState(2),
    TemporalState("127.0.0.1:7233", "http://127.0.0.1:8233", 3),
)


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    write_state(tmp_path, STATE)
    assert read_state(tmp_path) == STATE
    assert [file.name for file in tmp_path.iterdir()] == ["pilot.json"]
    remove_state(tmp_path)
    remove_state(tmp_path)
    assert read_state(tmp_path) is None


def test_a_state_that_is_no_state_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "[]", '{"api": {}}', "{"):
        (tmp_path / "pilot.json").write_text(text)
        assert read_state(tmp_path) is None


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with locked(folder):
        assert folder.stat().st_mode & 0o077 == 0
        with pytest.raises(PilotError, match="runs on"), locked(folder):
            pass
    with locked(folder):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PilotError, match="cannot be used"), locked(tmp_path / "file" / "data"):
        pass
