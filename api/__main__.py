"""The API process: `python -m api`."""

from __future__ import annotations

import signal
import socket
import sys

import uvicorn

from api.app import create_app
from api.live.protocol import WatcherProtocol
from api.live.websocket import MAX_MESSAGE_CHARS
from pilot import logs, sentry, tracing
from pilot.errors import PilotError
from pilot.settings import Settings, get_settings

GRACE_S = 5


class ApiServer(uvicorn.Server):
    """Ends open streams when it is told to stop: uvicorn closes WebSockets by itself, but
    waits for every response, and an event stream is one without an end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        parts = getattr(self.config.app.state, "parts", None)  # type: ignore[union-attr]
        for stream in tuple(parts.streams) if parts is not None else ():
            stream.close()
        await super().shutdown(sockets)


def server(settings: Settings) -> uvicorn.Server:
    """uvicorn with the app, on the settings' host and port."""
    return ApiServer(
        uvicorn.Config(
            create_app(settings),
            host=settings.pilot_host,
            port=settings.pilot_port,
            loop="auto",
            lifespan="on",
            log_config=None,
            access_log=settings.debug or logs.is_json(settings),
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            proxy_headers=bool(settings.pilot_trusted_proxies),
            forwarded_allow_ips=settings.pilot_trusted_proxies,
            ws=WatcherProtocol,
            ws_max_size=4 * MAX_MESSAGE_CHARS,
            ws_ping_interval=20,
            ws_ping_timeout=20,
        )
    )


def main() -> int:
    try:
        settings = get_settings()
        logs.configure(settings)
        sentry.init(settings, "api")
        tracing.init(settings, "api")
        running = server(settings)
    except PilotError as error:
        print(f"api: {error}", file=sys.stderr)
        return 2
    # uvicorn raises the signal that stopped it once more when all is closed: a stop that was
    # asked for is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    running.run()
    return 0 if running.started else 1


if __name__ == "__main__":
    sys.exit(main())
