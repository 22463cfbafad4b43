"""The store on Supabase: PostgreSQL behind PostgREST, with row-level security.

Each method is one call of a function of `supabase/migrations/`, so one round trip and one
transaction. What a person asks for is asked with their own token (`pilot.store.acting`), and the
database's policies decide a second time what they may see and do; the worker, the API's background
tasks and programs with an API key act with the service key.
"""

from pilot.store.supabase.store import SupabaseStore

__all__ = ["SupabaseStore"]
