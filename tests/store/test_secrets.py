"""The contract of stored secrets, on every database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pilot.errors import ConflictError, NotFoundError, UnavailableError
from pilot.store import Store
from pilot.store.secrets import MAX_SECRETS, SealedSecret
from pilot.store.sql import SqlStore

BYTES = bytes(range(256))


def sealed(owner: str, name: str, ciphertext: bytes = BYTES, key_id: str = "k1") -> SealedSecret:
    return SealedSecret(owner, name, ciphertext, key_id)


async def test_what_is_put_comes_back(store: Store) -> None:
    summary, created = await store.secrets.put(sealed("ada", "TOKEN"))
    assert created
    assert summary.name == "TOKEN"
    assert summary.created_at == summary.updated_at
    assert datetime.now(UTC) - summary.created_at < timedelta(seconds=10)
    assert await store.secrets.get("ada", ["TOKEN"]) == {"TOKEN": sealed("ada", "TOKEN")}
    assert await store.secrets.summaries("ada") == [summary]
    assert await store.secrets.names("ada") == {"TOKEN"}


async def test_put_replaces_and_keeps_when_it_was_created(store: Store) -> None:
    first, _ = await store.secrets.put(sealed("ada", "TOKEN"))
    second, created = await store.secrets.put(sealed("ada", "TOKEN", b"new", "k2"))
    assert not created
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    assert (await store.secrets.get("ada", ["TOKEN"]))["TOKEN"].ciphertext == b"new"
    assert await store.secrets.summaries("ada") == [second]


async def test_each_owner_sees_their_own(store: Store) -> None:
    await store.secrets.put(sealed("ada", "TOKEN", b"hers"))
    await store.secrets.put(sealed("bob", "TOKEN", b"his"))
    await store.secrets.put(sealed("bob", "OTHER", b"his"))
    assert (await store.secrets.get("ada", ["TOKEN", "OTHER"])) == {
        "TOKEN": sealed("ada", "TOKEN", b"hers")
    }
    assert await store.secrets.names("ada") == {"TOKEN"}
    with pytest.raises(NotFoundError):
        await store.secrets.delete("ada", "OTHER")
    await store.secrets.delete("ada", "TOKEN")
    assert await store.secrets.names("ada") == frozenset()
    assert await store.secrets.names("bob") == {"TOKEN", "OTHER"}


async def test_they_are_listed_by_name(store: Store) -> None:
    for name in ("b", "_a", "B", "a1", "A"):
        await store.secrets.put(sealed("ada", name))
    listed = [summary.name for summary in await store.secrets.summaries("ada")]
    assert listed == ["A", "B", "_a", "a1", "b"]


async def test_no_names_are_no_secrets(store: Store) -> None:
    await store.secrets.put(sealed("ada", "TOKEN"))
    assert await store.secrets.get("ada", []) == {}
    assert await store.secrets.get("ada", ["ABSENT"]) == {}


async def test_a_user_has_a_limited_number(store: Store) -> None:
    for number in range(MAX_SECRETS - 1):
        await store.secrets.put(sealed("ada", f"N{number}"))
    outcomes = await asyncio.gather(
        *(store.secrets.put(sealed("ada", f"LAST{number}")) for number in range(8)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConflictError)]
    assert len(refused) == 7
    assert {error.code for error in refused} == {"too_many_secrets"}
    assert len(await store.secrets.names("ada")) == MAX_SECRETS
    await store.secrets.put(sealed("ada", "N0", b"replaced"))
    await store.secrets.put(sealed("bob", "N0"))


async def test_two_that_create_one_name_agree(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.secrets.put(sealed("ada", "X")) for _ in range(6)))
    assert [created for _, created in outcomes].count(True) == 1


async def test_a_rotation_finds_what_other_keys_sealed(store: Store) -> None:
    for owner in ("ada", "bob"):
        for name in ("A", "B", "C"):
            await store.secrets.put(sealed(owner, name, key_id="new" if name == "B" else "old"))
    assert await store.secrets.count_by_key() == {"new": 2, "old": 4}
    first = await store.secrets.not_sealed_by("new", limit=3)
    rest = await store.secrets.not_sealed_by("new", after=(first[-1].owner, first[-1].name))
    assert [(one.owner, one.name) for one in [*first, *rest]] == [
        ("ada", "A"),
        ("ada", "C"),
        ("bob", "A"),
        ("bob", "C"),
    ]


async def test_resealing_leaves_what_was_replaced_meanwhile(store: Store) -> None:
    put, _ = await store.secrets.put(sealed("ada", "A", b"one", "old"))
    [old] = await store.secrets.not_sealed_by("new")
    assert await store.secrets.reseal(old, b"one again", "new")
    assert not await store.secrets.reseal(old, b"late", "new")
    assert await store.secrets.get("ada", ["A"]) == {"A": sealed("ada", "A", b"one again", "new")}
    assert await store.secrets.summaries("ada") == [put]
    await store.secrets.delete("ada", "A")
    assert not await store.secrets.reseal(old, b"late", "new")


async def test_a_database_that_does_not_answer() -> None:
    store = await SqlStore.open("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(UnavailableError):
        await store.secrets.get("ada", ["A"])
    await store.close()
