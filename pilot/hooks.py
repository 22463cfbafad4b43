"""Addresses of webhooks: who knows one may answer a waiting node, and nobody else.

A token names its node and carries a MAC of that by a key that only πlot's processes have. So it
can be made whenever it is needed, before its node waits too, and is kept nowhere: not in the
store, not in Temporal's history, not in events.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from pilot.crypto import Keyring

PREFIX = "/api/v1/hooks/"
MAC_BYTES = 20
"""160 bits: more than anybody can guess."""
MAX_TOKEN_CHARS = 2_000

_PURPOSE = "hook"


@dataclass(frozen=True, slots=True)
class Hook:
    """A node of an execution that waits, or will; `path` as in `workflows_def.paths`."""

    execution_id: str
    node_id: str
    path: str = ""


def token(keyring: Keyring, hook: Hook) -> str:
    """The token, by the newest key: the same whenever it is made."""
    message = _message(hook)
    mac = next(iter(keyring.macs(message, _PURPOSE)))[:MAC_BYTES]
    return urlsafe_b64encode(mac + message).decode().rstrip("=")


def address(keyring: Keyring, public_url: str, hook: Hook) -> str:
    """Where to send to; without a public URL the path alone."""
    return f"{public_url.rstrip('/')}{PREFIX}{token(keyring, hook)}"


def read(keyring: Keyring, token: str) -> Hook | None:
    """What a token is for; None for one that none of the keys has made."""
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    mac, message = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
    # each is compared, so that the time tells nothing
    known = [hmac.compare_digest(mac, one[:MAC_BYTES]) for one in keyring.macs(message, _PURPOSE)]
    if not any(known):
        return None
    node_id, _, path = message[16:].decode().partition("\0")
    return Hook(str(UUID(bytes=message[:16])), node_id, path)


def _message(hook: Hook) -> bytes:
    return UUID(hook.execution_id).bytes + f"{hook.node_id}\0{hook.path}".encode()
