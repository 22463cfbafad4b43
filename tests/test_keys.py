"""Which keys a process has."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from pilot.crypto import Keyring, new_key
from pilot.errors import SettingsError
from pilot.keys import KEY_FILE, payload_keyring, secrets_keyring
from pilot.settings import Settings


def settings(folder: Path, **fields: Any) -> Settings:
    values = {"pilot_env": "development", "pilot_data_dir": folder / "data", **fields}
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


def test_development_makes_a_key_of_its_own_for_secrets_alone(tmp_path: Path) -> None:
    first = secrets_keyring(settings(tmp_path))
    again = secrets_keyring(settings(tmp_path))
    assert first is not None and again is not None
    assert first.key_ids == again.key_ids
    file = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [KEY_FILE]
    assert payload_keyring(settings(tmp_path)) is None


def _make(folder: Path) -> tuple[str, ...]:
    made = secrets_keyring(settings(folder))
    return made.key_ids if made is not None else ()


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_make, [tmp_path] * 8))) == 1


def test_production_without_a_key_has_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / KEY_FILE).write_text(new_key())
    assert secrets_keyring(settings(tmp_path, pilot_env="production")) is None


def test_a_configured_key_seals_and_the_folders_still_opens(tmp_path: Path) -> None:
    own = secrets_keyring(settings(tmp_path))
    key = new_key()
    both = secrets_keyring(settings(tmp_path, pilot_encryption_key=key))
    assert own is not None and both is not None
    assert both.key_ids == (Keyring.parse(key).newest, own.newest)
    payloads = payload_keyring(settings(tmp_path, pilot_encryption_key=key))
    assert payloads is not None
    assert payloads.key_ids == Keyring.parse(key).key_ids


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / KEY_FILE).write_text("damaged\n")
    with pytest.raises(SettingsError, match=r"secrets\.key is damaged"):
        secrets_keyring(settings(tmp_path))


def test_settings_check_the_key_and_do_not_show_it(tmp_path: Path) -> None:
    bad = settings(tmp_path, pilot_encryption_key="sixteen-chars-ok")
    with pytest.raises(SettingsError, match="PILOT_ENCRYPTION_KEY is 12 bytes long"):
        bad.check()
    assert "sixteen-chars-ok" not in repr(bad)
    settings(tmp_path, pilot_encryption_key=new_key()).check()
