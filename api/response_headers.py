"""What every answer says to browsers and caches, whoever gave it.

Answers are JSON for programs: no page of ours is to be framed, sniffed, cached or to run a
script. The documentation pages of DEBUG load theirs from a CDN. A header that an answer brings
itself stays as it is.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_CSP = "default-src 'none'; frame-ancestors 'none'"
DOCS_CSP = (
    "default-src 'none'; frame-ancestors 'none'; connect-src 'self'; worker-src blob:; "
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    "font-src https://fonts.gstatic.com; "
    "img-src data: https://fastapi.tiangolo.com https://cdn.redoc.ly"
)
DOCS_PATHS = frozenset({"/docs", "/redoc"})
HSTS = "max-age=31536000"
"""A year. Without `includeSubDomains` and `preload`: the domain's other hosts are not ours."""

_ALWAYS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }.items()
)
_CACHE, _ETAG, _CSP = b"cache-control", b"etag", b"content-security-policy"
_NO_STORE, _REVALIDATE = b"no-store", b"private, no-cache"


class ResponseHeaders:
    """ASGI middleware. An answer with an `ETag` may be kept by its reader, who asks whether it
    still holds; any other one is kept nowhere. HSTS is sent over TLS only (RFC 6797), which a
    trusted proxy's `X-Forwarded-Proto` may tell."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_missing(message["headers"], scope)]
            await send(message)

        await self._app(scope, receive, with_headers)


def _missing(given: list[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in given}
    csp = DOCS_CSP if scope["path"] in DOCS_PATHS else JSON_CSP
    wanted = [
        *_ALWAYS,
        (_CSP, csp.encode()),
        (_CACHE, _REVALIDATE if _ETAG in names else _NO_STORE),
    ]
    if scope["scheme"] == "https":
        wanted.append((b"strict-transport-security", HSTS.encode()))
    return [(name, value) for name, value in wanted if name not in names]
