"""Serves the canvas's build at `/app`, as an ASGI application.

The build (`make web`, or shipped in the wheel) is a page, `index.html`, and assets whose names
hold a hash of their content. So assets may be kept for ever and the page not at all: a new
release shows at the next load. Any path that is no file is the page, whose own router reads it.
Without a build the API is whole, and `/app` says how to make it.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
from pathlib import Path

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from api.canvas.policy import content_security_policy
from pilot import __version__
from pilot.settings import Settings

PATH = "/app"
BUILD = Path(__file__).parent / "build"
NONCE = "__CSP_NONCE__"
"""Stands in the page where each answer has its own number used once."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_FOR_EVER = "public, max-age=31536000, immutable"
_MISSING = """<!doctype html><html lang="en"><title>πlot</title>
<h1>The canvas is not built here</h1>
<p>The API works without it. In a checkout, <code>make web</code> builds it (Node comes with
<code>make setup</code>); the released package has it inside.</p>
"""


class CanvasFiles:
    """`build` is the folder of the build, looked at anew by each request for the page: a build
    that is made while the API runs is served."""

    def __init__(self, settings: Settings, build: Path = BUILD) -> None:
        self._settings = settings
        self._build = build

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope)(scope, receive, send)
            return
        # a WebSocket that was sent here by mistake: refused before it is accepted
        await send({"type": "websocket.close", "code": 1000})

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return Response(status_code=405, headers={"Allow": "GET, HEAD"})
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")
        if path == "config.json":
            return JSONResponse(configuration(self._settings))
        if path.startswith("assets/"):
            return self._asset(path.removeprefix("assets/"))
        return self._page()

    def _asset(self, name: str) -> Response:
        file = self._build / "assets" / name
        if not _NAME.fullmatch(name) or not file.is_file():
            # never the page: a browser would take it for the script that an older page asks for
            return Response(status_code=404)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(file.read_bytes(), media_type=kind, headers={"Cache-Control": _FOR_EVER})

    def _page(self) -> Response:
        file = self._build / "index.html"
        if not file.is_file():
            return HTMLResponse(_MISSING, 404)
        nonce = secrets.token_urlsafe(16)
        return HTMLResponse(
            file.read_text("utf-8").replace(NONCE, nonce),
            headers={
                "Cache-Control": "no-cache",
                "Content-Security-Policy": content_security_policy(self._settings, nonce),
            },
        )


def configuration(settings: Settings) -> dict[str, object]:
    """What the page has to know before anybody has signed in: nothing in it is secret."""
    key = settings.clerk_publishable_key
    return {
        "version": __version__,
        "development": settings.uses_development_issuer,
        "clerk_publishable_key": key,
        "temporal_ui": settings.temporal_ui_url,
    }


def built(build: Path = BUILD) -> bool:
    return (build / "index.html").is_file()
