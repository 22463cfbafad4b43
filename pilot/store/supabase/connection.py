"""Calls of the database's functions over HTTP, in the name of a user or with the service key.

All calls share one pool of connections, and nothing else: whose call it is stands in that call's
own headers.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
from postgrest import APIError, AsyncPostgrestClient

from pilot.errors import StorageFullError, UnavailableError
from pilot.store.acting import acting_token
from pilot.store.database import FULL_FOR_S
from pilot.store.supabase.failures import told

LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=10.0)
"""Seconds; as the SQL store's."""

READ_PAUSES_S = (0.05, 0.25)
"""How long to wait before a read is tried again that did not get through. A write is not: it may
have been done."""


class Connection:
    """`rest_url` is PostgREST's, `key` the publishable one (it says which project is meant, and
    opens nothing), `service_key` the one that is above row-level security."""

    def __init__(self, rest_url: str, key: str, service_key: str) -> None:
        self._http = httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS)
        self._client = AsyncPostgrestClient(
            rest_url, http_client=self._http, headers={}, retry_enabled=False
        )
        self._full_at: float | None = None
        self._key = key
        self._service_key = service_key

    async def close(self) -> None:
        await self._http.aclose()

    async def read(self, function: str, /, **params: Any) -> Any:
        """The answer of a function that changes nothing, in the name of whoever is acting."""
        return await self._patiently(function, params, acting_token())

    async def write(self, function: str, /, **params: Any) -> Any:
        """The answer of a function, in the name of whoever is acting."""
        return await self._write(function, params, acting_token())

    async def read_all(self, function: str, /, **params: Any) -> Any:
        """`read` with the service key: what πlot itself has to know."""
        return await self._patiently(function, params, None)

    async def write_all(self, function: str, /, **params: Any) -> Any:
        """`write` with the service key: what πlot itself does."""
        return await self._write(function, params, None)

    async def _write(self, function: str, params: dict[str, Any], token: str | None) -> Any:
        answer = await self._call(function, params, token)
        self._full_at = None
        return answer

    def require_room(self) -> None:
        """Raises `StorageFullError` where the last write found no room, within the last minute."""
        if self._full_at is not None and time.monotonic() - self._full_at < FULL_FOR_S:
            raise StorageFullError("the last write found the database's disk full")

    async def _patiently(self, function: str, params: dict[str, Any], token: str | None) -> Any:
        for pause in READ_PAUSES_S:
            try:
                return await self._call(function, params, token)
            except UnavailableError:
                await asyncio.sleep(pause)
        return await self._call(function, params, token)

    async def _call(self, function: str, params: dict[str, Any], token: str | None) -> Any:
        call = self._client.rpc(f"pilot_{function}", {f"p_{k}": v for k, v in params.items()})
        if token is None:
            call.request.headers["apikey"] = self._service_key
            call.request.headers["Authorization"] = f"Bearer {self._service_key}"
        else:
            call.request.headers["apikey"] = self._key
            call.request.headers["Authorization"] = f"Bearer {token}"
        try:
            return (await call.execute()).data
        except (APIError, httpx.HTTPError, httpx.InvalidURL) as error:
            # not from the error: its request has the caller's token in a header
            failure = told(error, f"the function pilot_{function}")
            if isinstance(failure, StorageFullError):
                self._full_at = time.monotonic()
            raise failure from None
