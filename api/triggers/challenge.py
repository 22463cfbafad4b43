"""Challenges: what a service asks of a webhook before it calls it."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping

from starlette.responses import PlainTextResponse, Response

from api.problems import Problem

MAX_CHARS = 1_000


def of_slack(body: bytes) -> Response | None:
    """The answer to a `url_verification`; None for any other call.
    https://docs.slack.dev/reference/events/url_verification"""
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or asked.get("type") != "url_verification":
        return None
    return _echo(asked.get("challenge"))


def of_hub(query: Mapping[str, str], token: str | None) -> Response:
    """The answer to `hub.challenge`, where `hub.verify_token` is the `token`. Raises `Problem`
    (400, 403). https://www.w3.org/TR/websub/#hub-verifies-intent"""
    if query.get("hub.mode") not in ("subscribe", "unsubscribe"):
        raise Problem(400, "invalid_challenge", "A challenge has `hub.mode` and `hub.challenge`.")
    if token is not None:
        given = query.get("hub.verify_token", "")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise Problem(403, "invalid_verify_token", "It is not the webhook's `verify_token`.")
    return _echo(query.get("hub.challenge"))


def _echo(challenge: object) -> Response:
    """As plain text, which no browser takes for anything else."""
    if not isinstance(challenge, str) or not 1 <= len(challenge) <= MAX_CHARS:
        raise Problem(
            400, "invalid_challenge", f"A challenge is a text of 1 to {MAX_CHARS:,} characters."
        )
    return PlainTextResponse(challenge)
