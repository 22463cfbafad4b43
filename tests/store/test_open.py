"""Which store the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pilot.errors import SettingsError
from pilot.settings import Settings
from pilot.store.open import open_store
from pilot.store.sql import SqlStore
from pilot.store.supabase import SupabaseStore

SUPABASE: dict[str, Any] = {
    "supabase_url": "https://project.supabase.co/",
    "supabase_key": SecretStr("publishable"),
    "supabase_service_key": SecretStr("secret"),
    "clerk_jwt_issuer": "https://clerk.example.com",
}


def settings(path: Path, **fields: Any) -> Settings:
    return Settings(_env_file=None, pilot_data_dir=path, **fields)


async def test_the_store_is_the_one_that_is_set(tmp_path: Path) -> None:
    for fields, kind in (
        ({}, SqlStore),
        (SUPABASE, SupabaseStore),
        ({**SUPABASE, "database_url": f"sqlite:///{tmp_path / 'x.db'}"}, SqlStore),
    ):
        store = await open_store(settings(tmp_path, **fields))
        assert type(store) is kind
        await store.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"supabase_key": None}, "SUPABASE_KEY is not"),
        ({"supabase_service_key": None}, "SUPABASE_SERVICE_KEY is not"),
        ({"supabase_url": None}, "SUPABASE_URL, whose key it is, is not"),
        ({"supabase_url": "project"}, "SUPABASE_URL is not a URL"),
        ({"supabase_service_key": SecretStr("publishable")}, "are the same"),
        (
            {"clerk_jwt_issuer": None, "pilot_env": "development"},
            "Supabase does not know the tokens",
        ),
    ],
)
async def test_what_is_missing_is_named(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    given = settings(tmp_path, **{**SUPABASE, **changes})
    with pytest.raises(SettingsError, match=words) as raised:
        given.check()
    assert "\n" not in str(raised.value)
