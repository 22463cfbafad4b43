"""Who is calling: RS256 tokens, checked against the issuer's JSON Web Key Set.

The development issuer and Clerk differ in where the keys come from, and in nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from jwt import PyJWK, PyJWTError

from api.caller import Caller, InvalidTokenError, caller_of
from api.keysets import FileKeys, HttpKeys, KeySource, KeysUnavailableError
from api.problems import Problem, unavailable
from api.shared_cache import SharedCache
from pilot import tokens
from pilot.settings import Settings

MAX_TOKEN_CHARS = 8 * 1024
LEEWAY_S = 5
MAX_KNOWN = 2_000
"""Tokens that a process remembers as verified, the oldest forgotten first."""


class Verifier(Protocol):
    async def verify(self, token: str) -> Caller:
        """The caller. Raises `InvalidTokenError`, `KeysUnavailableError` or `StoreError`."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    """Who a token is of, and the key that it was verified by."""

    caller: Caller
    key: PyJWK
    kid: str | None


class TokenVerifier:
    """Checks tokens of one issuer: signature by RS256 and nothing else, `iss`, `exp`, `iat`,
    `nbf` and `sub`, with five seconds of leeway; and `azp`, the origin that a token was made
    for, where `parties` are named. Key material named inside a token (`jku`, `jwk`, `x5u`) is
    never looked at.

    A token that was verified is not verified again until it expires or the issuer's keys are read
    anew: with what it is parsed, that takes 0.1 ms."""

    def __init__(self, issuer: str, keys: KeySource, parties: Sequence[str] = ()) -> None:
        self.keys = keys
        self._issuer = issuer
        self._parties = frozenset(parties)
        self._known: dict[str, _Known] = {}

    async def verify(self, token: str) -> Caller:
        """The caller. Raises `InvalidTokenError`, or `KeysUnavailableError`."""
        known = self._known.get(token)
        if known is not None:
            # a key that is withdrawn, or read again, is not the one that the token was checked by
            is_good = await self.keys.key(known.kid) is known.key
            if is_good and known.caller.expires_at > time.time() - LEEWAY_S:
                return known.caller
            self._known.pop(token, None)
        known = await self._verified(token)
        while len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[token] = known
        return known.caller

    async def _verified(self, token: str) -> _Known:
        if len(token) > MAX_TOKEN_CHARS:
            raise InvalidTokenError("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            named = header.get("kid")
            kid = named if isinstance(named, str) else None
            if header.get("alg") != "RS256":
                raise InvalidTokenError("the token is not signed by RS256")
            key = await self.keys.key(kid)
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
        # a token without `azp` was not made in a browser
        if self._parties and claims.get("azp", "") not in {*self._parties, ""}:
            raise InvalidTokenError("the token was made for another application")
        return _Known(caller_of(claims, token), key, kid)


class Verifiers:
    """Tokens of the issuer, and API keys, told apart by how they begin."""

    def __init__(self, tokens: Verifier, prefix: str, keys: Verifier) -> None:
        self._tokens = tokens
        self._prefix = prefix
        self._keys = keys

    async def verify(self, token: str) -> Caller:
        verifier = self._keys if token.startswith(self._prefix) else self._tokens
        return await verifier.verify(token)


def _plain(error: Exception) -> str:
    return str(error).encode("ascii", "replace").decode()[:200] or type(error).__name__


def verifier(settings: Settings, shared: SharedCache | None = None) -> TokenVerifier:
    """The verifier of the configured issuer. Makes the development issuer's keys if needed.
    `shared` is where API processes share what they fetched."""
    if settings.uses_development_issuer:
        tokens.DevelopmentIssuer.open(settings.pilot_data_dir)
        return TokenVerifier(tokens.ISSUER, FileKeys(tokens.jwks_path(settings.pilot_data_dir)))
    settings.check()
    issuer = settings.issuer
    assert issuer is not None
    keys = HttpKeys(f"{issuer.rstrip('/')}/.well-known/jwks.json", shared)
    return TokenVerifier(issuer, keys, settings.clerk_authorized_parties)


async def authenticate(check: Verifier, authorization: str | None) -> Caller:
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


_scheme = HTTPBearer(
    auto_error=False, description="A JWT of Clerk or of `pilot token`, or an API key."
)


async def _caller_of(request: Request, _: Annotated[object, Depends(_scheme)]) -> Caller:
    # set by `api.route.ApiRoute`, which asks for the token before it reads a body
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(_caller_of)]
