"""Which pages may open a WebSocket: a browser sends the page's origin and asks nobody.

CORS does not cover WebSockets (RFC 6455, section 10.2), so the server looks itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_allowed(origin: str | None, host: str | None, configured: Sequence[str]) -> bool:
    """Whether a page of `origin` may connect to an API that is addressed as `host`.

    A client that is no browser sends no origin, and passes. A page of the API's own host and
    port does, whatever the scheme: TLS may end before the API. So do BACKEND_CORS_ORIGINS.
    """
    if origin is None or "*" in configured:
        return True
    if origin in configured:
        return True
    try:
        page = urlsplit(origin)
        port = page.port or _DEFAULT_PORTS[page.scheme]
        own = urlsplit(f"{page.scheme}://{host or ''}")
        own_port = own.port or _DEFAULT_PORTS[page.scheme]
    except (ValueError, KeyError):
        return False
    if not page.hostname or not own.hostname or port != own_port:
        return False
    return page.hostname == own.hostname or {page.hostname, own.hostname} <= _LOOPBACK
