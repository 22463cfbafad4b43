"""Answers, compressed: zstd, br or gzip, as the caller says it can read.

Event streams are not: a line must leave when it is written, and proxies treat them so too.
BREACH needs an attacker who makes the victim's browser send requests of the attacker's choice
and sees the size of what comes back. Nothing here is authorised by a cookie, so another page's
requests bring problem documents only, and no answer holds a token or a secret's value.
"""

from __future__ import annotations

from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from api.problems import MEDIA_TYPE as PROBLEM

MIN_BYTES = 1024
"""Below it an answer fits a packet as it is."""

add_compress_type(PROBLEM)
remove_compress_type("text/event-stream")


def compressed(app: ASGIApp) -> CompressMiddleware:
    """ASGI middleware, at levels whose time is below that of making the answer."""
    return CompressMiddleware(
        app, minimum_size=MIN_BYTES, zstd_level=3, brotli_quality=4, gzip_level=4
    )
