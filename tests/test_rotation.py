"""Keys change: every secret is sealed anew, whatever happens in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilot import vault
from pilot.crypto import Keyring, new_key
from pilot.errors import CiphertextError
from pilot.store.migrate import migrate
from pilot.store.secrets import SealedSecret
from pilot.store.sql import SqlStore
from tests.stack import pilot

OLD, NEW, LOST = new_key(), new_key(), new_key()
OLD_RING, BOTH, NEW_RING = (Keyring.parse(text) for text in (OLD, f"{NEW},{OLD}", NEW))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'pilot.db'}"
    await migrate(url)
    store = await SqlStore.open(url)
    for number in range(25):
        await put(store, OLD_RING, f"user-{number % 3}", f"N{number}")
    yield store
    await store.close()


async def put(store: SqlStore, keyring: Keyring, owner: str, name: str) -> None:
    await store.secrets.put(vault.seal(keyring, owner, name, f"value of {owner}'s {name}"))


async def values(store: SqlStore, keyring: Keyring) -> dict[tuple[str, str], str]:
    found = {}
    for owner in ("user-0", "user-1", "user-2"):
        names = await store.secrets.names(owner)
        for name, secret in (await store.secrets.get(owner, names)).items():
            found[owner, name] = vault.reveal(keyring, secret)
    return found


async def test_all_are_sealed_by_the_newest_key_and_keep_their_values(store: SqlStore) -> None:
    before = await values(store, BOTH)
    batches: list[int] = []
    done = await vault.rotate(
        store.secrets, BOTH, batch=10, on_batch=lambda so_far: batches.append(so_far.resealed)
    )
    assert (done.resealed, done.changed, done.unreadable) == (25, 0, [])
    assert batches == [10, 20, 25]
    assert await store.secrets.count_by_key() == {BOTH.newest: 25}
    assert await values(store, NEW_RING) == before
    assert (await vault.rotate(store.secrets, BOTH)).resealed == 0


async def test_one_that_was_stopped_goes_on(store: SqlStore) -> None:
    def stop(so_far: vault.Rotation) -> None:
        if so_far.resealed >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await vault.rotate(store.secrets, BOTH, batch=5, on_batch=stop)
    assert await store.secrets.count_by_key() == {BOTH.newest: 10, OLD_RING.newest: 15}
    assert len(await values(store, BOTH)) == 25
    assert (await vault.rotate(store.secrets, BOTH)).resealed == 15


async def test_two_at_once_and_owners_in_between(store: SqlStore) -> None:
    first, second, _ = await asyncio.gather(
        vault.rotate(store.secrets, BOTH, batch=3),
        vault.rotate(store.secrets, BOTH, batch=4),
        put(store, BOTH, "user-0", "N24"),
    )
    assert first.resealed + second.resealed in (24, 25)
    assert await store.secrets.count_by_key() == {BOTH.newest: 25}
    assert len(await values(store, NEW_RING)) == 25


async def test_what_cannot_be_read_is_named_and_left(store: SqlStore) -> None:
    await put(store, Keyring.parse(LOST), "user-1", "LOST")
    taken = (await store.secrets.get("user-0", ["N0"]))["N0"]
    await store.secrets.put(SealedSecret("user-2", "MOVED", taken.ciphertext, taken.key_id))
    done = await vault.rotate(store.secrets, BOTH, batch=4)
    assert (done.resealed, done.unreadable_count) == (25, 2)
    lost, moved = done.unreadable
    assert lost.startswith("user-1/LOST: the key")
    assert moved.startswith("user-2/MOVED: the ciphertext was altered")
    assert (await store.secrets.get("user-1", ["LOST"]))["LOST"].key_id == Keyring.parse(
        LOST
    ).newest


async def test_a_row_that_was_moved_does_not_open(store: SqlStore) -> None:
    hers = (await store.secrets.get("user-0", ["N0"]))["N0"]
    for owner, name in (("user-1", "N0"), ("user-0", "N1")):
        with pytest.raises(CiphertextError):
            vault.reveal(BOTH, SealedSecret(owner, name, hers.ciphertext, hers.key_id))


async def test_the_command_reports_and_rotates(store: SqlStore, tmp_path: Path) -> None:
    def run(keys: str, *arguments: str) -> tuple[int, str, str]:
        done = pilot(
            "rotate-keys",
            *arguments,
            cwd=tmp_path,
            environment={"PILOT_ENCRYPTION_KEY": keys, "PILOT_DATA_DIR": str(tmp_path)},
        )
        return done.returncode, done.stdout, done.stderr

    code, said, _ = run(f"{NEW},{OLD}", "--check")
    assert code == 1
    assert f"key {BOTH.newest}: 0 secrets, newest" in said
    assert f"key {OLD_RING.newest}: 25 secrets" in said
    code, said, _ = run(f"{NEW},{OLD}", "--check", "--json")
    assert (code, json.loads(said)) == (
        1,
        {
            "newest": BOTH.newest,
            "left": 25,
            "secrets_by_key": {BOTH.newest: 0, OLD_RING.newest: 25},
        },
    )
    code, said, _ = run(f"{NEW},{OLD}")
    assert (code, said.splitlines()[-1]) == (0, "25 secrets sealed anew")
    code, said, _ = run(NEW, "--check")
    assert (code, said.splitlines()[-1]) == (0, "no secret needs an old key")
    await put(store, Keyring.parse(LOST), "user-1", "LOST")
    code, said, _ = run(NEW, "--check")
    assert code == 1
    assert "not in PILOT_ENCRYPTION_KEY: they cannot be read" in said
    code, said, _ = run(NEW)
    assert code == 1
    assert "left as it is: user-1/LOST" in said
    code, said, errors = run(NEW, "--json")
    assert (code, json.loads(said)) == (
        1,
        {"newest": BOTH.newest, "left": 1, "resealed": 0, "changed": 0},
    )
    assert "left as it is: user-1/LOST" in errors
    code, said, errors = run("", "--check")
    assert (code, errors) == (
        2,
        "pilot: PILOT_ENCRYPTION_KEY is not set: there is no key to rotate to\n",
    )
    for text in (OLD, NEW, LOST):
        assert text not in said + errors
