"""Where an issuer's signing keys come from: a file, or its published JSON Web Key Set."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Protocol

from jwt import PyJWK, PyJWTError

from api.shared_cache import SharedCache
from pilot.errors import PilotError

MAX_JWKS_BYTES = 256 * 1024
JWKS_FRESH_S = 600.0
JWKS_RETRY_S = 10.0
"""How soon the keys are fetched again for an unknown key id, or after a failure."""
FETCH_LIMIT_S = 5.0


class KeysUnavailableError(PilotError):
    code = "keys_unavailable"


class KeySource(Protocol):
    async def key(self, kid: str | None) -> PyJWK | None:
        """The key of that id; None if the set has none. `KeysUnavailableError` when the
        set cannot be read and is not known from before."""
        ...

    async def require(self) -> None:
        """Raises `KeysUnavailableError` where no token can be checked now."""
        ...


class FileKeys:
    """The development issuer's keys. Read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, PyJWK] = {}

    async def key(self, kid: str | None) -> PyJWK | None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp != self._stamp:
                self._keys = parse_keys(self._path.read_bytes())
                self._stamp = stamp
        except (OSError, ValueError) as error:
            raise KeysUnavailableError(f"{self._path}: {error}") from error
        return self._keys.get(kid or "")

    async def require(self) -> None:
        await self.key(None)


class HttpKeys:
    """An issuer's published keys, kept for ten minutes.

    An unknown key id fetches them again, at most every ten seconds, so that a rotation is
    seen and a forger's invented ids are not passed on. While the issuer is down the keys
    that are known stay good. One fetch at a time; it blocks no request that has its key. A
    process that has just begun takes the keys that another one fetched, from the shared cache.
    """

    def __init__(self, url: str, shared: SharedCache | None = None) -> None:
        self._url = url
        self._shared = shared or SharedCache(None)
        self._is_new = True
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = -JWKS_FRESH_S
        self._tried_at = -JWKS_RETRY_S
        self._lock = asyncio.Lock()
        self._failure: str | None = None

    async def key(self, kid: str | None) -> PyJWK | None:
        wanted = kid or ""
        if wanted not in self._keys or time.monotonic() - self._fetched_at > JWKS_FRESH_S:
            async with self._lock:
                await self._take_shared()
                await self._refresh(wanted)
        if not self._keys and self._failure is not None:
            raise KeysUnavailableError(f"{self._url}: {self._failure}")
        return self._keys.get(wanted)

    async def require(self) -> None:
        if not self._keys:  # those that are known stay good
            await self.key(None)
        if not self._keys:
            raise KeysUnavailableError(f"{self._url}: it has no keys")

    async def _take_shared(self) -> None:
        """Once: what other processes know by then, this one will find out by itself."""
        if not self._is_new:
            return
        self._is_new = False
        found = await self._shared.get(self._key)
        if found is None:
            return
        fetched_at, _, content = found.partition(b"\n")
        try:
            age_s = time.time() - float(fetched_at)
            self._keys = parse_keys(content)
        except ValueError:
            return
        self._fetched_at = time.monotonic() - max(age_s, 0.0)

    @property
    def _key(self) -> str:
        return f"jwks:{self._url}"

    async def _refresh(self, wanted: str) -> None:
        now = time.monotonic()
        fresh = now - self._fetched_at <= JWKS_FRESH_S
        if (fresh and wanted in self._keys) or now - self._tried_at < JWKS_RETRY_S:
            return
        self._tried_at = now
        from httpx import HTTPError  # noqa: PLC0415 (with what it imports, 6 MB)

        try:
            async with asyncio.timeout(FETCH_LIMIT_S):
                content = await self._fetch()
                self._keys = parse_keys(content)
        except (TimeoutError, HTTPError, ValueError) as error:
            self._failure = str(error) or type(error).__name__
        else:
            self._failure = None
            self._fetched_at = now
            noted = b"%.3f\n%s" % (time.time(), content)
            await self._shared.put(self._key, noted, ttl_s=JWKS_FRESH_S)

    async def _fetch(self) -> bytes:
        from httpx import AsyncClient  # noqa: PLC0415

        body = b""
        async with (
            AsyncClient(follow_redirects=False, timeout=FETCH_LIMIT_S) as client,
            client.stream("GET", self._url) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError("the key set is too large")
        return body


def parse_keys(content: bytes) -> dict[str, PyJWK]:
    """The RSA signing keys of a JWKS by id. `ValueError` where it is no key set."""
    body = json.loads(content)
    if not isinstance(body, dict) or not isinstance(body.get("keys"), list):
        raise ValueError("not a JSON Web Key Set")
    keys: dict[str, PyJWK] = {}
    for jwk in body["keys"]:
        if not isinstance(jwk, dict) or jwk.get("kty") != "RSA":
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
            continue
        try:
            keys[str(jwk.get("kid", ""))] = PyJWK(jwk, algorithm="RS256")
        except PyJWTError:
            continue
    return keys
