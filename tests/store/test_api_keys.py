"""The contract of programs' keys, on every database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pilot.errors import ConflictError, NotFoundError
from pilot.roles import Role
from pilot.store import Store, api_keys
from pilot.store.api_keys import ApiKey

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def key(owner: str = "ada", **changes: Any) -> ApiKey:
    fields: dict[str, Any] = {
        "id": str(uuid4()),
        "owner": owner,
        "created_by": owner,
        "name": "ci",
        "role": Role.RUNNER,
        "hash": uuid4().hex * 2,
        "hint": "abcd",
        "created_at": NOW,
    }
    return ApiKey(**{**fields, **changes})


async def test_a_key_is_found_by_its_hash(store: Store) -> None:
    made = key(expires_at=NOW + timedelta(days=1))
    await store.api_keys.create(made)
    assert await store.api_keys.find(made.hash) == made
    assert await store.api_keys.find("0" * 64) is None


async def test_each_owner_sees_their_own_newest_first(store: Store) -> None:
    first, second = key(), key(created_at=NOW + timedelta(seconds=1))
    for one in (first, second, key("bob")):
        await store.api_keys.create(one)
    assert (await store.api_keys.listing("ada")).items == [second, first]
    page = await store.api_keys.listing("ada", limit=1)
    assert page.items == [second]
    assert (await store.api_keys.listing("ada", cursor=page.next_cursor)).items == [first]


async def test_a_revoked_key_stays_so(store: Store) -> None:
    made = key()
    await store.api_keys.create(made)
    with pytest.raises(NotFoundError):
        await store.api_keys.revoke("bob", made.id)
    await store.api_keys.revoke("ada", made.id)
    first = await store.api_keys.find(made.hash)
    assert first is not None and first.revoked_at is not None
    await store.api_keys.revoke("ada", made.id)
    again = await store.api_keys.find(made.hash)
    assert again is not None and again.revoked_at == first.revoked_at


async def test_the_last_use_is_noted(store: Store) -> None:
    made = key()
    await store.api_keys.create(made)
    await store.api_keys.used(made.id, NOW)
    found = await store.api_keys.find(made.hash)
    assert found is not None and found.last_used_at == NOW


async def test_how_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_API_KEYS", 3)
    made = [key() for _ in range(6)]
    outcomes = await asyncio.gather(
        *(store.api_keys.create(one) for one in made), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, ConflictError)]
    assert [one.code for one in refused] == ["too_many_api_keys"] * 3
    [kept, *_] = (await store.api_keys.listing("ada")).items
    await store.api_keys.revoke("ada", kept.id)
    await store.api_keys.create(key())
