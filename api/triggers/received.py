"""A call of a webhook, read: what of it a run is given."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from api.body import parse
from api.problems import Problem
from pilot.triggers.configuration import NEVER_PASSED, WebhookConfig

ALWAYS_PASSED = frozenset({"content-type", "user-agent"})
MAX_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Received:
    """`headers` by lower-case name; of several of one name the first."""

    method: str
    headers: dict[str, str]
    query: str
    body: bytes

    @classmethod
    async def of(cls, request: Request, limit: int) -> Received:
        """Reads the body. Raises `Problem` (413) where it has more than `limit` bytes."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise Problem(413, "body_too_large", f"This webhook takes {limit:,} bytes.")
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            headers.setdefault(name.lower(), value)
        return cls(request.method, headers, request.url.query, bytes(body))

    def input(self, config: WebhookConfig) -> Any:
        """The run's input. Raises `Problem` (400) for JSON that is none."""
        body, kind = self._read()
        if config.input_from == "body":
            return body
        wanted = (ALWAYS_PASSED | set(config.headers)) - NEVER_PASSED
        if config.signature is not None and config.signature.header is not None:
            wanted -= {config.signature.header}
        return {
            "method": self.method,
            "headers": {name: self.headers[name] for name in sorted(wanted & set(self.headers))},
            "query": _fields(self.query),
            "body": body,
            "body_type": kind,
        }

    def _read(self) -> tuple[Any, str]:
        """The body as JSON, and what it was: `json`, `form`, `text`, `base64` or `empty`."""
        if not self.body:
            return None, "empty"
        media, _, parameters = self.headers.get("content-type", "").partition(";")
        media = media.strip().lower()
        if media == "application/json" or media.endswith("+json"):
            return parse(self.body), "json"
        try:
            if media == "application/x-www-form-urlencoded":
                return _fields(self.body.decode()), "form"
            if media.startswith("text/") and _is_unicode(parameters):
                return self.body.decode(), "text"
        except UnicodeDecodeError:
            pass  # it is not what it says
        return base64.b64encode(self.body).decode(), "base64"


def _is_unicode(parameters: str) -> bool:
    charset = parameters.lower().partition("charset=")[2].split(";")[0].strip(' "')
    return charset in ("", "utf-8", "utf8", "us-ascii")


def _fields(text: str) -> dict[str, Any]:
    """By name; a list where one stands several times. Raises `Problem` (400)."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(
            400, "too_many_fields", f"A query or a form has at most {MAX_FIELDS:,} fields."
        ) from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
