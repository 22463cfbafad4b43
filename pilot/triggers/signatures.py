"""Signatures of webhooks: HMAC-SHA256 of the body, as the services that call sign it.

| scheme | the header | what is signed |
| --- | --- | --- |
| `github` | `X-Hub-Signature-256: sha256=<hex>` | the body |
| `stripe` | `Stripe-Signature: t=<seconds>,v1=<hex>` | `<seconds>.<body>` |
| `slack` | `X-Slack-Signature: v0=<hex>`, `X-Slack-Request-Timestamp` | `v0:<seconds>:<body>` |
| `standard` | `webhook-signature: v1,<base64>`, `webhook-id`, `webhook-timestamp` | `<id>.<seconds>.<body>` |
| `hex`, `base64` | `X-Signature`, or whatever it is called | the body |

`standard` is https://www.standardwebhooks.com, whose secrets are base64 behind `whsec_`. A header
may have several signatures, while its sender changes the secret. All are compared in constant
time.
"""  # noqa: E501 (a table)

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from pilot.errors import PilotError

TOLERANCE_S = 300.0
MAX_HEADER_CHARS = 4_096
MAX_SIGNATURES = 20


class SignatureError(PilotError):
    """The request was not signed with the secret, or too long ago."""

    code = "invalid_signature"


class Scheme(StrEnum):
    GITHUB = "github"
    STRIPE = "stripe"
    SLACK = "slack"
    STANDARD = "standard"
    HEX = "hex"
    BASE64 = "base64"


HEADERS: Mapping[Scheme, str] = {
    Scheme.GITHUB: "x-hub-signature-256",
    Scheme.STRIPE: "stripe-signature",
    Scheme.SLACK: "x-slack-signature",
    Scheme.STANDARD: "webhook-signature",
    Scheme.HEX: "x-signature",
    Scheme.BASE64: "x-signature",
}
"""Where each scheme has its signature, unless the webhook says otherwise."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature vouches for beside the body. `delivery` names this sending of it: the same
    one again is a repetition (or a replay), and None where the scheme has nothing of the kind."""

    delivery: str | None = None


def verify(
    scheme: Scheme,
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    header: str | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> Signed:
    """Checks a request. `headers` by lower-case name, `now` in Unix seconds.

    Raises `SignatureError`, which says nothing of what would have been right.
    """
    given = headers.get((header or HEADERS[scheme]).lower(), "")
    if not given or len(given) > MAX_HEADER_CHARS:
        raise SignatureError("the request is not signed")
    key = secret.encode()
    match scheme:
        case Scheme.GITHUB | Scheme.HEX:
            signatures = [given.strip().removeprefix("sha256=")]
            _require(_hex(signatures), key, body)
            return Signed()
        case Scheme.BASE64:
            _require(_base64([given.strip()]), key, body)
            return Signed()
        case Scheme.STRIPE:
            parts = [part.strip().partition("=") for part in given.split(",")]
            seconds = next((value for name, _, value in parts if name == "t"), "")
            _require_recent(seconds, now, tolerance_s)
            signatures = [value for name, _, value in parts if name == "v1"]
            _require(_hex(signatures), key, seconds.encode() + b"." + body)
            return Signed(f"{seconds}.{sorted(signatures)[0]}")
        case Scheme.SLACK:
            seconds = headers.get("x-slack-request-timestamp", "")
            _require_recent(seconds, now, tolerance_s)
            signature = given.strip().removeprefix("v0=")
            _require(_hex([signature]), key, b"v0:" + seconds.encode() + b":" + body)
            return Signed(f"{seconds}.{signature}")
        case Scheme.STANDARD:
            message_id, seconds = (
                headers.get("webhook-id", ""),
                headers.get("webhook-timestamp", ""),
            )
            _require_recent(seconds, now, tolerance_s)
            if not message_id:
                raise SignatureError("the request has no webhook-id")
            signatures = [
                text.removeprefix("v1,") for text in given.split() if text.startswith("v1,")
            ]
            signed = f"{message_id}.{seconds}.".encode() + body
            _require(_base64(signatures), _standard_key(secret), signed)
            return Signed(message_id)


def _require(signatures: Iterable[bytes], key: bytes, signed: bytes) -> None:
    expected = hmac.new(key, signed, sha256).digest()
    # all of them, so that the time says nothing of which one it was
    if not sum(hmac.compare_digest(expected, one) for one in signatures):
        raise SignatureError("the signature is not that of the request")


def _require_recent(seconds: str, now: float, tolerance_s: float) -> None:
    if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 12):
        raise SignatureError("the request does not say when it was signed")
    if abs(now - int(seconds)) > tolerance_s:
        raise SignatureError("the request was signed too long ago, or by a clock that is wrong")


def _hex(signatures: list[str]) -> Iterable[bytes]:
    for text in signatures[:MAX_SIGNATURES]:
        try:
            yield bytes.fromhex(text)
        except ValueError:
            continue


def _base64(signatures: list[str]) -> Iterable[bytes]:
    for text in signatures[:MAX_SIGNATURES]:
        try:
            yield base64.b64decode(text.encode(), validate=True)
        except (ValueError, binascii.Error):
            continue


def _standard_key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error):
        return secret.encode()
