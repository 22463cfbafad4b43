"""Which pages of other origins may call the API from a browser (the Fetch standard's CORS).

Callers show who they are by a token in a header, never by a cookie: credentials are allowed to
no origin, so that a page gets nothing by merely being open in a signed-in browser.
"""

from __future__ import annotations

from typing import Any

from api import codec
from api.limits import HEADERS as RATE_HEADERS
from api.request_id import HEADER as REQUEST_ID
from pilot.settings import Settings

METHODS = ("GET", "POST", "PUT", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    REQUEST_ID,
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
)
CODEC_HEADERS = ("Authorization-Extras", "X-Namespace")
"""What Temporal's Web UI sends besides."""
EXPOSED_HEADERS = (
    "ETag",
    "Location",
    "Retry-After",
    "Idempotent-Replayed",
    REQUEST_ID,
    *RATE_HEADERS,
)
PREFLIGHT_S = 600


def options(settings: Settings) -> dict[str, Any]:
    """The arguments of Starlette's `CORSMiddleware`."""
    return {
        "allow_origins": [*settings.backend_cors_origins, *codec.origins(settings)],
        "allow_methods": METHODS,
        "allow_headers": (*REQUEST_HEADERS, *CODEC_HEADERS),
        "allow_credentials": False,
        "expose_headers": EXPOSED_HEADERS,
        "max_age": PREFLIGHT_S,
    }
