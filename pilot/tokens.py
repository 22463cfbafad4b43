"""The local development issuer: signs the tokens that `pilot token` prints.

It stands in for Clerk while CLERK_JWT_ISSUER is not set, behind the same check of the API: an
RS256 key of its own in the data folder, and beside it the JWKS that the API reads. Production
mode knows nothing of it (`Settings.uses_development_issuer`).
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm
from jwt.utils import base64url_encode

from pilot.errors import PilotError, SettingsError

ISSUER = "https://pilot.local/dev"
FOLDER = "issuer"
KEY_FILE = "key.pem"
JWKS_FILE = "jwks.json"
DEFAULT_TTL_S = 12 * 3600
MAX_USER_CHARS = 200


def jwks_path(data_dir: Path) -> Path:
    """Where the issuer's public keys are, as a JSON Web Key Set (RFC 7517)."""
    return data_dir / FOLDER / JWKS_FILE


@dataclass(frozen=True, slots=True)
class DevelopmentIssuer:
    """A signing key and its id. `open` makes both files, once, whoever comes first."""

    key: RSAPrivateKey
    kid: str

    @classmethod
    def open(cls, data_dir: Path) -> DevelopmentIssuer:
        """The issuer of a data folder. Safe to call from several processes at once: one
        key wins, and all use it. Raises `SettingsError` where the folder cannot be used."""
        folder = data_dir / FOLDER
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = _load_or_make(folder / KEY_FILE)
            public = _public_jwk(key)
            jwks = json.dumps({"keys": [public]}, indent=2).encode()
            path = folder / JWKS_FILE
            if not path.exists() or path.read_bytes() != jwks:
                _write(path, jwks)
        except OSError as error:
            raise SettingsError(
                f"PILOT_DATA_DIR: the development issuer cannot use {folder} ({error.strerror})"
            ) from error
        return cls(key, public["kid"])

    def mint(
        self,
        user: str,
        ttl_s: int = DEFAULT_TTL_S,
        *,
        org: str | None = None,
        role: str = "admin",
    ) -> str:
        """A token for `user`, valid for `ttl_s` seconds from now (negative: expired); with `org`
        one that acts in that organisation, in that role."""
        if not user or len(user) > MAX_USER_CHARS or not user.isprintable():
            raise PilotError(
                f"a user has 1 to {MAX_USER_CHARS} printable characters", code="invalid_user"
            )
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "iat": min(now, now + ttl_s),
            "nbf": min(now, now + ttl_s),
            "exp": now + ttl_s,
        }
        if org is not None:
            claims |= {"org_id": org, "org_role": f"org:{role}"}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid})


def mint(data_dir: Path, user: str, ttl_s: int = DEFAULT_TTL_S) -> str:
    """A token of the data folder's issuer, which is made if need be."""
    return DevelopmentIssuer.open(data_dir).mint(user, ttl_s)


def _load_or_make(path: Path) -> RSAPrivateKey:
    with suppress(FileNotFoundError):
        return _load(path)
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(path, pem, exclusively=True)
    return _load(path)


def _load(path: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"PILOT_DATA_DIR: {path} holds no usable key ({error})") from error
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError(f"PILOT_DATA_DIR: {path} holds no RSA key")
    return key


def _public_jwk(key: RSAPrivateKey) -> dict[str, str]:
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    # RFC 7638: the thumbprint is over the required members, in order, without blanks
    members = {"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}
    thumbprint = sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    kid = base64url_encode(thumbprint).decode()
    return {**members, "kid": kid, "use": "sig", "alg": "RS256"}


def _write(path: Path, content: bytes, *, exclusively: bool = False) -> None:
    """Writes a file whole or not at all, readable by its owner only. Exclusively: a file
    that is there already stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if exclusively:
            with suppress(FileExistsError):
                os.link(draft, path)
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
