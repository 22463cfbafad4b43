"""uvicorn with the app, and how it ends.

On SIGTERM `/readyz` says 503 and everything is served as before for PILOT_API_DRAIN_S, so that
load balancers stop sending here before the port closes. Then watchers are told to come again
(WebSockets by close code 1012, event streams by their end), requests under way may finish, and
the process ends with code 0. A second signal skips the wait.
"""

from __future__ import annotations

import asyncio
import socket
from types import FrameType

import uvicorn

from api.app import create_app
from api.http_protocol import HttpProtocol
from api.live.protocol import WatcherProtocol
from api.live.websocket import MAX_MESSAGE_CHARS
from api.parts import Parts
from pilot import logs
from pilot.settings import Settings

GRACE_S = 5
"""For requests under way, once the port is closed."""
KEEP_ALIVE_S = 75
"""Of an idle connection: more than the minute of most proxies, which must not meet a
connection that closes as they use it again."""
POLL_S = 0.05


class ApiServer(uvicorn.Server):
    """Ends open streams when it is told to stop: uvicorn closes WebSockets by itself, but
    waits for every response, and an event stream is one without an end."""

    def __init__(self, config: uvicorn.Config, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._signals = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._signals += 1
        # uvicorn would raise it again at the end: asked to end, and ended, is no failure
        self._captured_signals.clear()

    async def main_loop(self) -> None:
        await super().main_loop()
        parts = self._parts()
        if parts is not None:
            parts.draining.set()
        ends_at = asyncio.get_running_loop().time() + (self._drain_s if self._signals else 0)
        while self._signals < 2 and asyncio.get_running_loop().time() < ends_at:
            await self.on_tick(0)  # the date in answers
            await asyncio.sleep(POLL_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        parts = self._parts()
        for stream in tuple(parts.streams) if parts is not None else ():
            stream.close()
        await super().shutdown(sockets)

    def _parts(self) -> Parts | None:
        parts: Parts | None = getattr(self.config.app.state, "parts", None)  # type: ignore[union-attr]
        return parts


def server(settings: Settings) -> ApiServer:
    """uvicorn with the app, on the settings' host and port."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.pilot_host,
        port=settings.pilot_port,
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=settings.debug or logs.is_json(settings),
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=bool(settings.pilot_trusted_proxies),
        forwarded_allow_ips=settings.pilot_trusted_proxies,
        http=HttpProtocol,
        ws=WatcherProtocol,
        ws_max_size=4 * MAX_MESSAGE_CHARS,
        ws_ping_interval=20,
        ws_ping_timeout=20,
    )
    return ApiServer(config, settings.api_drain_s)
