"""Encryption at rest: a ring of keys, and messages sealed by them.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce for each message. What is sealed is
bound to where it belongs (a `Binding`), so that a ciphertext which is copied to another row or
another run does not open there. Each purpose and owner has a key of its own, derived from the
ring's by HKDF-SHA256 (RFC 5869): random nonces are safe for some four billion messages a key,
which a busy deployment could come to with one key for everything, and never does with one for
each run.

A sealed message is `version (1 byte) | length of the key id (1) | key id | nonce (12) |
ciphertext and tag`, and everything before the nonce is authenticated too.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pilot.errors import CiphertextError, SettingsError, UnknownKeyError

VARIABLE = "PILOT_ENCRYPTION_KEY"
KEY_BYTES = 32
MIN_DISTINCT_BYTES = 16
"""Of 32 random bytes some 30 are distinct; fewer than 16 are once in 10^14 keys."""
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = 1
HOW_TO_MAKE = "openssl rand -base64 32"

_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a sealed message belongs: it opens with the same binding only.

    `purpose` is what kind of thing it is, `owner` whose, `name` which one of theirs.
    """

    purpose: str
    owner: str
    name: str = ""

    def encoded(self) -> bytes:
        return _parts(self.purpose, self.owner, self.name)


class Keyring:
    """Keys by id, newest first: the newest seals, every one opens. Its text never shows a key."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a keyring needs a key")
        for key_id, key in keys.items():
            if len(key) != KEY_BYTES or _KEY_ID.fullmatch(key_id) is None:
                raise ValueError(f"the key {key_id!r} has a bad id or is not {KEY_BYTES} bytes")
        self._keys = dict(keys)
        self.newest = next(iter(self._keys))
        self._cipher = lru_cache(maxsize=1024)(self._derive)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """The ring of PILOT_ENCRYPTION_KEY: `key` or `id:key`, newest first, comma-separated.

        A key is 32 bytes as base64, standard or URL-safe. Without an id it is called by the
        first eight hex digits of its SHA-256. Raises `SettingsError`, which tells the place of
        a bad key and never its text.
        """
        keys: dict[str, bytes] = {}
        entries = [entry.strip() for entry in text.split(",")]
        for place, entry in enumerate(entries, start=1):
            where = VARIABLE if len(entries) == 1 else f"{VARIABLE}: key {place}"
            given, colon, encoded = entry.rpartition(":")
            key = _decode(encoded, where)
            if colon and _KEY_ID.fullmatch(given) is None:
                raise SettingsError(
                    f"{where} has a bad id: write id:key, the id of 1 to 64 letters, digits, "
                    "dots, dashes and underscores"
                )
            key_id = given or key_id_of(key)
            if key_id in keys:
                raise SettingsError(f"{where} has the id of one before it ({key_id})")
            if key in keys.values():
                raise SettingsError(f"{where} is the same as one before it")
            keys[key_id] = key
        return cls(keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Newest first."""
        return tuple(self._keys)

    def with_older(self, older: Keyring) -> Keyring:
        """A ring that opens what either opens, and seals by this one's newest key."""
        return Keyring({**self._keys, **{k: v for k, v in older._keys.items() if k not in self}})

    def seal(self, message: bytes, binding: Binding, *, repeatable: bool = False) -> bytes:
        """`repeatable`: the same message with the same binding is sealed the same each time. The
        nonce is then a MAC of both, which is as rarely that of another message as a random one
        is, and of two sealed messages everybody sees whether they are the same."""
        header = _header(self.newest)
        nonce = os.urandom(NONCE_BYTES)
        if repeatable:
            bound = _parts(self.newest) + binding.encoded() + message
            nonce = next(self.macs(bound, "nonce"))[:NONCE_BYTES]
        cipher = self._cipher(self.newest, binding.purpose, binding.owner)
        return header + nonce + cipher.encrypt(nonce, message, header + binding.encoded())

    def open(self, sealed: bytes, binding: Binding) -> bytes:
        """The message. Raises `UnknownKeyError` where its key is not on the ring, and
        `CiphertextError` where it was altered, cut, or belongs somewhere else."""
        key_id = key_id_in(sealed)
        if key_id not in self:
            raise UnknownKeyError(
                f"the key {key_id!r} is not in {VARIABLE} (there: {', '.join(self._keys)}): "
                "add it behind the newest key"
            )
        header = _header(key_id)
        nonce, body = sealed[len(header) :][:NONCE_BYTES], sealed[len(header) + NONCE_BYTES :]
        if len(body) < TAG_BYTES:
            raise CiphertextError("the ciphertext is cut short")
        cipher = self._cipher(key_id, binding.purpose, binding.owner)
        try:
            return cipher.decrypt(nonce, body, header + binding.encoded())
        except InvalidTag:
            raise CiphertextError(
                "the ciphertext was altered, or belongs somewhere else, or another key has the "
                f"id {key_id!r}"
            ) from None

    def macs(self, message: bytes, purpose: str) -> Iterator[bytes]:
        """HMAC-SHA256 of the message by each key, the newest first, each derived for the
        purpose."""
        info = _parts("pilot", "mac", purpose)
        for key in self._keys.values():
            derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(key)
            yield hmac.digest(derived, message, "sha256")

    def shares_a_key(self, other: Keyring) -> bool:
        return not set(self._keys.values()).isdisjoint(other._keys.values())

    @property
    def is_random(self) -> bool:
        """Whether every key may well be random: typed texts and repeated bytes are not."""
        return all(
            len(set(key)) >= MIN_DISTINCT_BYTES
            and not (key.isascii() and key.decode().isprintable())
            for key in self._keys.values()
        )

    def _derive(self, key_id: str, purpose: str, owner: str) -> AESGCM:
        info = _parts("pilot", purpose, owner)
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(self._keys[key_id]))

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._keys

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"


def key_id_of(key: bytes) -> str:
    """The id of a key that was given none. Eight hex digits tell keys apart, and say nothing
    of 32 random bytes."""
    return hashlib.sha256(b"pilot key id\0" + key).hexdigest()[:8]


def key_id_in(sealed: bytes) -> str:
    """The id of the key that sealed a message. Raises `CiphertextError`."""
    if len(sealed) < 2 or sealed[0] != VERSION:
        raise CiphertextError("this is no ciphertext of a known version")
    key_id = sealed[2 : 2 + sealed[1]]
    if len(key_id) != sealed[1] or not key_id.isascii():
        raise CiphertextError("the ciphertext is cut short")
    return key_id.decode()


def new_key() -> str:
    """A random key, as PILOT_ENCRYPTION_KEY has it."""
    return urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def _header(key_id: str) -> bytes:
    encoded = key_id.encode()
    return bytes((VERSION, len(encoded))) + encoded


def _parts(*parts: str) -> bytes:
    """Each part behind its length, so that no two lists give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _decode(text: str, where: str) -> bytes:
    hint = f"32 random bytes as base64, such as `{HOW_TO_MAKE}` prints"
    if not text:
        raise SettingsError(f"{where} is empty: it must be {hint}")
    if _BASE64.fullmatch(text) is None:
        raise SettingsError(f"{where} is not base64: it must be {hint}")
    try:
        plain = text.replace("-", "+").replace("_", "/").rstrip("=")
        key = b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"{where} is not base64: it must be {hint}") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{where} is {len(key)} bytes long: it must be {hint}")
    return key
