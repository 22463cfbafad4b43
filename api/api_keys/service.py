"""API keys: made once and shown once, known afterwards by their hash.

A key is 32 random bytes, so a plain SHA-256 of it cannot be guessed back, and one lookup in an
index finds it. A revoked key is refused by every API process within `FRESH_S` seconds.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from api.access import own
from api.api_keys.schemas import ApiKeyIn, ApiKeyOut, NewApiKeyOut
from api.caller import Caller, InvalidTokenError
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.problems import Problem
from pilot.roles import Role
from pilot.store import Store
from pilot.store.api_keys import ApiKey

PREFIX = "pilot_"
HINT_CHARS = 4
FRESH_S = 10.0
"""How long a key that was looked up is believed to be as it was."""
USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is: a write a request would cost more than it tells."""
SESSION_S = 3600.0
"""How long a WebSocket may stay open on a key that was checked when it opened."""
MAX_KNOWN = 10_000


async def create(parts: Parts, caller: Caller, body: ApiKeyIn) -> NewApiKeyOut:
    """Raises `Problem` (403) where the key would be allowed more than the caller."""
    owner = own(caller, Role.ADMIN)
    if caller.key_id is not None:
        raise Problem(403, "key_makes_key", "An API key cannot make another: sign in for that.")
    now = datetime.now(UTC)
    if body.expires_at is not None and body.expires_at <= now:
        raise Problem(422, "invalid_expiry", "`expires_at` is in the past.")
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        id=str(uuid4()),
        owner=owner,
        created_by=caller.user_id,
        name=body.name,
        role=body.role,
        hash=_hash(secret),
        hint=secret[-HINT_CHARS:],
        created_at=now,
        expires_at=body.expires_at,
    )
    await parts.store.api_keys.create(key)
    return NewApiKeyOut(**_out(key).model_dump(), key=secret)


async def listing(parts: Parts, caller: Caller, page: PageQuery) -> PageOut[ApiKeyOut]:
    found = await parts.store.api_keys.listing(
        own(caller, Role.ADMIN), limit=page.limit, cursor=page.cursor
    )
    return PageOut(items=[_out(key) for key in found.items], next_cursor=found.next_cursor)


async def revoke(parts: Parts, caller: Caller, key_id: str) -> None:
    await parts.store.api_keys.revoke(own(caller, Role.ADMIN), key_id)


class KeyVerifier:
    """Tells the caller of an API key."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def verify(self, token: str) -> Caller:
        """Raises `InvalidTokenError`, or `StoreError` where nobody can say."""
        key = await self._find(_hash(token))
        now = datetime.now(UTC)
        if key is None or key.revoked_at is not None:
            raise InvalidTokenError("the API key is unknown or revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise InvalidTokenError("the API key has expired", code="token_expired")
        expiry = float("inf") if key.expires_at is None else key.expires_at.timestamp()
        return Caller(
            user_id=key.created_by,
            expires_at=min(expiry, time.time() + SESSION_S),
            org_id=None if key.owner == key.created_by else key.owner,
            role=key.role,
            key_id=key.id,
        )

    async def _find(self, hash: str) -> ApiKey | None:
        at = time.monotonic()
        looked_up, known = self._known.get(hash, (0.0, None))
        if known is not None and at - looked_up < FRESH_S:
            return known
        key = await self._store.api_keys.find(hash)
        if key is None:
            self._known.pop(hash, None)
            return None
        now = datetime.now(UTC)
        if key.last_used_at is None or now - key.last_used_at > USED_EVERY:
            await self._store.api_keys.used(key.id, now)
        self._known[hash] = (at, key)
        self._known.move_to_end(hash)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return key


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _out(key: ApiKey) -> ApiKeyOut:
    return ApiKeyOut(
        id=key.id,
        name=key.name,
        role=key.role,
        hint=key.hint,
        created_by=key.created_by,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
