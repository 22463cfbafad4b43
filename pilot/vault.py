"""Secrets as values: sealed before they reach the store, opened where a node needs them, and
sealed anew when the keys change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pilot.crypto import Binding, Keyring
from pilot.errors import CiphertextError
from pilot.store.secrets import SealedSecret, SecretStore

BATCH = 100
MAX_NAMED = 20
"""How many secrets that do not open a report names; all are counted."""


def seal(keyring: Keyring, owner: str, name: str, value: str) -> SealedSecret:
    sealed = keyring.seal(value.encode(), _binding(owner, name))
    return SealedSecret(owner, name, sealed, keyring.newest)


def reveal(keyring: Keyring, secret: SealedSecret) -> str:
    """The value. Raises `CiphertextError`, also for one that was moved from another owner's
    or another name's row."""
    return keyring.open(secret.ciphertext, _binding(secret.owner, secret.name)).decode()


def _binding(owner: str, name: str) -> Binding:
    return Binding("secret", owner, name)


@dataclass(slots=True)
class Rotation:
    """What a rotation did: `resealed`; `changed` meanwhile by their owners, which seals them by
    the newest key too; `unreadable` as `owner/name: reason`, left as they are."""

    resealed: int = 0
    changed: int = 0
    unreadable_count: int = 0
    unreadable: list[str] = field(default_factory=list)


async def rotate(
    store: SecretStore,
    keyring: Keyring,
    *,
    batch: int = BATCH,
    on_batch: Callable[[Rotation], object] = lambda _: None,
) -> Rotation:
    """Seals every secret by the newest key. Each is replaced on its own, and only if it is
    still what was read, so a rotation may be stopped anywhere, run again, or run twice at
    once."""
    done = Rotation()
    after: tuple[str, str] | None = None
    while secrets := await store.not_sealed_by(keyring.newest, after=after, limit=batch):
        for secret in secrets:
            await _reseal(store, keyring, secret, done)
        after = (secrets[-1].owner, secrets[-1].name)
        on_batch(done)
    return done


async def _reseal(store: SecretStore, keyring: Keyring, old: SealedSecret, done: Rotation) -> None:
    try:
        new = seal(keyring, old.owner, old.name, reveal(keyring, old))
    except CiphertextError as error:
        done.unreadable_count += 1
        if len(done.unreadable) < MAX_NAMED:
            done.unreadable.append(f"{old.owner}/{old.name}: {error.message}")
        return
    if await store.reseal(old, new.ciphertext, new.key_id):
        done.resealed += 1
    else:
        done.changed += 1
