"""Which keys a process has: those of the settings, and the development stack's own.

In development there is nothing to set up: without PILOT_ENCRYPTION_KEY a random key is made in
the data folder. It seals stored secrets and nothing else, so that runs stay readable in
Temporal's Web UI.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pilot.crypto import Keyring, new_key
from pilot.errors import SettingsError
from pilot.settings import Settings

KEY_FILE = "secrets.key"


def payload_keyring(settings: Settings) -> Keyring | None:
    """The keys that Temporal's payloads are sealed by; None: they are not. Raises
    `SettingsError`."""
    given = settings.pilot_encryption_key
    return None if given is None else Keyring.parse(given.get_secret_value())


def secrets_keyring(settings: Settings) -> Keyring | None:
    """The keys that stored secrets are sealed by; None where none is configured, which only
    production can be.

    A key of the data folder goes on opening what it sealed once PILOT_ENCRYPTION_KEY is set,
    until `pilot rotate-keys` has sealed that anew. Raises `SettingsError`.
    """
    configured = payload_keyring(settings)
    path = settings.pilot_data_dir / KEY_FILE
    if configured is not None:
        own = _read(path)
        return configured if own is None else configured.with_older(own)
    if not settings.is_development:
        return None
    return _read(path) or _make(path)


def _read(path: Path) -> Keyring | None:
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be read: {error.strerror}") from None
    try:
        return Keyring.parse(text)
    except SettingsError as error:
        raise SettingsError(f"the key file {path} is damaged ({error.message})") from None


def _make(path: Path) -> Keyring:
    """A new key in the file, or the one that another process made in the same moment: the
    first to link its draft wins, and nobody ever reads half a key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:  # noqa: PTH123 (a path cannot say the mode)
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise SettingsError(f"the key file {path} cannot be made: {error.strerror}") from None
    made = _read(path)
    assert made is not None
    return made
