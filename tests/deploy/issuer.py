"""An issuer of tokens as Clerk is one: RS256, with its keys published over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.openai_server import serve

KID = "ins_1"


class Issuer:
    def __init__(self, url: str, key: RSAPrivateKey) -> None:
        self.url = url
        self._key = key

    def token(self, user: str, **claims: str) -> str:
        now = int(time.time())
        body = {"iss": self.url, "sub": user, "iat": now, "nbf": now, "exp": now + 600, **claims}
        return jwt.encode(body, self._key, algorithm="RS256", headers={"kid": KID})


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    """The issuer, its keys served on loopback."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": KID, "alg": "RS256"}

    async def jwks(_: Request) -> JSONResponse:
        return JSONResponse({"keys": [public]})

    async with serve(Starlette(routes=[Route("/.well-known/jwks.json", jwks)])) as port:
        yield Issuer(f"http://127.0.0.1:{port}", key)
