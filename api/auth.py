"""Who is calling: RS256 tokens, checked against the issuer's JSON Web Key Set.

The development issuer and Clerk differ in where the keys come from, and in nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import httpx
import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from jwt import PyJWK, PyJWTError

from api.problems import Problem, unavailable
from pilot import tokens
from pilot.errors import PilotError
from pilot.settings import Settings

MAX_TOKEN_CHARS = 8 * 1024
LEEWAY_S = 5
MAX_JWKS_BYTES = 256 * 1024
JWKS_FRESH_S = 600.0
JWKS_RETRY_S = 10.0
"""How soon the keys are fetched again for an unknown key id, or after a failure."""
FETCH_LIMIT_S = 5.0


class InvalidTokenError(PilotError):
    code = "invalid_token"


class KeysUnavailableError(PilotError):
    code = "keys_unavailable"


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified user, and until when (Unix seconds) their token holds."""

    user_id: str
    expires_at: float


class KeySource(Protocol):
    async def key(self, kid: str | None) -> PyJWK | None:
        """The key of that id; None if the set has none. `KeysUnavailableError` when the
        set cannot be read and is not known from before."""
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


class HttpKeys:
    """An issuer's published keys, kept for ten minutes.

    An unknown key id fetches them again, at most every ten seconds, so that a rotation is
    seen and a forger's invented ids are not passed on. While the issuer is down the keys
    that are known stay good. One fetch at a time; it blocks no request that has its key.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = -JWKS_FRESH_S
        self._tried_at = -JWKS_RETRY_S
        self._lock = asyncio.Lock()
        self._failure: str | None = None

    async def key(self, kid: str | None) -> PyJWK | None:
        wanted = kid or ""
        if wanted not in self._keys or time.monotonic() - self._fetched_at > JWKS_FRESH_S:
            async with self._lock:
                await self._refresh(wanted)
        if not self._keys and self._failure is not None:
            raise KeysUnavailableError(f"{self._url}: {self._failure}")
        return self._keys.get(wanted)

    async def _refresh(self, wanted: str) -> None:
        now = time.monotonic()
        fresh = now - self._fetched_at <= JWKS_FRESH_S
        if (fresh and wanted in self._keys) or now - self._tried_at < JWKS_RETRY_S:
            return
        self._tried_at = now
        try:
            async with asyncio.timeout(FETCH_LIMIT_S):
                self._keys = parse_keys(await self._fetch())
        except (TimeoutError, httpx.HTTPError, ValueError) as error:
            self._failure = str(error) or type(error).__name__
        else:
            self._failure = None
            self._fetched_at = now

    async def _fetch(self) -> bytes:
        body = b""
        async with (
            httpx.AsyncClient(follow_redirects=False, timeout=FETCH_LIMIT_S) as client,
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


class TokenVerifier:
    """Checks tokens of one issuer: signature by RS256 and nothing else, `iss`, `exp`, `iat`,
    `nbf` and `sub`, with five seconds of leeway. Key material named inside a token (`jku`,
    `jwk`, `x5u`) is never looked at."""

    def __init__(self, issuer: str, keys: KeySource) -> None:
        self._issuer = issuer
        self._keys = keys

    async def verify(self, token: str) -> Caller:
        """The caller. Raises `InvalidTokenError`, or `KeysUnavailableError`."""
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidTokenError("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") != "RS256":
                raise InvalidTokenError("the token is not signed by RS256")
            key = await self._keys.key(kid if isinstance(kid, str) else None)
            if key is None:
                raise InvalidTokenError("the token is signed by an unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={
                    "require": ["exp", "iat", "sub", "iss"],
                    "verify_aud": False,
                },
            )
        except jwt.ExpiredSignatureError:
            raise InvalidTokenError("the token has expired", code="token_expired") from None
        except (PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as error:
            raise InvalidTokenError(f"the token is not valid: {_plain(error)}") from None
        return _caller(claims)


def _plain(error: Exception) -> str:
    return str(error).encode("ascii", "replace").decode()[:200] or type(error).__name__


def _caller(claims: dict[str, Any]) -> Caller:
    user = claims["sub"]
    if not isinstance(user, str) or not user or len(user) > tokens.MAX_USER_CHARS:
        raise InvalidTokenError("the token's subject is no user")
    return Caller(user, float(claims["exp"]))


def verifier(settings: Settings) -> TokenVerifier:
    """The verifier of the configured issuer. Makes the development issuer's keys if needed."""
    if settings.uses_development_issuer:
        tokens.DevelopmentIssuer.open(settings.pilot_data_dir)
        return TokenVerifier(tokens.ISSUER, FileKeys(tokens.jwks_path(settings.pilot_data_dir)))
    settings.check()
    assert settings.clerk_jwt_issuer is not None
    issuer = settings.clerk_jwt_issuer
    return TokenVerifier(issuer, HttpKeys(f"{issuer.rstrip('/')}/.well-known/jwks.json"))


async def authenticate(check: TokenVerifier, authorization: str | None) -> Caller:
    """The caller of an `Authorization` header. Raises `Problem` (401, or 503)."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("missing_token", "This needs an `Authorization: Bearer` header.")
    try:
        return await check.verify(token.strip())
    except InvalidTokenError as error:
        raise _unauthorized(
            error.code, f"{error.message[:1].upper()}{error.message[1:]}."
        ) from None
    except KeysUnavailableError as error:
        raise unavailable(error.code, "The keys of the token's issuer cannot be read.") from error


def _unauthorized(code: str, detail: str) -> Problem:
    challenge = 'Bearer realm="pilot"'
    if code != "missing_token":
        challenge += f', error="invalid_token", error_description="{_quotable(detail)}"'
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})


def _quotable(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c.isascii() and c not in '"\\')


_scheme = HTTPBearer(auto_error=False, description="A JWT of Clerk, or of `pilot token`.")


def _caller_of(request: Request, _: Annotated[object, Depends(_scheme)]) -> Caller:
    # set by `api.route.ApiRoute`, which asks for the token before it reads a body
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(_caller_of)]
