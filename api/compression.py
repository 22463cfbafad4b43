"""Answers, compressed: zstd, br or gzip, as the caller says it can read.

Event streams are not: a line must leave when it is written, and proxies treat them so too.
BREACH needs an attacker who makes the victim's browser send requests of the attacker's choice
and sees the size of what comes back. Nothing here is authorised by a cookie, so another page's
requests bring problem documents only, and no answer holds a token or a secret's value.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from api.problems import MEDIA_TYPE as PROBLEM

MIN_BYTES = 1024
"""Below it an answer fits a packet as it is."""

add_compress_type(PROBLEM)
remove_compress_type("text/event-stream")


WHOLE = "/output"
"""Ends the paths of answers that are read in parts too: a part of what was compressed could not be
asked for."""


class _Compressed(CompressMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith(WHOLE):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def compressed(app: ASGIApp) -> CompressMiddleware:
    """ASGI middleware, at levels whose time is below that of making the answer."""
    return _Compressed(app, minimum_size=MIN_BYTES, zstd_level=3, brotli_quality=4, gzip_level=4)
