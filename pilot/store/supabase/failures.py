"""What an error of PostgREST, of the gateway before it or of the way there means."""

from __future__ import annotations

import httpx
from postgrest import APIError

from pilot.errors import ConflictError, NotFoundError, StaleVersionError, StoreError
from pilot.errors import UnavailableError as Unavailable
from pilot.store.failures import store_error

_MIGRATE = "the database lacks πlot's functions: apply `supabase/migrations` (docs/supabase.md)"

# https://docs.postgrest.org/en/v12/references/errors.html
_REFUSED_TOKENS = ("PGRST301", "PGRST302", "PGRST303")
_NO_FUNCTION = ("PGRST202", "42883")
_UNREACHABLE = ("PGRST000", "PGRST001", "PGRST002", "PGRST003")


class _DatabaseError(Exception):
    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def told(error: APIError | httpx.HTTPError | httpx.InvalidURL, what: str) -> Exception:
    """The error to raise for one that came out of the client, in the store's words."""
    if not isinstance(error, APIError):
        return Unavailable(f"Supabase does not answer: {str(error) or type(error).__name__}")
    code, message = error.code or "", _one_line(error.message)
    if code == "PT404":
        return NotFoundError(message)
    if code == "PT409":
        reason = str(error.details)
        if reason == StaleVersionError.code:
            return StaleVersionError(message)
        return ConflictError(message, code=reason)
    if code == "42501":
        # a policy's no: somebody else's object is not there
        return NotFoundError(f"{what} may not be used for this: {message}")
    if code.startswith("23"):
        return ConflictError(f"the database refused the row: {message}")
    if code in _NO_FUNCTION:
        return StoreError(f"{_MIGRATE} ({message})")
    if code in _REFUSED_TOKENS:
        return Unavailable(f"Supabase refuses these credentials ({message})")
    if code in _UNREACHABLE:
        return Unavailable(f"Supabase does not reach the database ({message})")
    if len(code) == len("00000"):
        return store_error(_DatabaseError(code, message))
    if code.isdigit() or not code:  # the gateway's: an HTTP status, or no code at all
        return Unavailable(f"Supabase does not answer as it should: {code} {message}")
    return StoreError(f"Supabase failed: {code} {message}")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())[:500]
