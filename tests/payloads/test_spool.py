"""What is on its way to the payload store lies in a file that nobody else finds or reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pilot.payloads.spool import Spool

TEXT = bytes(range(256)) * 41 + b"end"


def spool() -> Spool:
    made = Spool()
    for at in range(0, len(TEXT), 1_001):
        made.write(TEXT[at : at + 1_001])
    return made


def test_every_part_is_read() -> None:
    made = spool()
    assert len(made) == len(TEXT)
    assert made.read() == TEXT
    for begin in (0, 1, 15, 16, 17, 1_000, len(TEXT) - 1, len(TEXT)):
        for end in (begin, begin + 1, begin + 33, len(TEXT), len(TEXT) + 9):
            assert made.read(begin, end) == TEXT[begin:end]
    made.write(b"more")
    assert made.read(len(TEXT)) == b"more"


def test_it_has_no_name_and_is_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = spool()
    assert list(tmp_path.iterdir()) == []
    stored = os.pread(made._file.fileno(), len(TEXT), 0)
    assert len(stored) == len(TEXT)
    assert TEXT[:16] not in stored and stored[:256] != stored[256:512]
