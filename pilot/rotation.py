"""`pilot rotate-keys`: what is left to do, and doing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pilot import vault
from pilot.crypto import VARIABLE, Keyring
from pilot.errors import SettingsError
from pilot.keys import secrets_keyring
from pilot.settings import Settings
from pilot.store.open import open_store

Say = Callable[[str], object]


@dataclass(frozen=True)
class Sealed:
    """What a look or a rotation came to. `left` is how many secrets the newest key has not sealed;
    `resealed` and `changed` (meanwhile, by their owners) are a rotation's."""

    newest: str
    left: int
    secrets_by_key: dict[str, int] = field(default_factory=dict)
    resealed: int = 0
    changed: int = 0


async def keys_in_use(settings: Settings, say: Say) -> Sealed:
    """Says how many secrets each key has sealed."""
    keyring = _keyring(settings)
    store = await open_store(settings)
    try:
        counts = await store.secrets.count_by_key()
    finally:
        await store.close()
    known = (*keyring.key_ids, *sorted(counts.keys() - set(keyring.key_ids)))
    for key_id in known:
        count = counts.get(key_id, 0)
        newest = ", newest" if key_id == keyring.newest else ""
        state = newest if key_id in keyring else f", not in {VARIABLE}: they cannot be read"
        say(f"key {key_id}: {_secrets(count)}{state}")
    left = sum(counts.values()) - counts.get(keyring.newest, 0)
    say(
        f"{_secrets(left)} to seal by the newest key: run `pilot rotate-keys`"
        if left
        else "no secret needs an old key"
    )
    return Sealed(keyring.newest, left, {key_id: counts.get(key_id, 0) for key_id in known})


async def rotate_all(settings: Settings, say: Say) -> Sealed:
    """Seals every secret by the newest key; those that could not be are left."""
    keyring = _keyring(settings)
    store = await open_store(settings)
    try:
        done = await vault.rotate(
            store.secrets,
            keyring,
            on_batch=lambda so_far: say(f"sealed by key {keyring.newest}: {so_far.resealed}"),
        )
    finally:
        await store.close()
    for line in done.unreadable:
        say(f"left as it is: {line}")
    changed = f", {done.changed} changed meanwhile by their owners" if done.changed else ""
    unreadable = f", {done.unreadable_count} cannot be read" if done.unreadable_count else ""
    say(f"{_secrets(done.resealed)} sealed anew{changed}{unreadable}")
    return Sealed(
        keyring.newest, done.unreadable_count, resealed=done.resealed, changed=done.changed
    )


def _secrets(count: int) -> str:
    return f"{count} secret{'' if count == 1 else 's'}"


def _keyring(settings: Settings) -> Keyring:
    keyring = secrets_keyring(settings)
    if keyring is None:
        raise SettingsError(f"{VARIABLE} is not set: there is no key to rotate to")
    return keyring
