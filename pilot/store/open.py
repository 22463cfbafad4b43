"""The store that the settings name."""

from __future__ import annotations

from pilot.payloads.values import Values
from pilot.settings import Settings
from pilot.store import Store


async def open_store(settings: Settings) -> Store:
    """Supabase with SUPABASE_URL, unless DATABASE_URL says otherwise; else a SQL database.

    Connects to nothing yet: `ping` says whether it answers. Outputs that are too large for a row
    go to the payload store, where there is one. Raises `SettingsError`.
    """
    store = await _open(settings)
    store.values = Values.open(settings)
    return store


async def _open(settings: Settings) -> Store:
    if not settings.uses_supabase:
        from pilot.store.sql import SqlStore  # noqa: PLC0415 (one of the two is needed)

        return await SqlStore.open(settings.store_url, settings.pilot_database_pool)
    from pilot.store.supabase import SupabaseStore  # noqa: PLC0415
    from pilot.store.supabase.connection import Connection  # noqa: PLC0415

    settings.check()
    assert settings.supabase_url and settings.supabase_key and settings.supabase_service_key
    return SupabaseStore(
        Connection(
            f"{settings.supabase_url.rstrip('/')}/rest/v1",
            settings.supabase_key.get_secret_value(),
            settings.supabase_service_key.get_secret_value(),
        )
    )
