"""Signatures, by the vectors that the services publish, and by hostile ones."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.triggers.signatures import HEADERS, Scheme, SignatureError, verify

# https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
GITHUB_SECRET, GITHUB_BODY = "It's a Secret to Everybody", b"Hello, World!"
GITHUB_HEX = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

# https://api.slack.com/authentication/verifying-requests-from-slack
SLACK_SECRET, SLACK_AT = "8f742231b10e8888abcd99yyyzzz85a5", 1531420618
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
    b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"

# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
STANDARD_SECRET, STANDARD_AT = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 1614265330
STANDARD_BODY = b'{"test": 2432232314}'
STANDARD = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(STANDARD_AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def sign(secret: str, signed: bytes) -> bytes:
    return hmac.new(secret.encode(), signed, sha256).digest()


def stripe(secret: str, at: int, body: bytes) -> str:
    return f"t={at},v1={sign(secret, f'{at}.'.encode() + body).hex()},v0=00"


def test_github() -> None:
    headers = {"x-hub-signature-256": f"sha256={GITHUB_HEX}"}
    signed = verify(Scheme.GITHUB, GITHUB_SECRET, headers, GITHUB_BODY, now=0)
    assert signed.delivery is None


def test_slack() -> None:
    headers = {"x-slack-signature": SLACK, "x-slack-request-timestamp": str(SLACK_AT)}
    assert verify(Scheme.SLACK, SLACK_SECRET, headers, SLACK_BODY, now=SLACK_AT + 299).delivery
    with pytest.raises(SignatureError, match="too long ago"):
        verify(Scheme.SLACK, SLACK_SECRET, headers, SLACK_BODY, now=SLACK_AT + 301)


def test_standard() -> None:
    signed = verify(Scheme.STANDARD, STANDARD_SECRET, STANDARD, STANDARD_BODY, now=STANDARD_AT)
    assert signed.delivery == STANDARD["webhook-id"]
    several = f"v1,{base64.b64encode(b'x' * 32).decode()} {STANDARD['webhook-signature']}"
    headers = {**STANDARD, "webhook-signature": several}
    verify(Scheme.STANDARD, STANDARD_SECRET, headers, STANDARD_BODY, now=STANDARD_AT)
    for name in ("webhook-id", "webhook-timestamp"):
        with pytest.raises(SignatureError):
            changed = {**STANDARD, name: STANDARD[name][:-1] + "9"}
            verify(Scheme.STANDARD, STANDARD_SECRET, changed, STANDARD_BODY, now=STANDARD_AT)


def test_stripe() -> None:
    at, body = 1_700_000_000, b'{"id": "evt_1"}'
    headers = {"stripe-signature": stripe("whsec_x", at, body)}
    for now in (at - 300, at, at + 300):
        assert verify(Scheme.STRIPE, "whsec_x", headers, body, now=now).delivery
    for now in (at - 301, at + 301):
        with pytest.raises(SignatureError):
            verify(Scheme.STRIPE, "whsec_x", headers, body, now=now)
    verify(Scheme.STRIPE, "whsec_x", headers, body, now=at + 900, tolerance_s=1000)
    # the secret is being changed: one of two signatures is right
    two = {"stripe-signature": f"t={at},v1={'0' * 64},{stripe('whsec_x', at, body)[13:]}"}
    verify(Scheme.STRIPE, "whsec_x", two, body, now=at)
    later = {"stripe-signature": stripe("whsec_x", at, body).replace(str(at), str(at + 1))}
    with pytest.raises(SignatureError):
        verify(Scheme.STRIPE, "whsec_x", later, body, now=at)


@pytest.mark.parametrize("header", [None, "x-my-signature"])
def test_hex_and_base64(header: str | None) -> None:
    digest = sign("k", b"body")
    name = header or "x-signature"
    for scheme, texts in (
        (Scheme.HEX, [digest.hex(), digest.hex().upper(), f"sha256={digest.hex()}"]),
        (Scheme.BASE64, [base64.b64encode(digest).decode()]),
    ):
        for text in texts:
            verify(scheme, "k", {name: text}, b"body", now=0, header=header)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "sha256=",
        "sha256=zz",
        "sha256=" + "0" * 64,
        GITHUB_HEX[:-2],
        GITHUB_HEX + "00",
        "sha1=" + GITHUB_HEX,
        "x" * 10_000,
        "\u00e9",
    ],
)
@pytest.mark.parametrize("scheme", list(Scheme))
def test_what_is_not_signed_so_is_refused(scheme: Scheme, given: str) -> None:
    headers = {HEADERS[scheme]: given, "webhook-id": "x", "webhook-timestamp": "0"}
    headers["x-slack-request-timestamp"] = "0"
    with pytest.raises(SignatureError) as refused:
        verify(scheme, "another secret", headers, GITHUB_BODY, now=0)
    assert "another secret" not in str(refused.value)


@pytest.mark.parametrize("seconds", ["", "-5", "1e9", "\u0661", "9" * 20, "0x1", " 0"])
def test_a_time_that_is_none_is_refused(seconds: str) -> None:
    signature = sign("k", f"{seconds}.".encode() + b"b").hex()
    headers = {"stripe-signature": f"t={seconds},v1={signature}"}
    with pytest.raises(SignatureError):
        verify(Scheme.STRIPE, "k", headers, b"b", now=0)


@given(st.binary(max_size=50), st.binary(max_size=50), st.text(max_size=80))
def test_only_the_body_that_was_signed_passes(body: bytes, other: bytes, noise: str) -> None:
    headers = {"x-signature": sign("k", body).hex()}
    verify(Scheme.HEX, "k", headers, body, now=0)
    if other != body:
        with pytest.raises(SignatureError):
            verify(Scheme.HEX, "k", headers, other, now=0)
    for scheme in Scheme:
        with pytest.raises(SignatureError):
            verify(scheme, "k", {HEADERS[scheme]: noise}, body, now=0)
